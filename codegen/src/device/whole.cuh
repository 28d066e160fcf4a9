// The solve where inputs are f32, and what it leaves in a state: what is lost there comes back with every token that repeats a
// key, so numbers stay whole. Squares lie in shared memory as they are, and products take each number in three parts of bf16, 24
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

// 16 rows of M, where an inverse is made: the blocks up to the diagonal.
template <int N, int COLUMNS>
__device__ __forceinline__ void store_whole(Square<COLUMNS> to, const float (&d)[N][4], int row) {
    const int lane = this_thread() % 32;
    float *at = to.at(row + lane / 4, lane % 4 * 2);
#pragma unroll
    for (int n = 0; n < N; ++n) {
        if (n / 2 > row / 16) continue;
#pragma unroll
        for (int e = 0; e < 4; e += 2) {
            store_pair(at + n * 8 + e * 4 * to.PITCH, __float_as_uint(d[n][e]), __float_as_uint(d[n][e + 1]));
        }
    }
}

// A block of 16 x 16 as accumulators; `m` is of_lane's.
template <int ROWS>
__device__ __forceinline__ void load_square_block(float (&x)[2][4], Square<ROWS> m, int row, int column) {
    const float *at = m.at(row, column);
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        const float2 pair = *reinterpret_cast<const float2 *>(at + e % 2 * 8 * m.PITCH + e / 2 * 8);
        x[e / 2][e % 2 * 2] = pair.x;
        x[e / 2][e % 2 * 2 + 1] = pair.y;
    }
}

// The inverse of load_square_block.
template <int ROWS>
__device__ __forceinline__ void store_square_block(Square<ROWS> m, const float (&x)[2][4], int row, int column) {
    float *at = m.at(row, column);
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        const float *pair = &x[e / 2][e % 2 * 2];
        store_pair(at + e % 2 * 8 * m.PITCH + e / 2 * 8, __float_as_uint(pair[0]), __float_as_uint(pair[1]));
    }
}

// d[16 x 16] += a B^T, where the rows of B are a block of `m`, of_lane's.
template <int ROWS>
__device__ __forceinline__ void multiply_whole_block(float (&d)[2][4], const float (&a)[2][4], Square<ROWS> m, int row,
                                                     int column) {
    float b[2][4];
    load_square_block(b, m, row, column);
    unsigned x[3][4];
    split_fragment_whole(x, a, 0);
#pragma unroll
    for (int n = 0; n < 2; ++n) mma_whole(d[n], x, b[0][2 * n], b[0][2 * n + 1], b[1][2 * n], b[1][2 * n + 1]);
}

// The transpose of a block of 16 x 16: of each matrix of 8 x 8 the upper and the lower halves of its numbers; matrices 1 and 2
// change places.
__device__ __forceinline__ void transpose_whole(float (&to)[2][4], const float (&from)[2][4]) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        const unsigned x = __float_as_uint(from[e % 2][e / 2 * 2]), y = __float_as_uint(from[e % 2][e / 2 * 2 + 1]);
        const unsigned upper = transpose_8x8(x >> 16 | (y & 0xffff0000u)), lower = transpose_8x8((x & 0xffffu) | y << 16);
        to[e / 2][e % 2 * 2] = __uint_as_float(upper << 16 | (lower & 0xffffu));
        to[e / 2][e % 2 * 2 + 1] = __uint_as_float((upper & 0xffff0000u) | lower >> 16);
    }
}

// Where the blocks of an inverse go, with the decays between its rows by what `log` says of both, which is cumulative, and with
// the signs of both; each null where there is none.
template <int COLUMNS>
struct Whole {
    Fine<COLUMNS> to;
    const float *log, *sign;
    __device__ __forceinline__ void put(int row, int column, const float (&block)[2][4]) const {
        const int lane = this_thread() % 32;
        float x[2][4];
#pragma unroll
        for (int e = 0; e < 8; ++e) {
            const int r = row + lane / 4 + e / 2 % 2 * 8, c = column + lane % 4 * 2 + e / 4 * 8 + e % 2;
            float &here = x[e / 4][e % 4];
            here = block[e / 4][e % 4];
            if (log) here *= exp2_fast(fminf(log[r] - log[c], 0.0f));
            if (sign && sign[r] * sign[c] < 0.0f) here = -here;
        }
        row += lane / 4;
        *to.at(row, column / 16) = make_float4(x[0][0], x[0][1], x[1][0], x[1][1]);
        *to.at(row + 8, column / 16) = make_float4(x[0][2], x[0][3], x[1][2], x[1][3]);
    }
};

// Replaces the 16 x 16 block of the diagonal at `block` by the inverse of I - block, and puts it into squares.
template <int ROWS, typename... TO>
__device__ __forceinline__ void invert_whole(Square<ROWS> m, int block, const TO &...to) {
    substitute_block(m, block);
    float inverse[2][4];
    load_square_block(inverse, of_lane(m), block, block);
    (to.put(block, block, inverse), ...);
}

// Puts (I - M)^-1 into squares, where the blocks of its diagonal are already; see merge_blocks.
template <int WARPS, int ROWS, typename... TO>
__device__ __forceinline__ void merge_whole(Square<ROWS> square, const TO &...to) {
    constexpr int BLOCKS = ROWS / 16;
    const Square<ROWS> m = of_lane(square);
#pragma unroll 1
    for (int j = this_thread() / 32; j < BLOCKS; j += WARPS) {
        float first[2][4], next[2][4];
        load_square_block(next, m, j * 16, j * 16);
        transpose_whole(first, next);
#pragma unroll 1
        for (int i = j + 1; i < BLOCKS; ++i) {
            float sum[2][4] = {}, block[2][4] = {};
            multiply_whole_block(sum, first, m, i * 16, j * 16);
#pragma unroll 1
            for (int k = j + 1; k < i; ++k) {
                load_square_block(next, m, j * 16, k * 16);
                multiply_whole_block(sum, next, m, i * 16, k * 16);
            }
            multiply_whole_block(block, sum, m, i * 16, i * 16);
            store_square_block(m, block, j * 16, i * 16);
            transpose_whole(next, block);
            (to.put(i * 16, j * 16, next), ...);
        }
    }
}

// Adds the products of each part with two 8 x 16 matrices of shared memory, transposed; see load_matrices.
template <typename E, typename... PARTS>
__device__ __forceinline__ void add_parts(float (&d)[4], float (&e)[4], unsigned at, const PARTS &...parts) {
    unsigned x[4];
    load_transposed(x, at);
    ((E::mma(d, parts, x[0], x[1]), E::mma(e, parts, x[2], x[3])), ...);
}

// d[16 x 8 N] += a[16 x 8 K] B, where the rows of B are the tile's, with what rounding lost of them where that is there: of the
// products of parts those that are not beyond all bits of `a`, the smallest first. See multiply_columns.
template <typename E, int N, int K, int COLUMNS, typename... TILES>
__device__ __forceinline__ void multiply_columns_whole(float (&d)[N][4], const float (&a)[K][4], Tile<COLUMNS> b,
                                                       const TILES &...rest) {
    const int lane = this_thread() % 32, row = lane % 16, column = lane / 16 * 8;
#pragma unroll
    for (int k = 0; k < K / 2; ++k) {
        unsigned x[3][4];
        split_fragment_whole(x, a, k);
#pragma unroll
        for (int n = 0; n < N; n += 2) {
            const int here = k * 16 * b.PITCH + n * 16;
            (add_parts<E>(d[n], d[n + 1], shared_at(rest.at(row, column)) + here, x[1], x[0]), ...);
            add_parts<E>(d[n], d[n + 1], shared_at(b.at(row, column)) + here, x[2], x[1], x[0]);
        }
    }
}
