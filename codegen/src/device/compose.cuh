// Composition of pieces: from what each piece does to a state alone, S -> M S + N, to the state that each begins with. A piece's
// N gives its place to the piece's first state. Exact to the rounding of f32: products are fused multiply-adds.

// Where a sequence's pieces lie: the number of the first, and how many there are.
struct PieceRange {
    i64 first, count;
    __device__ __forceinline__ PieceRange(const i64 *cu_seqlens, i64 tokens, i64 sequence, i64 length) {
        const i64 begin = cu_seqlens ? cu_seqlens[sequence] : sequence * tokens;
        const i64 end = cu_seqlens ? cu_seqlens[sequence + 1] : begin + tokens;
        first = begin / length + sequence;
        count = (end - begin + length - 1) / length;
    }
};

// S <- d * S + N, or S + N without `d`, an element a thread; a number of `d` is that of OF elements. Several pieces are read at
// a time. `N` and `d` are those of this head in the first piece; those of the next lie `step` times their size further on.
template <int SIZE, int OF>
__device__ __forceinline__ void compose_numbers(f32 *n, const f32 *d, i64 step, i64 count, const f32 *initial, f32 *end, int at) {
    constexpr int BATCH = 4;
    if (at >= SIZE) return;
    float s = initial ? initial[at].wide() : 0.0f;
    for (i64 p = 0; p < count; p += BATCH) {
        float added[BATCH], by[BATCH];
#pragma unroll
        for (int b = 0; b < BATCH; ++b) {
            const bool there = p + b < count;
            added[b] = there ? n[(p + b) * step * SIZE + at].wide() : 0.0f;
            by[b] = there && d ? d[(p + b) * step * (SIZE / OF) + at / OF].wide() : 1.0f;
        }
#pragma unroll
        for (int b = 0; b < BATCH; ++b) {
            if (p + b >= count) break;
            n[(p + b) * step * SIZE + at] = f32::of(s);
            s = fmaf(by[b], s, added[b]);
        }
    }
    if (end) end[at] = f32::of(s);
}

// Starts copying columns `first`.. of a K x K matrix, WIDTH of them, to rows PITCH apart; what is outside is zero.
template <int K, int ROWS, int WIDTH, int PITCH, int THREADS>
__device__ __forceinline__ void fetch_panel(float *to, const f32 *from, int first) {
    constexpr int RUN = K % 4 == 0 ? 4 : 1;
    for (int piece = threadIdx.x; piece < ROWS * (WIDTH / RUN); piece += THREADS) {
        const int row = piece / (WIDTH / RUN), column = piece % (WIDTH / RUN) * RUN;
        const bool there = row < K && first + column < K;
        const f32 *at = there ? from + row * K + first + column : from;
        copy_async<RUN * 4>(reinterpret_cast<char *>(to + row * PITCH + column), at, there);
    }
    close_copies();
}

// S_i <- sum_j M_ij S_j + N_i for STATES states, 16 columns a block from `column` on; a thread has 4 columns of every 32nd row.
// Where value channels decay, `by` multiplies each element of S_j on its way (it is the same in all rows of a column). M arrives 16
// columns at a time, one copy ahead. See compose_numbers.
template <int K, int V, int STATES>
__device__ __forceinline__ void compose_matrices(f32 *const (&n)[STATES], const f32 *const (&m)[STATES * STATES], const f32 *by,
                                                 i64 step, i64 count, const f32 *const (&initial)[STATES],
                                                 f32 *const (&end)[STATES], int column) {
    constexpr int THREADS = 128, WIDTH = 16, PITCH = 20, R = (K + 31) / 32, ROWS = R * 32, PANELS = (K + WIDTH - 1) / WIDTH;
    extern __shared__ uint4 memory[];
    float *const panels = reinterpret_cast<float *>(memory), *const state = panels + 2 * ROWS * PITCH;
    const int row = threadIdx.x / 4, c = threadIdx.x % 4 * 4, v = column + c;
    float s[STATES][R][4] = {};
#pragma unroll
    for (int i = 0; i < STATES * R * 4; ++i) {
        const int j = i / (R * 4), r = i / 4 % R, k = row + r * 32, at = v + i % 4;
        if (initial[j] && k < K && at < V) s[j][r][i % 4] = initial[j][k * V + at].wide();
    }
    if (count > 0) fetch_panel<K, ROWS, WIDTH, PITCH, THREADS>(panels, m[0], 0);
    int stage = 0;
    for (i64 p = 0; p < count; ++p) {
        const i64 here = p * step * (K * V), maps = p * step * (K * K);
        float next[STATES][R][4] = {};
#pragma unroll
        for (int i = 0; i < STATES * R; ++i) {
            const int j = i / R, r = i % R, k = row + r * 32;
            float x[4];
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const bool inside = k < K && v + e < V;
                const i64 at = here + k * V + v + e;
                x[e] = s[j][r][e];
                if (!inside) continue;
                next[j][r][e] = n[j][at].wide();
                n[j][at] = f32::of(x[e]);
                if (by) x[e] *= by[at].wide();
            }
            *reinterpret_cast<float4 *>(state + (j * ROWS + k) * WIDTH + c) = make_float4(x[0], x[1], x[2], x[3]);
        }
#pragma unroll
        for (int pair = 0; pair < STATES * STATES; ++pair) {
            const float *const from = state + pair % STATES * ROWS * WIDTH + c;
            const int to = pair / STATES;
#pragma unroll 1
            for (int panel = 0; panel < PANELS; ++panel, stage ^= 1) {
                wait_copies<0>();
                __syncthreads();
                float *const other = panels + (stage ^ 1) * ROWS * PITCH;
                if (panel + 1 < PANELS) {
                    fetch_panel<K, ROWS, WIDTH, PITCH, THREADS>(other, m[pair] + maps, (panel + 1) * WIDTH);
                } else if (pair + 1 < STATES * STATES) {
                    fetch_panel<K, ROWS, WIDTH, PITCH, THREADS>(other, m[(pair + 1) % (STATES * STATES)] + maps, 0);
                } else if (p + 1 < count) {
                    fetch_panel<K, ROWS, WIDTH, PITCH, THREADS>(other, m[0] + maps + step * (K * K), 0);
                }
                const float *const left = panels + stage * ROWS * PITCH, *const right = from + panel * WIDTH * WIDTH;
#pragma unroll
                for (int k = 0; k < WIDTH; k += 4) {
                    float4 b[4];
#pragma unroll
                    for (int j = 0; j < 4; ++j) b[j] = *reinterpret_cast<const float4 *>(right + (k + j) * WIDTH);
#pragma unroll
                    for (int i = 0; i < R; ++i) {
                        const float4 a = *reinterpret_cast<const float4 *>(left + (row + i * 32) * PITCH + k);
                        const float x[4] = {a.x, a.y, a.z, a.w};
#pragma unroll
                        for (int j = 0; j < 4; ++j) {
                            next[to][i][0] = fmaf(x[j], b[j].x, next[to][i][0]);
                            next[to][i][1] = fmaf(x[j], b[j].y, next[to][i][1]);
                            next[to][i][2] = fmaf(x[j], b[j].z, next[to][i][2]);
                            next[to][i][3] = fmaf(x[j], b[j].w, next[to][i][3]);
                        }
                    }
                }
            }
        }
#pragma unroll
        for (int i = 0; i < STATES * R * 4; ++i) s[i / (R * 4)][i / 4 % R][i % 4] = next[i / (R * 4)][i / 4 % R][i % 4];
        // The next piece's states take the place of this one's.
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < STATES * R * 4; ++i) {
        const int j = i / (R * 4), r = i / 4 % R, k = row + r * 32, at = v + i % 4;
        if (end[j] && k < K && at < V) end[j][k * V + at] = f32::of(s[j][r][i % 4]);
    }
}
