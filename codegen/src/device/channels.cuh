// Decays of value channels. Rows of writes and of reads lie transposed in accumulators, so that a decay of one channel is a
// factor of one row of them. Blocks have 16 tokens; two tokens s < t of one block have one length h such that both lie in a
// run of 2 h, s in its first half and t in its second: the decay between them is a product of decays up to the run's middle
// times a product from there. So rows of writes are taken from run to run while the runs grow, and reads keep what stands
// between them and their run's begin. Nothing is divided; 0 and negative decays are exact.
//
// The decays of TOKENS tokens lie in rows of float, a column a channel. While runs grow, the last row of a run becomes its
// product, and at last the last row of a block that of the block. Bit `slot` of AFTER says that the slot stands after its
// token's decay. Accumulators of a block alone are 2 SLOTS columns of 8.

// Ones.
template <int N>
__device__ __forceinline__ void fill_ones(float (&d)[N][4]) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) d[n][e] = 1.0f;
    }
}

// Multiplies the rows of a block that stand before, or after, their token's decay by it.
template <int SLOTS, unsigned AFTER, bool WHICH, int N, int COLUMNS>
__device__ __forceinline__ void decay_in_token(float (&d)[N][4], Wide<COLUMNS> decays, int column, int block) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int n = 0; n < N; ++n) {
        if (N > 2 * SLOTS && n / (2 * SLOTS) != block) continue;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int row = n % (2 * SLOTS) * 8 + lane % 4 * 2 + e % 2;
            if ((AFTER >> row % SLOTS & 1u) != unsigned(WHICH)) continue;
            d[n][e] *= *decays.at(block * 16 + row / SLOTS, column + lane / 4 + e / 2 * 8);
        }
    }
}

// Takes the rows of a block's writes from the end of their run of HALF tokens to the end of that of 2 HALF.
template <int SLOTS, int N, int COLUMNS>
__device__ __forceinline__ void decay_to_end(float (&d)[N][4], Wide<COLUMNS> decays, int column, int block, int half) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int n = 0; n < N; ++n) {
        if (n / (2 * SLOTS) != block) continue;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int t = block * 16 + (n % (2 * SLOTS) * 8 + lane % 4 * 2 + e % 2) / SLOTS;
            if (!(t & half)) d[n][e] *= *decays.at(t | (2 * half - 1), column + lane / 4 + e / 2 * 8);
        }
    }
}

// Takes the factors of a block's reads from the begin of their run of HALF tokens to that of 2 HALF.
template <int SLOTS, int N, int COLUMNS>
__device__ __forceinline__ void decay_from_begin(float (&d)[N][4], Wide<COLUMNS> decays, int column, int block, int half) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int t = block * 16 + (n * 8 + lane % 4 * 2 + e % 2) / SLOTS;
            if (t & half) d[n][e] *= *decays.at((t | (2 * half - 1)) - half, column + lane / 4 + e / 2 * 8);
        }
    }
}

// Joins runs of HALF tokens: the last row of each becomes the product of both. A warp's own 16 columns.
template <int COLUMNS>
__device__ __forceinline__ void join_runs(Wide<COLUMNS> decays, int column, int block, int half) {
    const int lane = threadIdx.x % 32;
    __syncwarp();
    for (int last = (lane / 16 + 1) * 2 * half - 1; last < 16; last += 4 * half) {
        *decays.at(block * 16 + last, column + lane % 16) *= *decays.at(block * 16 + last - half, column + lane % 16);
    }
    __syncwarp();
}

// Multiplies the rows of blocks `first`.. and before `end` by the decays of a whole block.
template <int SLOTS, int N, int COLUMNS>
__device__ __forceinline__ void decay_blocks(float (&d)[N][4], Wide<COLUMNS> decays, int column, int block, int first, int end) {
    const int lane = threadIdx.x % 32;
    const float upper = *decays.at(block * 16 + 15, column + lane / 4);
    const float lower = *decays.at(block * 16 + 15, column + lane / 4 + 8);
#pragma unroll
    for (int n = 0; n < N; ++n) {
        if (n / (2 * SLOTS) < first || n / (2 * SLOTS) >= end) continue;
#pragma unroll
        for (int e = 0; e < 4; ++e) d[n][e] *= e < 2 ? upper : lower;
    }
}

// Multiplies the value rows of a state by the decays of all blocks.
template <int BLOCKS, int N, int COLUMNS>
__device__ __forceinline__ void decay_state(float (&s)[N][4], Wide<COLUMNS> decays, int column) {
    const int lane = threadIdx.x % 32;
    float upper = 1.0f, lower = 1.0f;
#pragma unroll
    for (int block = 0; block < BLOCKS; ++block) {
        upper *= *decays.at(block * 16 + 15, column + lane / 4);
        lower *= *decays.at(block * 16 + 15, column + lane / 4 + 8);
    }
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) s[n][e] *= e < 2 ? upper : lower;
    }
}

// Whether a read row and a write row of one block are a pair of this length. Length 0 are pairs of one token with no decay
// between the two, length -1 those with one.
template <int READS, int WRITES, unsigned READ_AFTER, unsigned WRITE_AFTER>
__device__ __forceinline__ bool stand_apart(int read, int write, int half) {
    const int t = read / READS, s = write / WRITES;
    if (half > 0) return (t & half) && (t ^ s) >= half && (t ^ s) < 2 * half;
    const bool crosses = (READ_AFTER >> read % READS & 1u) && !(WRITE_AFTER >> write % WRITES & 1u);
    return t == s && crosses == (half < 0);
}

// Whether any of 16 reads and 16 writes of a block, from these rows on, can be a pair of this length: no others are multiplied.
template <int READS, int WRITES>
__device__ constexpr bool can_stand_apart(int read, int write, int half) {
    const int first = read / READS, last = (read + 15) / READS, begin = write / WRITES, end = (write + 15) / WRITES;
    const int run = half > 0 ? 2 * half : 1;
    return begin / run <= last / run && first / run <= end / run && (half < 8 || (last >= 8 && begin < 8));
}

// d += a L^T for the pairs of one length in a block; see stand_apart.
template <typename E, int READS, int WRITES, unsigned READ_AFTER, unsigned WRITE_AFTER, int N, int K, int COLUMNS>
__device__ __forceinline__ void multiply_pairs(float (&d)[N][4], const unsigned (&a)[K][4], Tile<COLUMNS> l, int block, int half) {
    const int lane = threadIdx.x % 32;
    const unsigned at = shared_at(l.at(block * 16 * READS + lane % 8 + lane / 16 * 8, block * 16 * WRITES + lane / 8 % 2 * 8));
#pragma unroll
    for (int n = 0; n < N; n += 2) {
#pragma unroll
        for (int k = 0; k < WRITES; ++k) {
            if (!can_stand_apart<READS, WRITES>(n * 8, k * 16, half)) continue;
            unsigned x[4];
            load_matrices(x, at + n * 8 * l.PITCH + k * 32);
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int read = (n + e / 2) * 8 + lane / 4, write = k * 16 + e % 2 * 8 + lane % 4 * 2;
                const bool first = stand_apart<READS, WRITES, READ_AFTER, WRITE_AFTER>(read, write, half);
                const bool second = stand_apart<READS, WRITES, READ_AFTER, WRITE_AFTER>(read, write + 1, half);
                x[e] &= (first ? 0xffffu : 0u) | (second ? 0xffff0000u : 0u);
            }
            E::mma(d[n], a[block * WRITES + k], x[0], x[1]);
            E::mma(d[n + 1], a[block * WRITES + k], x[2], x[3]);
        }
    }
}

// The same of all bits, for a square that is whole; see multiply_whole.
template <int READS, int WRITES, unsigned READ_AFTER, unsigned WRITE_AFTER, int N, int K, int COLUMNS>
__device__ __forceinline__ void multiply_pairs_whole(float (&d)[N][4], const float (&a)[K][4], Fine<COLUMNS> l, int block, int half) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int k = 0; k < WRITES; ++k) {
        unsigned x[3][4];
        split_fragment_whole(x, a, block * WRITES + k);
#pragma unroll
        for (int n = 0; n < N; ++n) {
            if (!can_stand_apart<READS, WRITES>(n / 2 * 16, k * 16, half)) continue;
            const int read = n * 8 + lane / 4, write = k * 16 + lane % 4 * 2;
            const float4 four = *l.at(block * 16 * READS + read, block * WRITES + k);
            float y[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                if (!stand_apart<READS, WRITES, READ_AFTER, WRITE_AFTER>(read, write + e / 2 * 8 + e % 2, half)) y[e] = 0.0f;
            }
            mma_whole(d[n], x, y[0], y[1], y[2], y[3]);
        }
    }
}

// d += since x.
template <int N>
__device__ __forceinline__ void add_since(float (&d)[N][4], const float (&since)[N][4], const float (&x)[N][4]) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) d[n][e] = fmaf(since[n][e], x[n][e], d[n][e]);
    }
}

// What a block's reads find: what there was at its begin, decayed since, and what is of the block itself.
template <int SLOTS, int N, int M>
__device__ __forceinline__ void finish_block(float (&d)[N][4], const float (&since)[M][4], const float (&near)[M][4], int block) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
        if (n / (2 * SLOTS) != block) continue;
#pragma unroll
        for (int e = 0; e < 4; ++e) d[n][e] = fmaf(since[n % M][e], d[n][e], near[n % M][e]);
    }
}

// A token's decay of one channel, of the rows that a lane keeps and of what stands since the block's begin; see add_earlier.
template <int HALF>
__device__ __forceinline__ void decay_kept(float (&rows)[HALF], float &since, float by) {
    since *= by;
#pragma unroll
    for (int s = 0; s < HALF; ++s) rows[s] *= by;
}
