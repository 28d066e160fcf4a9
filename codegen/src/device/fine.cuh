// Squares in tf32: the range of f32 and eleven bits. Their products (mma.m16n8k8) take rows of values as they come out of
// accumulators, rounded to the same, so that neither a range has to be known nor anything packed.

// The nearest tf32 number.
__device__ __forceinline__ unsigned round_tf32(float x) {
    unsigned y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
    return y;
}

// d += a b of 16 x 8 and 8 x 8 numbers.
__device__ __forceinline__ void mma_tf32(float (&d)[4], const unsigned (&a)[4], float b0, float b1) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(__float_as_uint(b0)), "r"(__float_as_uint(b1)));
}

// Four numbers of a row, rounded to tf32.
__device__ __forceinline__ float4 round_four(float x, float y, float z, float w) {
    return make_float4(__uint_as_float(round_tf32(x)), __uint_as_float(round_tf32(y)), __uint_as_float(round_tf32(z)),
                       __uint_as_float(round_tf32(w)));
}

// Rows of tf32 numbers in shared memory. Of 16 columns a lane of a fragment has four, 2 l, 2 l + 1, 2 l + 8 and 2 l + 9; they
// lie side by side, one access. Where a row is a whole number of banks' rounds, odd rows have neighbouring groups of 16
// exchanged: no access has a conflict.
template <int COLUMNS>
struct Fine {
    float *base;
    __device__ __forceinline__ float4 *at(int row, int group) const {
        const int place = COLUMNS % 32 ? group : group ^ (row & 1);
        return reinterpret_cast<float4 *>(base + (row * COLUMNS + place * 16)) + this_thread() % 4;
    }
};

// 16 rows of a matrix.
template <int N, int COLUMNS>
__device__ __forceinline__ void store_fine(Fine<COLUMNS> to, const float (&d)[N][4], int row) {
    row += this_thread() % 32 / 4;
    // Groups of even and of odd number each have one place to start from; four pieces are a group.
    float4 *const even = to.at(row, 0), *const odd = to.at(row, 1) - 4;
#pragma unroll
    for (int n = 0; n < N; n += 2) {
        float4 *const at = (n / 2 % 2 ? odd : even) + n * 2;
        at[0] = round_four(d[n][0], d[n][1], d[n + 1][0], d[n + 1][1]);
        at[8 * COLUMNS / 4] = round_four(d[n][2], d[n][3], d[n + 1][2], d[n + 1][3]);
    }
}

// 16 columns of accumulators as two operands of 8: of even columns 2 l beside odd ones 2 l + 1. EXACT ones are tf32 already: to
// round them would take as many registers again.
template <bool EXACT>
__device__ __forceinline__ void round_group(unsigned (&x)[2][4], const float (&a)[4], const float (&b)[4]) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        const float even = a[e / 2 + e % 2 * 2], odd = b[e / 2 + e % 2 * 2];
        x[0][e] = EXACT ? __float_as_uint(even) : round_tf32(even);
        x[1][e] = EXACT ? __float_as_uint(odd) : round_tf32(odd);
    }
}

// Four 8 x 8 matrices of 16-bit numbers, transposed, as they are; see load_matrices.
template <typename E>
__device__ __forceinline__ void load_wide_pairs(float (&y)[4][2], unsigned row) {
    unsigned x[4];
    load_transposed(x, row);
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        y[e][0] = E::low(x[e]);
        y[e][1] = E::high(x[e]);
    }
}

// Adds what rounding lost of them; tf32 keeps some of it.
template <typename E>
__device__ __forceinline__ void add_wide_pairs(float (&y)[4][2], unsigned row) {
    float x[4][2];
    load_wide_pairs<E>(x, row);
#pragma unroll
    for (int e = 0; e < 8; ++e) {
        y[e / 2][e % 2] = __uint_as_float(round_tf32(y[e / 2][e % 2] + x[e / 2][e % 2]));
    }
}

// d[16 x 8 N] += a[16 x 8 K] B, where the rows of B are the tile's, with what rounding lost of them where that is there. See
// multiply_fine for the order of rows.
template <typename E, int N, int K, int COLUMNS, typename... TILES>
__device__ __forceinline__ void multiply_fine_columns(float (&d)[N][4], const float (&a)[K][4], Tile<COLUMNS> b,
                                                      const TILES &...rest) {
    const int lane = this_thread() % 32, row = lane % 16, column = lane / 16 * 8;
#pragma unroll
    for (int k = 0; k < K / 2; ++k) {
        unsigned x[2][4];
        round_group<false>(x, a[2 * k], a[2 * k + 1]);
#pragma unroll
        for (int n = 0; n < N; n += 2) {
            float y[4][2];
            const int here = k * 16 * b.PITCH + n * 16;
            load_wide_pairs<E>(y, shared_at(b.at(row, column)) + here);
            (add_wide_pairs<E>(y, shared_at(rest.at(row, column)) + here), ...);
#pragma unroll
            for (int e = 0; e < 4; ++e) mma_tf32(d[n + e / 2], x[e % 2], y[e][0], y[e][1]);
        }
    }
}

// d[16 x 8 N] += a[16 x 8 K] L^T for a square L that is lower triangular by tokens, READS rows and WRITES columns a token; the
// blocks above are not read. The order of columns inside a group of 16 is any, as long as it is that of both operands. EXACT says
// that `a` needs no rounding.
template <int READS, int WRITES, bool EXACT, int N, int K, int COLUMNS>
__device__ __forceinline__ void multiply_fine(float (&d)[N][4], const float (&a)[K][4], Fine<COLUMNS> l) {
    const int row = this_thread() % 32 / 4;
    // Every row of a lane has one parity: groups of even and of odd number each have one place to start from.
    const float *even = reinterpret_cast<const float *>(l.at(row, 0));
    const float *odd = reinterpret_cast<const float *>(l.at(row, 1)) - 16;
#pragma unroll
    for (int k = K / 2 - 1; k >= 0; --k) {
        unsigned x[2][4];
        round_group<EXACT>(x, a[2 * k], a[2 * k + 1]);
#pragma unroll
        for (int n = 0; n < N; ++n) {
            if (k >= blocks_before<READS, WRITES>(n / 2)) continue;
            const float4 y = *reinterpret_cast<const float4 *>((k % 2 ? odd : even) + n * 8 * COLUMNS + k * 16);
            mma_tf32(d[n], x[0], y.x, y.y);
            mma_tf32(d[n], x[1], y.z, y.w);
        }
    }
}
