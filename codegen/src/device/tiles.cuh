// Matrices on tensor cores: 16-bit tiles in shared memory, fragments in registers, their products (mma.m16n8k16).
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

// Starts a copy of SIZE bytes (4, 8 or 16) to shared memory; without `there`, zeros are written and nothing is read.
template <int SIZE>
__device__ __forceinline__ void copy_async(char *to, const void *from, bool there) {
    const unsigned at = shared_at(to);
    const int bytes = there ? SIZE : 0;
    if (SIZE == 16) {
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(bytes) : "memory");
    } else {
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(at), "l"(from), "n"(SIZE), "r"(bytes)
                     : "memory");
    }
}

// Closes the group of the copies started since the last one.
__device__ __forceinline__ void close_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most PENDING of this thread's groups are unfinished.
template <int PENDING>
__device__ __forceinline__ void wait_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

// Starts copying the rows of `count` tokens from `first` on, SLOTS a token, into a tile of TOKENS tokens, in pieces of RUN
// numbers. The rest of the tile becomes zero: rows of later tokens, columns from `left` on. Token rows lie `step` numbers apart,
// slots `entry`. A group of LANES lanes copies the tokens that it computes with afterwards; WARPS warps copy, of which FIRST is
// the first thread. Nothing waits for a copy, so loops stay loops: unrolled, copies would be much of a kernel's text.
template <int TOKENS, int SLOTS, int RUN, int LANES, int WARPS, int FIRST = 0, int COLUMNS, typename T>
__device__ __forceinline__ void fetch_tile(Tile<COLUMNS> to, const T *from, i64 first, i64 step, i64 entry, int count, int left) {
    constexpr int GROUPS = WARPS * (32 / LANES);
    const int thread = this_thread() - FIRST, group = thread / LANES, member = thread % LANES * RUN;
    const T *row = from + (first + group) * step + member;
    char *into = to.at(group * SLOTS, member);
#pragma unroll 1
    for (int t = group; t < TOKENS; t += GROUPS, row += GROUPS * step, into += (GROUPS - 1) * SLOTS * to.PITCH) {
        const T *at = row;
#pragma unroll 1
        for (int slot = 0; slot < SLOTS; ++slot, at += entry, into += to.PITCH) {
#pragma unroll
            for (int column = 0; column < COLUMNS; column += LANES * RUN) {
                if (column + member >= COLUMNS) continue;
                const bool there = t < count && column + member < left;
                if constexpr (RUN == 1) {
                    reinterpret_cast<T *>(into)[column] = there ? at[column] : T{0};
                } else {
                    copy_async<RUN * sizeof(T)>(into + column * sizeof(T), there ? at + column : from, there);
                }
            }
        }
    }
}

// Starts copying a scalar of `count` tokens from `first` on, SLOTS a token; the rest becomes zero. Each token's are copied by
// the first lanes of its group; groups of one lane are the tokens of one warp.
template <int TOKENS, int SLOTS, int LANES, int WARPS, int FIRST = 0>
__device__ __forceinline__ void fetch_numbers(float *to, const f32 *from, i64 first, i64 step, i64 entry, int count) {
    constexpr int GROUPS = WARPS * (32 / LANES);
    const int thread = this_thread() - FIRST, group = LANES == 1 ? thread % 32 : thread / LANES, member = thread % LANES;
#pragma unroll
    for (int slot = member; slot < SLOTS; slot += LANES) {
        const f32 *at = from + (first + group) * step + slot * entry;
#pragma unroll 1
        for (int t = group; t < TOKENS; t += GROUPS, at += GROUPS * step) {
            copy_async<4>(reinterpret_cast<char *>(to + t * SLOTS + slot), t < count ? at : from, t < count);
        }
    }
}

// Two neighbours of a row: what is left of them beside two parts.
template <typename E, int COLUMNS>
__device__ __forceinline__ void store_last(Tile<COLUMNS> to, int row, int column, float2 x, unsigned high, unsigned low) {
    x.x -= E::low(high);
    x.y -= E::high(high);
    *reinterpret_cast<unsigned *>(to.at(row, column)) = E::of(x.x - E::low(low), x.y - E::high(low));
}

// Copies the rows of `count` tokens of f32 from `first` on into two tiles, the rounded numbers and what rounding lost, and what
// rounding that lost into a third one, where there is one; see fetch_tile. What loads return is waited for, so those of a row are started together.
template <typename E, int TOKENS, int SLOTS, int RUN, int LANES, int WARPS, int COLUMNS, typename... LAST>
__device__ __forceinline__ void fetch_split(Tile<COLUMNS> high, Tile<COLUMNS> low, const f32 *from, i64 first, i64 step,
                                            i64 entry, int count, int left, const LAST &...last) {
    constexpr int EACH = (COLUMNS + LANES * 2 - 1) / (LANES * 2);
    const int thread = this_thread(), member = thread % LANES * 2;
#pragma unroll 1
    for (int t = thread / LANES; t < TOKENS; t += WARPS * (32 / LANES)) {
#pragma unroll 1
        for (int slot = 0; slot < SLOTS; ++slot) {
            const f32 *at = from + (first + t) * step + slot * entry;
            float2 x[EACH];
#pragma unroll
            for (int i = 0; i < EACH; ++i) {
                const int column = member + i * LANES * 2;
                x[i] = make_float2(0.0f, 0.0f);
                if (t >= count || column >= COLUMNS) continue;
                if (RUN > 1 && column < left) x[i] = *reinterpret_cast<const float2 *>(at + column);
                if (RUN == 1 && column < left) x[i].x = at[column].wide();
                if (RUN == 1 && column + 1 < left) x[i].y = at[column + 1].wide();
            }
#pragma unroll
            for (int i = 0; i < EACH; ++i) {
                const int column = member + i * LANES * 2;
                if (column >= COLUMNS) continue;
                unsigned rounded, rest;
                split_pair<E>(rounded, rest, x[i].x, x[i].y);
                *reinterpret_cast<unsigned *>(high.at(t * SLOTS + slot, column)) = rounded;
                *reinterpret_cast<unsigned *>(low.at(t * SLOTS + slot, column)) = rest;
                (store_last<E>(last, t * SLOTS + slot, column, x[i], rounded, rest), ...);
            }
        }
    }
}

// Zeros in every column of ROWS rows.
template <int ROWS, int THREADS, int COLUMNS>
__device__ __forceinline__ void clear_tile(Tile<COLUMNS> to) {
#pragma unroll 1
    for (int piece = this_thread(); piece < ROWS * COLUMNS / 8; piece += THREADS) {
        *reinterpret_cast<uint4 *>(to.at(piece / (COLUMNS / 8), piece % (COLUMNS / 8) * 8)) = make_uint4(0, 0, 0, 0);
    }
}

// A row of a tile as numbers: a lane takes runs of WIDTH that lie STRIDE apart, from column `first` on. Two neighbours come in a
// register, and each out of it by one instruction.
template <int WIDTH, int STRIDE, typename E, int COLUMNS, int N>
__device__ __forceinline__ void load_row(float (&to)[N], Tile<COLUMNS> from, int row, int first) {
#pragma unroll
    for (int r = 0; r < N / WIDTH; ++r) {
        const char *at = from.at(row, first + r * STRIDE);
        const bool inside = first + r * STRIDE < COLUMNS;
        if constexpr (WIDTH == 1) {
            to[r] = inside ? reinterpret_cast<const typename E::number *>(at)->wide() : 0.0f;
        } else {
            Run<unsigned, WIDTH / 2> pairs{};
            if (inside) pairs = *reinterpret_cast<const Run<unsigned, WIDTH / 2> *>(at);
#pragma unroll
            for (int e = 0; e < WIDTH / 2; ++e) {
                to[r * WIDTH + 2 * e] = E::low(pairs.at[e]);
                to[r * WIDTH + 2 * e + 1] = E::high(pairs.at[e]);
            }
        }
    }
}

// Adds a row of a tile; see load_row.
template <int WIDTH, int STRIDE, typename E, int COLUMNS, int N>
__device__ __forceinline__ void add_row(float (&to)[N], Tile<COLUMNS> from, int row, int first) {
    float x[N];
    load_row<WIDTH, STRIDE, E>(x, from, row, first);
#pragma unroll
    for (int i = 0; i < N; ++i) to[i] += x[i];
}

// What rounding loses of numbers.
template <typename T, int N>
__device__ __forceinline__ void subtract_rounded_row(float (&x)[N]) {
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] -= T::of(x[i]).wide();
}

// Numbers as a row of a tile, or zeros where there is no such token; see load_row.
template <int WIDTH, int STRIDE, typename T, int COLUMNS, int N>
__device__ __forceinline__ void store_row(Tile<COLUMNS> to, const float (&from)[N], int row, int first, bool there) {
#pragma unroll
    for (int r = 0; r < N / WIDTH; ++r) {
        Run<T, WIDTH> run;
#pragma unroll
        for (int e = 0; e < WIDTH; ++e) run.at[e] = T::of(there ? from[r * WIDTH + e] : 0.0f);
        if (first + r * STRIDE < COLUMNS) *reinterpret_cast<Run<T, WIDTH> *>(to.at(row, first + r * STRIDE)) = run;
    }
}

// Accumulators as operands of the next product.
template <typename E, int N>
__device__ __forceinline__ void pack_pairs(unsigned (&a)[N / 2][4], const float (&c)[N][4]) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
        a[n / 2][n % 2 * 2] = E::of(c[n][0], c[n][1]);
        a[n / 2][n % 2 * 2 + 1] = E::of(c[n][2], c[n][3]);
    }
}

// What rounding loses of accumulators.
template <typename E, int N>
__device__ __forceinline__ void subtract_rounded(float (&c)[N][4]) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; e += 2) {
            const unsigned rounded = E::of(c[n][e], c[n][e + 1]);
            c[n][e] -= E::low(rounded);
            c[n][e + 1] -= E::high(rounded);
        }
    }
}

// What pack_pairs loses of accumulators, as operands.
template <typename E, int N>
__device__ __forceinline__ void pack_rest(unsigned (&a)[N / 2][4], const float (&c)[N][4]) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
            unsigned rounded;
            split_pair<E>(rounded, a[n / 2][n % 2 * 2 + e], c[n][e * 2], c[n][e * 2 + 1]);
        }
    }
}

// Columns 16 k.. of accumulators as a fragment of a left operand.
template <typename E, int N>
__device__ __forceinline__ void pack_fragment(unsigned (&a)[4], const float (&c)[N][4], int k) {
#pragma unroll
    for (int e = 0; e < 4; ++e) a[e] = E::of(c[2 * k + e / 2][e % 2 * 2], c[2 * k + e / 2][e % 2 * 2 + 1]);
}

// The same, and what rounding lost.
template <typename E, int N>
__device__ __forceinline__ void split_fragment(unsigned (&a)[4], unsigned (&low)[4], const float (&c)[N][4], int k) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        split_pair<E>(a[e], low[e], c[2 * k + e / 2][e % 2 * 2], c[2 * k + e / 2][e % 2 * 2 + 1]);
    }
}

// d[16 x 8 N] += a[16 x 16] B^T for columns 16 k.. of B, where the rows of B are the tile's; with the smaller parts of `a`, where it
// has any, so that each fragment of B is loaded once.
template <typename E, int N, int COLUMNS, typename... PARTS>
__device__ __forceinline__ void multiply_fragment(float (&d)[N][4], Tile<COLUMNS> b, int k, const unsigned (&a)[4],
                                                  const PARTS &...smaller) {
    const int lane = this_thread() % 32;
    const unsigned at = shared_at(b.at(lane % 8 + lane / 16 * 8, lane / 8 % 2 * 8)) + k * 32;
#pragma unroll
    for (int n = 0; n < N; n += 2) {
        if constexpr (sizeof...(smaller) == 0) {
            E::template load_mma<false>(d[n], d[n + 1], a, at + n * 8 * b.PITCH);
        } else {
            unsigned x[4];
            load_matrices(x, at + n * 8 * b.PITCH);
            ((E::mma(d[n], smaller, x[0], x[1]), E::mma(d[n + 1], smaller, x[2], x[3])), ...);
            E::mma(d[n], a, x[0], x[1]);
            E::mma(d[n + 1], a, x[2], x[3]);
        }
    }
}

// d[16 x 8 N] += a[16 x 16 K] B^T, where the rows of B are the tile's.
template <typename E, int N, int K, int COLUMNS>
__device__ __forceinline__ void multiply_rows(float (&d)[N][4], const unsigned (&a)[K][4], Tile<COLUMNS> b) {
    const int lane = this_thread() % 32;
    const unsigned at = shared_at(b.at(lane % 8 + lane / 16 * 8, lane / 8 % 2 * 8));
#pragma unroll
    for (int k = 0; k < K; ++k) {
#pragma unroll
        for (int n = 0; n < N; n += 2) {
            E::template load_mma<false>(d[n], d[n + 1], a[k], at + n * 8 * b.PITCH + k * 32);
        }
    }
}

// How many blocks of 16 write rows the block of 16 read rows number `block` can see.
template <int READS, int WRITES>
__device__ constexpr int blocks_before(int block) {
    return (((16 * block + 15) / READS + 1) * WRITES + 15) / 16;
}

// d[16 x 8 N] += a[16 x 16 K] L^T for a tile L that is lower triangular by tokens, READS rows and WRITES columns a token;
// the blocks above are not read.
template <typename E, int READS, int WRITES, int N, int K, int COLUMNS>
__device__ __forceinline__ void multiply_lower(float (&d)[N][4], const unsigned (&a)[K][4], Tile<COLUMNS> l) {
    const int lane = this_thread() % 32;
    const unsigned at = shared_at(l.at(lane % 8 + lane / 16 * 8, lane / 8 % 2 * 8));
#pragma unroll
    for (int n = 0; n < N; n += 2) {
#pragma unroll
        for (int k = 0; k < K; ++k) {
            if (k >= blocks_before<READS, WRITES>(n / 2)) continue;
            E::template load_mma<false>(d[n], d[n + 1], a[k], at + n * 8 * l.PITCH + k * 32);
        }
    }
}

// d[16 x 8 N] += a[16 x 16 K] B, where the rows of B are the tile's; with the smaller parts of `a`, where it has any, so that each
// fragment of B is loaded once.
template <typename E, int N, int K, int COLUMNS, typename... PARTS>
__device__ __forceinline__ void multiply_columns(float (&d)[N][4], const unsigned (&a)[K][4], Tile<COLUMNS> b,
                                                 const PARTS &...smaller) {
    const int lane = this_thread() % 32;
    const unsigned at = shared_at(b.at(lane % 16, lane / 16 * 8));
#pragma unroll
    for (int k = 0; k < K; ++k) {
#pragma unroll
        for (int n = 0; n < N; n += 2) {
            const unsigned here = at + k * 16 * b.PITCH + n * 16;
            if constexpr (sizeof...(smaller) == 0) {
                E::template load_mma<true>(d[n], d[n + 1], a[k], here);
            } else {
                unsigned x[4];
                load_transposed(x, here);
                ((E::mma(d[n], smaller[k], x[0], x[1]), E::mma(d[n + 1], smaller[k], x[2], x[3])), ...);
                E::mma(d[n], a[k], x[0], x[1]);
                E::mma(d[n + 1], a[k], x[2], x[3]);
            }
        }
    }
}

// The 16 x 8 N products of read rows `row`.. with all write rows that any of them can see.
template <typename E, int READS, int WRITES, int N, int COLUMNS>
__device__ __forceinline__ void gram(float (&d)[N][4], Tile<COLUMNS> reads, Tile<COLUMNS> writes, int row) {
    const int lane = this_thread() % 32;
    const unsigned left = shared_at(reads.at(row + lane % 16, lane / 16 * 8));
    const unsigned right = shared_at(writes.at(lane % 8 + lane / 16 * 8, lane / 8 % 2 * 8));
    const int blocks = blocks_before<READS, WRITES>(row / 16);
#pragma unroll 2
    for (int k = 0; k < COLUMNS / 16; ++k) {
        unsigned a[4];
        load_matrices(a, left + k * 32);
#pragma unroll
        for (int n = 0; n < N; n += 2) {
            if (n / 2 >= blocks) continue;
            E::template load_mma<false>(d[n], d[n + 1], a, right + n * 8 * writes.PITCH + k * 32);
        }
    }
}

// Whether the write of row `s` comes before the read of row `t`. Bit `read slot * WRITES + write slot` of SAME is the order
// within a token.
template <int READS, int WRITES, unsigned long long SAME>
__device__ __forceinline__ bool is_before(int s, int t) {
    const int write = s / WRITES, read = t / READS;
    return write < read || (write == read && (SAME >> (t % READS * WRITES + s % WRITES) & 1u));
}

// Keeps the products of writes that come before the read.
template <int READS, int WRITES, unsigned long long SAME, int N>
__device__ __forceinline__ void mask_later(float (&d)[N][4], int row) {
    const int lane = this_thread() % 32;
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int t = row + lane / 4 + e / 2 * 8, s = n * 8 + lane % 4 * 2 + e % 2;
            if (!is_before<READS, WRITES, SAME>(s, t)) d[n][e] = 0.0f;
        }
    }
}

// Multiplies by the decay from each write to each read, 2^(read - write), where both are cumulative.
template <int N>
__device__ __forceinline__ void decay_between(float (&d)[N][4], const float *reads, const float *writes, int row) {
    const int lane = this_thread() % 32;
    const float upper = reads[row + lane / 4], lower = reads[row + lane / 4 + 8];
    writes += lane % 4 * 2;
#pragma unroll
    for (int n = 0; n < N; ++n) {
        const float2 at = *reinterpret_cast<const float2 *>(writes + n * 8);
        d[n][0] *= exp2_fast(upper - at.x);
        d[n][1] *= exp2_fast(upper - at.y);
        d[n][2] *= exp2_fast(lower - at.x);
        d[n][3] *= exp2_fast(lower - at.y);
    }
}

// d <- diag(c) d, of rows `row`..
template <int N>
__device__ __forceinline__ void scale_rows(float (&d)[N][4], const float *c, int row) {
    const int lane = this_thread() % 32;
    const float upper = c[row + lane / 4], lower = c[row + lane / 4 + 8];
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) d[n][e] *= e < 2 ? upper : lower;
    }
}

// d += diag(c) x, of rows `row`..
template <int N>
__device__ __forceinline__ void add_scaled_rows(float (&d)[N][4], const float (&x)[N][4], const float *c, int row) {
    const int lane = this_thread() % 32;
    const float upper = c[row + lane / 4], lower = c[row + lane / 4 + 8];
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) d[n][e] = fmaf(e < 2 ? upper : lower, x[n][e], d[n][e]);
    }
}

// Each column times a number.
template <int N>
__device__ __forceinline__ void scale_columns(float (&d)[N][4], const float *c) {
    c += this_thread() % 4 * 2;
#pragma unroll
    for (int n = 0; n < N; ++n) {
        const float2 by = *reinterpret_cast<const float2 *>(c + n * 8);
        d[n][0] *= by.x;
        d[n][1] *= by.y;
        d[n][2] *= by.x;
        d[n][3] *= by.y;
    }
}

// d = x
template <int N>
__device__ __forceinline__ void copy_to(float (&d)[N][4], const float (&x)[N][4]) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) d[n][e] = x[n][e];
    }
}

// d += x
template <int N>
__device__ __forceinline__ void add_to(float (&d)[N][4], const float (&x)[N][4]) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) d[n][e] += x[n][e];
    }
}

// All numbers times one.
template <int N>
__device__ __forceinline__ void scale_all(float (&d)[N][4], float by) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) d[n][e] *= by;
    }
}

// The transpose of 16 columns of a tile, from `column` on.
template <typename E, int N, int COLUMNS>
__device__ __forceinline__ void load_columns(float (&d)[N][4], Tile<COLUMNS> from, int column) {
    const int lane = this_thread() % 32;
    const unsigned at = shared_at(from.at(lane % 8 + lane / 16 * 8, column + lane / 8 % 2 * 8));
#pragma unroll
    for (int n = 0; n < N; n += 2) {
        unsigned x[4];
        load_transposed(x, at + n * 8 * from.PITCH);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            d[n + e / 2][e % 2 * 2] = E::low(x[e]);
            d[n + e / 2][e % 2 * 2 + 1] = E::high(x[e]);
        }
    }
}

// Adds the transpose of 16 columns of a tile.
template <typename E, int N, int COLUMNS>
__device__ __forceinline__ void add_columns(float (&d)[N][4], Tile<COLUMNS> from, int column) {
    float x[N][4];
    load_columns<E>(x, from, column);
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) d[n][e] += x[n][e];
    }
}

// The inverse of load_columns, rounded.
template <typename E, int N, int COLUMNS>
__device__ __forceinline__ void store_columns(Tile<COLUMNS> to, const float (&d)[N][4], int column) {
    const int lane = this_thread() % 32;
    char *at = to.at(lane / 4, column + lane % 4 * 2);
#pragma unroll
    for (int n = 0; n < N; ++n) {
        *reinterpret_cast<unsigned *>(at + n * 8 * to.PITCH) = transpose_8x8(E::of(d[n][0], d[n][1]));
        *reinterpret_cast<unsigned *>(at + n * 8 * to.PITCH + 16) = transpose_8x8(E::of(d[n][2], d[n][3]));
    }
}

// 16 rows of a matrix, rounded.
template <typename E, int N, int COLUMNS>
__device__ __forceinline__ void store_rows(Tile<COLUMNS> to, const float (&d)[N][4], int row) {
    const int lane = this_thread() % 32;
    char *at = to.at(row + lane / 4, lane % 4 * 2);
#pragma unroll
    for (int n = 0; n < N; ++n) {
        *reinterpret_cast<unsigned *>(at + n * 16) = E::of(d[n][0], d[n][1]);
        *reinterpret_cast<unsigned *>(at + n * 16 + 8 * to.PITCH) = E::of(d[n][2], d[n][3]);
    }
}

// Rows `slot`, `slot + SLOTS`, .. of 16 columns of a tile, to rows `step` apart in memory: those of `count` tokens, and columns
// before `left`. For one warp.
template <int TOKENS, int SLOTS, int RUN, typename T, int COLUMNS>
__device__ __forceinline__ void send_columns(T *to, i64 step, Tile<COLUMNS> from, int slot, int column, int count, int left) {
    constexpr int PIECES = 16 / RUN, ROWS = 32 / PIECES;
    const int lane = this_thread() % 32, row = lane / PIECES;
    // Of eight rows the even ones first: with two pieces each they are in different banks.
    int t = PIECES == 2 ? row / 8 * 8 + row % 4 * 2 + row / 4 % 2 : row;
    const int at = column + lane % PIECES * RUN;
    if (at >= left) count = 0;
    T *into = to + t * step + at;
    const char *row_at = from.at(t * SLOTS + slot, at);
#pragma unroll
    for (int n = 0; n < TOKENS; n += ROWS, t += ROWS, into += ROWS * step, row_at += ROWS * SLOTS * from.PITCH) {
        if (t < count) *reinterpret_cast<Run<T, RUN> *>(into) = *reinterpret_cast<const Run<T, RUN> *>(row_at);
    }
}

// 16 columns of a state, transposed, from `column` on; what is outside the state is zero.
template <int K, int V, int N>
__device__ __forceinline__ void load_state(float (&s)[N][4], const f32 *from, int column) {
    const int lane = this_thread() % 32, first = lane % 4 * 2, v = column + lane / 4;
    from += first * V + v;
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int k = n * 8 + e % 2, right = e / 2 * 8;
            const bool there = n * 8 < K && (K % 8 == 0 || first < K - k) && (V % 16 == 0 || v < V - right);
            s[n][e] = there ? from[k * V + right].wide() : 0.0f;
        }
    }
}

// 16 columns of the identity of K rows, transposed, from `column` on; see load_state.
template <int K, int N>
__device__ __forceinline__ void set_identity(float (&s)[N][4], int column) {
    const int lane = this_thread() % 32;
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int k = n * 8 + lane % 4 * 2 + e % 2;
            s[n][e] = k < K && k == column + lane / 4 + e / 2 * 8 ? 1.0f : 0.0f;
        }
    }
}

// The inverse of load_state.
template <int K, int V, int N>
__device__ __forceinline__ void store_state(f32 *to, const float (&s)[N][4], int column) {
    const int lane = this_thread() % 32, first = lane % 4 * 2, v = column + lane / 4;
    to += first * V + v;
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int k = n * 8 + e % 2, right = e / 2 * 8;
            const bool there = n * 8 < K && (K % 8 == 0 || first < K - k) && (V % 16 == 0 || v < V - right);
            if (there) to[k * V + right] = f32::of(s[n][e]);
        }
    }
}

// The transpose of accumulators as 16 columns of rows of float.
template <int N, int COLUMNS>
__device__ __forceinline__ void store_wide(Wide<COLUMNS> to, const float (&d)[N][4], int column) {
    const int lane = this_thread() % 32;
    float *const at = to.at(lane % 4 * 2, column + lane / 4);
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) at[(n * 8 + e % 2) * to.PITCH + e / 2 * 8] = d[n][e];
    }
}

// A row of float: a lane takes runs of WIDTH that lie STRIDE apart, from column `first` on.
template <int WIDTH, int STRIDE, int COLUMNS, int N>
__device__ __forceinline__ void load_wide(float (&to)[N], Wide<COLUMNS> from, int row, int first) {
#pragma unroll
    for (int r = 0; r < N / WIDTH; ++r) {
        Run<f32, WIDTH> run{};
        const int column = first + r * STRIDE;
        if (column < COLUMNS) run = *reinterpret_cast<const Run<f32, WIDTH> *>(from.at(row, column));
#pragma unroll
        for (int e = 0; e < WIDTH; ++e) to[r * WIDTH + e] = run.at[e].wide();
    }
}

// The inverse, to a row of COLUMNS numbers. Runs of four are stored in one instruction: the compiler would part some of them,
// whose numbers meet those of other lanes in a bank.
template <int WIDTH, int STRIDE, int COLUMNS, int N>
__device__ __forceinline__ void store_floats(float *to, const float (&from)[N], int first) {
#pragma unroll
    for (int r = 0; r < N / WIDTH; ++r) {
        const int column = first + r * STRIDE;
        if (column >= COLUMNS) continue;
        if constexpr (WIDTH == 4) {
            const unsigned at = shared_at(to + column);
            asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(at), "f"(from[r * 4]), "f"(from[r * 4 + 1]),
                         "f"(from[r * 4 + 2]), "f"(from[r * 4 + 3])
                         : "memory");
        } else {
            Run<f32, WIDTH> run;
#pragma unroll
            for (int e = 0; e < WIDTH; ++e) run.at[e] = f32::of(from[r * WIDTH + e]);
            *reinterpret_cast<Run<f32, WIDTH> *>(to + column) = run;
        }
    }
}

// The one column of a vector state: numbers as the first row of a fragment, the other rows zero.
template <int N>
__device__ __forceinline__ void load_numbers(float (&d)[N][4], const float *from) {
    const int lane = this_thread() % 32;
#pragma unroll
    for (int n = 0; n < N; ++n) {
        const float2 at = *reinterpret_cast<const float2 *>(from + n * 8 + lane % 4 * 2);
        d[n][0] = lane < 4 ? at.x : 0.0f;
        d[n][1] = lane < 4 ? at.y : 0.0f;
        d[n][2] = d[n][3] = 0.0f;
    }
}

// The first row of a fragment as numbers.
template <int N>
__device__ __forceinline__ void store_numbers(float *to, const float (&d)[N][4]) {
    const int lane = this_thread() % 32;
#pragma unroll
    for (int n = 0; n < N; ++n) {
        if (lane < 4) *reinterpret_cast<float2 *>(to + n * 8 + lane * 2) = make_float2(d[n][0], d[n][1]);
    }
}
