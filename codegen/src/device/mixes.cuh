// States that mix. Between a write at token s and a read at a later token t stands the product of the matrices of the tokens
// between them, STATES x STATES numbers each. It is made as decays by channel are (see decay_since): s and t have one length
// such that both lie in a run of twice as many tokens, s in its first half and t in its second. The read's row of the product
// since the run's middle, times the write's column of the product until there, is one number: products and sums of what the
// rule says, nothing is divided.
//
// A table holds a vector for each row and length, by state: level l is what stands between the row and the begin (of reads) or
// the end (of writes) of its run of 2^l tokens; the last level is that of the chunk. `runs` holds the tokens' matrices, row
// after row; while runs grow, the last token of a run holds its product.

// Level `level + 1` of a table, of writes or of reads: a row takes the matrix of the half of its run that it is not in, where that
// stands between the row and the run's begin (of reads) or end (of writes). For one warp.
template <int TOKENS, int SLOTS, int STATES, bool WRITES>
__device__ __forceinline__ void mix_rows(float *table, const float *runs, int level) {
    constexpr int ROWS = TOKENS * SLOTS;
    const int half = 1 << level;
    const float *from = table + level * STATES * ROWS;
    float *to = table + (level + 1) * STATES * ROWS;
    const int lane = this_thread() % 32;
#pragma unroll 2
    for (int first = 0; first < ROWS; first += 32) {
        const int row = first + lane;
        if (row >= ROWS) continue;
        const int t = row / SLOTS;
        const float *by = runs + ((t | (2 * half - 1)) - (WRITES ? 0 : half)) * STATES * STATES;
        const bool stands = WRITES ? !(t & half) : t & half;
        float x[STATES];
#pragma unroll
        for (int i = 0; i < STATES; ++i) x[i] = from[i * ROWS + row];
#pragma unroll
        for (int j = 0; j < STATES; ++j) {
            float y = 0.0f;
#pragma unroll
            for (int i = 0; i < STATES; ++i) y = fmaf(x[i], by[WRITES ? j * STATES + i : i * STATES + j], y);
            to[j * ROWS + row] = stands ? y : x[j];
        }
    }
}

// Joins runs of 2^level tokens: the later one's matrix times the earlier one's. For one warp.
template <int TOKENS, int STATES>
__device__ __forceinline__ void join_mixes(float *runs, int level) {
    const int half = 1 << level, last = (this_thread() % 32 + 1) * 2 * half - 1;
    __syncwarp();
    if (last < TOKENS) {
        float *later = runs + last * STATES * STATES;
        const float *earlier = later - half * STATES * STATES;
        float product[STATES][STATES];
#pragma unroll
        for (int i = 0; i < STATES; ++i) {
#pragma unroll
            for (int j = 0; j < STATES; ++j) {
                product[i][j] = 0.0f;
#pragma unroll
                for (int k = 0; k < STATES; ++k) {
                    product[i][j] = fmaf(later[i * STATES + k], earlier[k * STATES + j], product[i][j]);
                }
            }
        }
#pragma unroll
        for (int i = 0; i < STATES * STATES; ++i) later[i] = product[i / STATES][i % STATES];
    }
    __syncwarp();
}

// Of two tokens that are not the same, where a table has the level of what stands between them.
template <int STATES, int ROWS>
__device__ __forceinline__ int level_at(int s, int t) {
    return (31 - __clz(s ^ t)) * STATES * ROWS;
}

// A product of keys times what stands between write row `w` and read row `r`; WRITES numbers a read row say it of writes of the
// read's own token. What is written later is 0.
template <int TOKENS, int READS, int WRITES, int STATES>
__device__ __forceinline__ float mix_one(float x, const float *reads, const float *writes, const float *own, int r, int w) {
    constexpr int ROWS = TOKENS * READS, COLUMNS = TOKENS * WRITES;
    const int t = r / READS, s = w / WRITES;
    if (s > t) return 0.0f;
    if (s == t) return x * own[r * WRITES + w % WRITES];
    const float *read = reads + level_at<STATES, ROWS>(s, t) + r, *write = writes + level_at<STATES, COLUMNS>(s, t) + w;
    float by = 0.0f;
#pragma unroll
    for (int i = 0; i < STATES; ++i) by = fmaf(read[i * ROWS], write[i * COLUMNS], by);
    return x * by;
}

// 16 rows of products of keys, each as in mix_one. Where eight rows of reads, and of writes, are the rows of the same whole tokens,
// eight by eight products are of the same tokens, or all later, or all on one level: few need a level of their own. Each thread
// finds it for its own row; what all of a warp share would be found before the loop over chunks, and held.
template <int TOKENS, int READS, int WRITES, int STATES, int N>
__device__ __forceinline__ void mix_between(float (&d)[N][4], const float *reads, const float *writes, const float *own, int row) {
    const int lane = this_thread() % 32, r = row + lane / 4, w = lane % 4 * 2;
    if constexpr (READS != WRITES || 8 % READS != 0) {
#pragma unroll
        for (int e = 0; e < N * 4; ++e) {
            float &x = d[e / 4][e % 4];
            x = mix_one<TOKENS, READS, WRITES, STATES>(x, reads, writes, own, r + e / 2 % 2 * 8, w + e / 4 * 8 + e % 2);
        }
    } else {
#pragma unroll
        for (int e = 0; e < 4; e += 2) {
            const int begin = row + e * 4;
            float same[2] = {};
#pragma unroll
            for (int n = 0; n < N; ++n) {
                if (n * 8 == begin) same[0] = d[n][e], same[1] = d[n][e + 1];
            }
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                same[i] = mix_one<TOKENS, READS, WRITES, STATES>(same[i], reads, writes, own, r + e * 4, begin + w + i);
            }
#pragma unroll
            for (int n = 0; n < N; ++n) {
                float2 by = make_float2(0.0f, 0.0f);
                if (n * 8 < begin) {
                    const int level = level_at<STATES, TOKENS * READS>(n * 8 / READS, (r + e * 4) / READS);
#pragma unroll
                    for (int i = 0; i < STATES; ++i) {
                        const int at = level + i * TOKENS * READS;
                        const float2 write = *reinterpret_cast<const float2 *>(writes + at + n * 8 + w);
                        by.x = fmaf(reads[at + r + e * 4], write.x, by.x);
                        by.y = fmaf(reads[at + r + e * 4], write.y, by.y);
                    }
                }
                d[n][e] = n * 8 < begin ? d[n][e] * by.x : n * 8 == begin ? same[0] : 0.0f;
                d[n][e + 1] = n * 8 < begin ? d[n][e + 1] * by.y : n * 8 == begin ? same[1] : 0.0f;
            }
        }
    }
}
