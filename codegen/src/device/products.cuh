// Products on tensor cores: accumulators as operands, operands with the rows of tiles, and Gram matrices with what stands between
// their rows. Fragments are as in tiles.cuh.

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
