// Rows that are any function of what reads find of the rows before them, 16 tokens at a time. The rows of earlier blocks come
// as products; inside a block they come row by row, from numbers that a lane keeps in registers.

// Waits for the WARPS warps that share a matrix; ID tells their barrier from others.
template <int ID, int WARPS>
__device__ __forceinline__ void meet_warps() {
    if (WARPS == 1) {
        __syncwarp();
    } else {
        asm volatile("bar.sync %0, %1;" ::"n"(ID), "n"(WARPS * 32) : "memory");
    }
}

// d += a L^T for the columns of d that belong to the block of 16 tokens number `block`, and the rows of earlier blocks: READS
// read rows and WRITES write rows a token.
template <typename E, int READS, int WRITES, int N, int K, int COLUMNS>
__device__ __forceinline__ void multiply_earlier(float (&d)[N][4], const unsigned (&a)[K][4], Tile<COLUMNS> l, int block) {
    const int lane = threadIdx.x % 32;
    const unsigned at = shared_at(l.at(lane % 8 + lane / 16 * 8, lane / 8 % 2 * 8));
#pragma unroll
    for (int n = 0; n < N; n += 2) {
        if (n / (2 * READS) != block) continue;
#pragma unroll
        for (int k = 0; k < K; ++k) {
            if (k >= WRITES * block) continue;
            E::template load_mma<false>(d[n], d[n + 1], a[k], at + n * 8 * l.PITCH + k * 32);
        }
    }
}

// The columns of one block, SLOTS a token, transposed: 16 columns of rows of float.
template <int SLOTS, int N, int COLUMNS>
__device__ __forceinline__ void store_block(Wide<COLUMNS> to, const float (&d)[N][4], int column, int block) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int n = 0; n < N; ++n) {
        if (n / (2 * SLOTS) != block) continue;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            *to.at(n % (2 * SLOTS) * 8 + lane % 4 * 2 + e % 2, column + lane / 4 + e / 2 * 8) = d[n][e];
        }
    }
}

// The inverse of store_block.
template <int SLOTS, int N, int COLUMNS>
__device__ __forceinline__ void load_block(float (&d)[N][4], Wide<COLUMNS> from, int column, int block) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int n = 0; n < N; ++n) {
        if (n / (2 * SLOTS) != block) continue;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            d[n][e] = *from.at(n % (2 * SLOTS) * 8 + lane % 4 * 2 + e % 2, column + lane / 4 + e / 2 * 8);
        }
    }
}

// The columns of one block as operands of the next product; see pack_pairs.
template <typename E, int SLOTS, int N>
__device__ __forceinline__ void pack_block(unsigned (&a)[N / 2][4], const float (&c)[N][4], int block) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
        if (n / (2 * SLOTS) != block) continue;
        a[n / 2][n % 2 * 2] = E::of(c[n][0], c[n][1]);
        a[n / 2][n % 2 * 2 + 1] = E::of(c[n][2], c[n][3]);
    }
}

// What pack_block loses, as operands.
template <typename E, int SLOTS, int N>
__device__ __forceinline__ void pack_block_rest(unsigned (&a)[N / 2][4], const float (&c)[N][4], int block) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
        if (n / (2 * SLOTS) != block) continue;
#pragma unroll
        for (int e = 0; e < 2; ++e) {
            unsigned rounded;
            split_pair<E>(rounded, a[n / 2][n % 2 * 2 + e], c[n][e * 2], c[n][e * 2 + 1]);
        }
    }
}

// The blocks of the diagonal, of 16 rows of a matrix: a row keeps the columns of its own 16 tokens.
template <int READS, int WRITES, int N>
__device__ __forceinline__ void store_diagonal(Square<16 * WRITES> to, const float (&d)[N][4], int row) {
    const int lane = threadIdx.x % 32;
    float *at = to.at(row + lane / 4, lane % 4 * 2);
#pragma unroll
    for (int n = 0; n < N; ++n) {
        if (n / (2 * WRITES) != row / (16 * READS)) continue;
        *reinterpret_cast<float2 *>(at + n % (2 * WRITES) * 8) = make_float2(d[n][0], d[n][1]);
        *reinterpret_cast<float2 *>(at + n % (2 * WRITES) * 8 + 8 * to.PITCH) = make_float2(d[n][2], d[n][3]);
    }
}

// Adds what earlier rows of the block leave in one channel of a row of reads, from that row of the matrix. Lanes l and l + 16
// have one channel, and half of the rows each; what is not there yet is zero.
template <int HALF>
__device__ __forceinline__ void add_earlier(float (&p)[1], const float *l, const float (&rows)[HALF]) {
    const float4 *mine = reinterpret_cast<const float4 *>(l + threadIdx.x % 32 / 16 * HALF);
    float sum = 0.0f;
#pragma unroll
    for (int s = 0; s < HALF; s += 4) {
        const float4 by = mine[s / 4];
        sum = fmaf(by.x, rows[s], sum);
        sum = fmaf(by.y, rows[s + 1], sum);
        sum = fmaf(by.z, rows[s + 2], sum);
        sum = fmaf(by.w, rows[s + 3], sum);
    }
    p[0] += sum + __shfl_xor_sync(0xffffffffu, sum, 16);
}

// A channel of a row of the block, kept by the lane whose half it is in; see add_earlier.
template <int HALF>
__device__ __forceinline__ void keep_row(float (&rows)[HALF], const float (&x)[1], int row) {
    const int mine = row - threadIdx.x % 32 / 16 * HALF;
#pragma unroll
    for (int s = 0; s < HALF; ++s) rows[s] = s == mine ? x[0] : rows[s];
}

// Multiplies a row by the decays of one token.
template <int STRIDE, int N, int COLUMNS>
__device__ __forceinline__ void decay_row(float (&since)[N], Wide<COLUMNS> decays, int token, int first) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
        if (first + i * STRIDE < COLUMNS) since[i] *= *decays.at(token, first + i * STRIDE);
    }
}

// Adds what the first `count` rows of the block leave in a row of reads; a lane reads what it has stored itself.
template <int STRIDE, int N, int COLUMNS>
__device__ __forceinline__ void add_rows(float (&p)[N], const float *l, Wide<COLUMNS> rows, int count, int first) {
#pragma unroll 4
    for (int s = 0; s < count; ++s) {
        const float by = l[s];
#pragma unroll
        for (int i = 0; i < N; ++i) {
            if (first + i * STRIDE < COLUMNS) p[i] = fmaf(by, *rows.at(s, first + i * STRIDE), p[i]);
        }
    }
}

// The same where value channels decay: rows are decayed on their way to the read of a token, the later rows first. WRITES rows a
// token; bit `slot` of AFTER says that a row stands after its token's decay, READ that the read does.
template <int STRIDE, int WRITES, unsigned AFTER, int READ, int N, int COLUMNS>
__device__ __forceinline__ void add_decayed_rows(float (&p)[N], const float *l, Wide<COLUMNS> rows, Wide<COLUMNS> decays,
                                                 int count, int token, int first) {
    int place = token + READ;
    float since[N];
#pragma unroll
    for (int i = 0; i < N; ++i) since[i] = 1.0f;
    for (int s = count - 1; s >= 0; --s) {
        const int from = token / 16 * 16 + s / WRITES + int(AFTER >> s % WRITES & 1u);
        for (; place > from; --place) decay_row<STRIDE>(since, decays, place - 1, first);
        const float by = l[s];
#pragma unroll
        for (int i = 0; i < N; ++i) {
            if (first + i * STRIDE < COLUMNS) p[i] = fmaf(by * since[i], *rows.at(s, first + i * STRIDE), p[i]);
        }
    }
}

// A row of float, for the block's products: LANES lanes hold its numbers, STRIDE apart, from column `first` on.
template <int LANES, int STRIDE, int N, int COLUMNS>
__device__ __forceinline__ void store_wide_row(Wide<COLUMNS> to, const float (&x)[N], int row, int first) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
        if (threadIdx.x % 32 < LANES && first + i * STRIDE < COLUMNS) *to.at(row, first + i * STRIDE) = x[i];
    }
}
