// Matrices on tensor cores: tiles in shared memory, fragments in registers, and the instructions between the two (mma.m16n8k16).
//
// A fragment of accumulators `c[n][4]` is 16 rows by 8 n columns: lane l holds columns 8 n + 2 (l % 4) and the next, of row
// l / 4 in c[n][0..2] and of row l / 4 + 8 in c[n][2..4]. Packed in pairs, two neighbours n are one operand of 16 x 16.

// The number of this thread.
__device__ __forceinline__ int this_thread() { return threadIdx.x; }

// Accumulators d and their neighbours e, with four 8 x 8 matrices of shared memory, where lane l gives the address of row
// l % 8 of matrix l / 8: one statement, since compilers take their time over each.
#define LOAD_MMA(TYPE, TRANSPOSED)                                                                                         \
    asm volatile("{.reg .b32 b<4>; ldmatrix.sync.aligned.m8n8.x4" TRANSPOSED ".shared.b16 {b0, b1, b2, b3}, [%12]; "        \
                 "mma.sync.aligned.m16n8k16.row.col.f32." TYPE "." TYPE ".f32 {%0, %1, %2, %3}, {%8, %9, %10, %11}, "      \
                 "{b0, b1}, {%0, %1, %2, %3}; "                                                                            \
                 "mma.sync.aligned.m16n8k16.row.col.f32." TYPE "." TYPE ".f32 {%4, %5, %6, %7}, {%8, %9, %10, %11}, "      \
                 "{b2, b3}, {%4, %5, %6, %7};}"                                                                            \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(e[0]), "+f"(e[1]), "+f"(e[2]), "+f"(e[3])          \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(at)                                                     \
                 : "memory")

// bf16 operands, two in a register, the one at the lower address in the lower half.
struct bf16_pair {
    static __device__ __forceinline__ unsigned of(float low, float high) {
        unsigned pair;
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
        return pair;
    }
    typedef bf16 number;
    static __device__ __forceinline__ float low(unsigned pair) { return __uint_as_float(pair << 16); }
    static __device__ __forceinline__ float high(unsigned pair) { return __uint_as_float(pair & 0xffff0000u); }
    static __device__ __forceinline__ void mma(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
            "{%0, %1, %2, %3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    }
    template <bool TRANSPOSED>
    static __device__ __forceinline__ void load_mma(float (&d)[4], float (&e)[4], const unsigned (&a)[4], unsigned at) {
        if constexpr (TRANSPOSED) {
            LOAD_MMA("bf16", ".trans");
        } else {
            LOAD_MMA("bf16", "");
        }
    }
};

// f16 operands; see bf16_pair.
struct f16_pair {
    static __device__ __forceinline__ unsigned of(float low, float high) {
        unsigned pair;
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
        return pair;
    }
    typedef f16 number;
    static __device__ __forceinline__ float low(unsigned pair) {
        return f16{static_cast<unsigned short>(pair)}.wide();
    }
    static __device__ __forceinline__ float high(unsigned pair) {
        return f16{static_cast<unsigned short>(pair >> 16)}.wide();
    }
    static __device__ __forceinline__ void mma(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
        asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
            "{%0, %1, %2, %3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    }
    template <bool TRANSPOSED>
    static __device__ __forceinline__ void load_mma(float (&d)[4], float (&e)[4], const unsigned (&a)[4], unsigned at) {
        if constexpr (TRANSPOSED) {
            LOAD_MMA("f16", ".trans");
        } else {
            LOAD_MMA("f16", "");
        }
    }
};

// A pair of numbers as two 16-bit operands each: the rounded numbers, and what rounding lost.
template <typename E>
__device__ __forceinline__ void split_pair(unsigned &high, unsigned &low, float x, float y) {
    high = E::of(x, y);
    low = E::of(x - E::low(high), y - E::high(high));
}

// Rows of 16-bit numbers in shared memory. Rows lie an odd number of 16-byte pieces apart, so that eight rows' pieces at
// one column are in different banks: no fragment load has a conflict.
template <int COLUMNS>
struct Tile {
    static constexpr int PITCH = (COLUMNS / 8 | 1) * 16;
    char *base;
    __device__ __forceinline__ char *at(int row, int column) const { return base + (row * PITCH + column * 2); }
};

// The part of the left tile that a product takes: of the six of three parts, the smallest first, or of the last three, which two
// parts have.
template <int COLUMNS>
__device__ __forceinline__ Tile<COLUMNS> left_part(int product, Tile<COLUMNS> high, Tile<COLUMNS> low, Tile<COLUMNS> last) {
    return product == 0 ? last : product == 2 || product == 3 ? low : high;
}

// The part of the right tile; see left_part.
template <int COLUMNS>
__device__ __forceinline__ Tile<COLUMNS> right_part(int product, Tile<COLUMNS> high, Tile<COLUMNS> low, Tile<COLUMNS> last) {
    return product == 1 ? last : product == 2 || product == 4 ? low : high;
}

// Rows of float in shared memory; float2 accesses of one fragment have no bank conflict.
template <int COLUMNS>
struct Square {
    static constexpr int PITCH = COLUMNS + 8;
    float *base;
    __device__ __forceinline__ float *at(int row, int column) const { return base + (row * PITCH + column); }
};

// Rows of float in shared memory; a fragment is stored transposed without a bank conflict.
template <int COLUMNS>
struct Wide {
    static constexpr int PITCH = (COLUMNS + 31) / 32 * 32 + 4;
    float *base;
    __device__ __forceinline__ float *at(int row, int column) const { return base + (row * PITCH + column); }
};

// An address in shared memory as instructions take it.
__device__ __forceinline__ unsigned shared_at(const void *at) {
    return static_cast<unsigned>(__cvta_generic_to_shared(at));
}

// Four 8 x 8 matrices; lane l gives the address of row l % 8 of matrix l / 8.
__device__ __forceinline__ void load_matrices(unsigned (&x)[4], unsigned row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(row)
                 : "memory");
}

// The same, each matrix transposed.
__device__ __forceinline__ void load_transposed(unsigned (&x)[4], unsigned row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(row)
                 : "memory");
}

// An 8 x 8 matrix of 16-bit numbers, transposed across the lanes.
__device__ __forceinline__ unsigned transpose_8x8(unsigned x) {
    unsigned y;
    asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(y) : "r"(x));
    return y;
}

// 2^x; below -126 it is 0.
__device__ __forceinline__ float exp2_fast(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
