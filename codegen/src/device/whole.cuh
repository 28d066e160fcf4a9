// Products of all bits, where inputs are f32: of squares that rows are solved from one by one, and of keys with rows that enter a
// state. What is lost there comes back with every token that repeats a key. And of squares where f16 comes in two parts, of which
// small numbers have but one. Squares lie in shared memory as they are, and products take each number in three parts of bf16, 24
// bits: it is the range of f32, and six products take no longer than three of tf32, which have 22.

// Two numbers in three parts.
__device__ __forceinline__ void split_whole(unsigned (&part)[3], float x, float y) {
    part[0] = bf16_pair::of(x, y);
    split_pair<bf16_pair>(part[1], part[2], x - bf16_pair::low(part[0]), y - bf16_pair::high(part[0]));
}

// Columns 16 k.. of accumulators as a fragment of a left operand in three parts.
template <int N>
__device__ __forceinline__ void split_fragment_whole(unsigned (&a)[3][4], const float (&c)[N][4], int k) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        unsigned part[3];
        split_whole(part, c[2 * k + e / 2][e % 2 * 2], c[2 * k + e / 2][e % 2 * 2 + 1]);
#pragma unroll
        for (int p = 0; p < 3; ++p) a[p][e] = part[p];
    }
}

// d += a b of 16 x 16 and 16 x 8 numbers, of which a lane has four of b: six products of the parts, the smallest first.
__device__ __forceinline__ void mma_whole(float (&d)[4], const unsigned (&a)[3][4], float b0, float b1, float b2, float b3) {
    unsigned x[3], y[3];
    split_whole(x, b0, b1);
    split_whole(y, b2, b3);
#pragma unroll
    for (int sum = 2; sum >= 0; --sum) {
#pragma unroll
        for (int p = sum; p >= 0; --p) bf16_pair::mma(d, a[p], x[sum - p], y[sum - p]);
    }
}

// d[16 x 8 N] += a[16 x 8 K] L^T for a square L that is lower triangular by tokens; see multiply_fine.
template <int READS, int WRITES, int N, int K, int COLUMNS>
__device__ __forceinline__ void multiply_whole(float (&d)[N][4], const float (&a)[K][4], Fine<COLUMNS> l) {
    const int row = this_thread() % 32 / 4;
    const float *even = reinterpret_cast<const float *>(l.at(row, 0));
    const float *odd = reinterpret_cast<const float *>(l.at(row, 1)) - 16;
#pragma unroll
    for (int k = K / 2 - 1; k >= 0; --k) {
        unsigned x[3][4];
        split_fragment_whole(x, a, k);
#pragma unroll
        for (int n = 0; n < N; ++n) {
            if (k >= blocks_before<READS, WRITES>(n / 2)) continue;
            const float4 y = *reinterpret_cast<const float4 *>((k % 2 ? odd : even) + n * 8 * COLUMNS + k * 16);
            mma_whole(d[n], x, y.x, y.y, y.z, y.w);
        }
    }
}

// 16 rows of a matrix as they are; see store_fine.
template <int N, int COLUMNS>
__device__ __forceinline__ void store_fine_whole(Fine<COLUMNS> to, const float (&d)[N][4], int row) {
    row += this_thread() % 32 / 4;
    float4 *const even = to.at(row, 0), *const odd = to.at(row, 1) - 4;
#pragma unroll
    for (int n = 0; n < N; n += 2) {
        float4 *const at = (n / 2 % 2 ? odd : even) + n * 2;
        at[0] = make_float4(d[n][0], d[n][1], d[n + 1][0], d[n + 1][1]);
        at[8 * COLUMNS / 4] = make_float4(d[n][2], d[n][3], d[n + 1][2], d[n + 1][3]);
    }
}

// multiply_whole for the columns of d that belong to the block of 16 tokens number `block`, and the rows of earlier blocks; see
// multiply_earlier.
template <int READS, int WRITES, int N, int K, int COLUMNS>
__device__ __forceinline__ void multiply_earlier_whole(float (&d)[N][4], const float (&a)[K][4], Fine<COLUMNS> l, int block) {
    const int row = this_thread() % 32 / 4;
    const float *even = reinterpret_cast<const float *>(l.at(row, 0));
    const float *odd = reinterpret_cast<const float *>(l.at(row, 1)) - 16;
#pragma unroll
    for (int k = 0; k < K / 2; ++k) {
        if (k >= WRITES * block) continue;
        unsigned x[3][4];
        split_fragment_whole(x, a, k);
#pragma unroll
        for (int n = 0; n < N; ++n) {
            if (n / (2 * READS) != block) continue;
            const float4 y = *reinterpret_cast<const float4 *>((k % 2 ? odd : even) + n * 8 * COLUMNS + k * 16);
            mma_whole(d[n], x, y.x, y.y, y.z, y.w);
        }
    }
}

// Adds the products of `PARTS` parts of `a` with two 8 x 16 matrices of shared memory, transposed, and before them those of one part
// less with the matrices' next smaller part; see load_matrices.
template <typename E, int PARTS, int COLUMNS, typename... TILES>
__device__ __forceinline__ void add_parts(float (&d)[4], float (&e)[4], const unsigned (&a)[3][4], int row, int column, int here,
                                          Tile<COLUMNS> b, const TILES &...smaller) {
    if constexpr (sizeof...(smaller) > 0) add_parts<E, PARTS - 1>(d, e, a, row, column, here, smaller...);
    unsigned x[4];
    load_transposed(x, shared_at(b.at(row, column)) + here);
#pragma unroll
    for (int p = PARTS - 1; p >= 0; --p) {
        E::mma(d, a[p], x[0], x[1]);
        E::mma(e, a[p], x[2], x[3]);
    }
}

// d[16 x 8 N] += a[16 x 8 K] B, where the rows of B are the tile's, with what rounding lost of them where that is there: of the
// products of parts those that are not beyond all bits of `a`, the smallest first. See multiply_columns.
template <typename E, int N, int K, int COLUMNS, typename... TILES>
__device__ __forceinline__ void multiply_columns_whole(float (&d)[N][4], const float (&a)[K][4], Tile<COLUMNS> b,
                                                       const TILES &...smaller) {
    const int lane = this_thread() % 32, row = lane % 16, column = lane / 16 * 8;
#pragma unroll
    for (int k = 0; k < K / 2; ++k) {
        unsigned x[3][4];
        split_fragment_whole(x, a, k);
#pragma unroll
        for (int n = 0; n < N; n += 2) {
            add_parts<E, 3>(d[n], d[n + 1], x, row, column, k * 16 * b.PITCH + n * 16, b, smaller...);
        }
    }
}
