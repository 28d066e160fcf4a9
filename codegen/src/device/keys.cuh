// Decays by channel. Every pair of tokens s < t has one length h, a power of two, such that both lie in one run of 2 h tokens,
// s in its first half and t in its second. The decay between them is then one factor of the read, from the run's middle, and
// one of the write, to its middle: a product of decays each, nothing is divided and nothing grows. So the Gram matrix is a sum
// over h of products of decayed keys.
//
// A warp has the keys of a block of 16 tokens, two neighbouring columns a lane. Pairs within a block it makes by itself, from
// rows that no other warp uses; pairs of two blocks are made by all warps together, from rows that begin with the decays of the
// blocks between. The decays of tokens lie in rows of COLUMNS numbers, and so do those of blocks. Bit `slot` of AFTER says that
// the slot stands after its token's decay.

// A tile of rounded numbers, and one of what rounding lost, where there is one.
template <int COLUMNS>
struct Split {
    Tile<COLUMNS> high, low;
    // The same rows as seen from one of them, and from a column of it; a second part need not be there.
    __device__ __forceinline__ Split from(int row, int column) const {
        return Split{Tile<COLUMNS>{high.at(row, column)}, Tile<COLUMNS>{low.base ? low.at(row, column) : nullptr}};
    }
    // Two neighbours of a row.
    template <typename E>
    __device__ __forceinline__ float2 pair(int row) const {
        const unsigned whole = *reinterpret_cast<const unsigned *>(high.at(row, 0));
        float2 x = make_float2(E::low(whole), E::high(whole));
        if (low.base) {
            const unsigned rest = *reinterpret_cast<const unsigned *>(low.at(row, 0));
            x.x += E::low(rest);
            x.y += E::high(rest);
        }
        return x;
    }
    // Puts two neighbours of a row; in one part, where SPLIT does not say that there are two.
    template <typename E, bool SPLIT>
    __device__ __forceinline__ void put_pair(int row, float2 x) const {
        unsigned rounded, rest;
        split_pair<E>(rounded, rest, x.x, x.y);
        *reinterpret_cast<unsigned *>(high.at(row, 0)) = rounded;
        if (SPLIT) *reinterpret_cast<unsigned *>(low.at(row, 0)) = rest;
    }
};

// The number of this lane, as if it were new each time: what follows from it is not kept from chunk to chunk, in registers that
// states need.
__device__ __forceinline__ int fresh_lane() {
    int lane = threadIdx.x;
    asm volatile("" : "+r"(lane));
    return lane & 31;
}

// The number of this warp, likewise.
__device__ __forceinline__ int fresh_warp() {
    int thread = threadIdx.x;
    asm volatile("" : "+r"(thread));
    return __shfl_sync(0xffffffffu, thread / 32, 0);
}

// Whether a column is beyond the last: strips are of 64, two columns a lane.
template <int COLUMNS>
__device__ __forceinline__ bool is_outside(int column) {
    return COLUMNS % 64 != 0 && column >= COLUMNS;
}

// Two columns' numbers.
__device__ __forceinline__ float2 multiply_two(float2 x, float2 y) { return make_float2(x.x * y.x, x.y * y.y); }

// Rows of keys as numbers, which are rounded once they are decayed.
template <int COLUMNS>
struct Floats {
    float *base;
    __device__ __forceinline__ float *at(int row, int column) const { return base + (row * COLUMNS + column); }
    // The same rows as seen from one of them, and from a column of it.
    __device__ __forceinline__ Floats from(int row, int column) const { return Floats{at(row, column)}; }
    // Two neighbours of a row.
    template <typename E>
    __device__ __forceinline__ float2 pair(int row) const {
        return *reinterpret_cast<const float2 *>(at(row, 0));
    }
};

// Rows of keys in three parts.
template <int COLUMNS>
struct Three {
    Split<COLUMNS> two;
    Tile<COLUMNS> last;
    __device__ __forceinline__ Three from(int row, int column) const {
        return Three{two.from(row, column), Tile<COLUMNS>{last.at(row, column)}};
    }
    template <typename E>
    __device__ __forceinline__ float2 pair(int row) const {
        const float2 x = two.template pair<E>(row);
        const unsigned rest = *reinterpret_cast<const unsigned *>(last.at(row, 0));
        return make_float2(x.x + E::low(rest), x.y + E::high(rest));
    }
    template <typename E, bool SPLIT>
    __device__ __forceinline__ void put_pair(int row, float2 x) const {
        two.template put_pair<E, SPLIT>(row, x);
        unsigned high, low;
        split_pair<E>(high, low, x.x, x.y);
        store_last<E>(last, row, 0, x, high, low);
    }
};

// Multiplies two neighbours of a row of keys, the first that are seen.
template <typename E, bool SPLIT, typename TO, typename FROM>
__device__ __forceinline__ void decay_pair(TO to, FROM keys, int row, float2 by) {
    to.template put_pair<E, SPLIT>(row, multiply_two(keys.template pair<E>(row), by));
}

// The decays of a block's tokens.
template <int COLUMNS>
__device__ __forceinline__ void load_decays(float2 (&decays)[16], const float *from, int block, int column) {
#pragma unroll
    for (int t = 0; t < 16; ++t) {
        decays[t] = make_float2(1.0f, 1.0f);
        if (!is_outside<COLUMNS>(column)) decays[t] = *reinterpret_cast<const float2 *>(from + (block * 16 + t) * COLUMNS + column);
    }
}

// The decay of a whole block, which is put beside those of others.
template <int COLUMNS>
__device__ __forceinline__ void decay_block(float *to, const float2 (&decays)[16], int block, int column) {
    float2 product = decays[0];
#pragma unroll
    for (int t = 1; t < 16; ++t) product = multiply_two(product, decays[t]);
    if (is_outside<COLUMNS>(column)) return;
    store_pair(to + block * COLUMNS + column, __float_as_uint(product.x), __float_as_uint(product.y));
}

// The decays of blocks `first`.. before `end`.
template <int COLUMNS>
__device__ __forceinline__ float2 decay_of_blocks(const float *blocks, int first, int end, int column) {
    float2 product = make_float2(1.0f, 1.0f);
    for (int block = first; block < end && !is_outside<COLUMNS>(column); ++block) {
        product = multiply_two(product, *reinterpret_cast<const float2 *>(blocks + block * COLUMNS + column));
    }
    return product;
}

// Multiplies a block's keys for pairs of one length, those of tokens in the second halves of runs, by the decays since the middle.
template <typename E, bool SPLIT, int SLOTS, unsigned AFTER, int HALF, template <int> class TO, int COLUMNS, typename FROM>
__device__ __forceinline__ void decay_since_middle(TO<COLUMNS> to, FROM keys, const float2 (&decays)[16], int block,
                                                   int column) {
    if (is_outside<COLUMNS>(column)) return;
    to = to.from(block * 16 * SLOTS, column);
    keys = keys.from(block * 16 * SLOTS, column);
    float2 since;
#pragma unroll
    for (int t = 0; t < 16; ++t) {
        if (!(t & HALF)) continue;
        if (t % HALF == 0) since = make_float2(1.0f, 1.0f);
        const float2 after = multiply_two(since, decays[t]);
#pragma unroll
        for (int slot = 0; slot < SLOTS; ++slot) {
            decay_pair<E, SPLIT>(to, keys, t * SLOTS + slot, AFTER >> slot & 1u ? after : since);
        }
        since = after;
    }
}

// Multiplies a block's write keys for pairs of one length, those of tokens in the first halves of runs, by the decays until the
// middle.
template <typename E, bool SPLIT, int SLOTS, unsigned AFTER, int HALF, template <int> class TO, int COLUMNS, typename FROM>
__device__ __forceinline__ void decay_until_middle(TO<COLUMNS> to, FROM keys, const float2 (&decays)[16], int block,
                                                   int column) {
    if (is_outside<COLUMNS>(column)) return;
    to = to.from(block * 16 * SLOTS, column);
    keys = keys.from(block * 16 * SLOTS, column);
    float2 until;
#pragma unroll
    for (int t = 15; t >= 0; --t) {
        if (t & HALF) continue;
        if (t % HALF == HALF - 1) until = make_float2(1.0f, 1.0f);
        const float2 before = multiply_two(until, decays[t]);
#pragma unroll
        for (int slot = 0; slot < SLOTS; ++slot) {
            decay_pair<E, SPLIT>(to, keys, t * SLOTS + slot, AFTER >> slot & 1u ? until : before);
        }
        until = before;
    }
}

// Multiplies a block's keys by the decays since the begin of runs of SPAN tokens, in which a declared range proves that decays do
// not vanish; with LIFT it divides by them, for writes. Where that range is not kept, results are finite.
template <typename E, bool SPLIT, int SLOTS, unsigned AFTER, int SPAN, bool LIFT, template <int> class TO, int COLUMNS, typename FROM>
__device__ __forceinline__ void decay_since_begin(TO<COLUMNS> to, FROM keys, const float2 (&decays)[16], int block,
                                                  int column) {
    if (is_outside<COLUMNS>(column)) return;
    to = to.from(block * 16 * SLOTS, column);
    keys = keys.from(block * 16 * SLOTS, column);
    float2 since;
#pragma unroll
    for (int t = 0; t < 16; ++t) {
        if (t % SPAN == 0) since = make_float2(1.0f, 1.0f);
        const float2 after = multiply_two(since, decays[t]);
#pragma unroll
        for (int slot = 0; slot < SLOTS; ++slot) {
            float2 by = AFTER >> slot & 1u ? after : since;
            if (LIFT) by = make_float2(__frcp_rn(fmaxf(by.x, 1e-27f)), __frcp_rn(fmaxf(by.y, 1e-27f)));
            decay_pair<E, SPLIT>(to, keys, t * SLOTS + slot, by);
        }
        since = after;
    }
}

// Whether some write of a tile of 16 x 16 rows and columns comes before some read of the same run; where tiles are whole in a
// half, in the right halves.
template <int READS, int WRITES, int LENGTH, bool RUN>
__device__ constexpr bool tiles_meet(int row, int column) {
    return column / WRITES <= (row + 15) / READS && ((column + 15) / WRITES | ((RUN ? LENGTH : 2 * LENGTH) - 1)) >= row / READS &&
           (RUN || 16 % READS != 0 || 16 % WRITES != 0 || (((row + 15) / READS & LENGTH) && !(column / WRITES & LENGTH)));
}

// Adds the products of a block's decayed reads and writes, of the 64 columns from `column` on, for its pairs of one length, or,
// with RUN, for all pairs within runs of as many tokens.
template <typename E, int READS, int WRITES, int LENGTH, bool RUN, int COLUMNS>
__device__ __forceinline__ void add_near(float (&d)[READS][2 * WRITES][4], Tile<COLUMNS> reads, Tile<COLUMNS> writes, int block,
                                         int column, int lane) {
    const unsigned left = shared_at(reads.at(block * 16 * READS + lane % 16, column + lane / 16 * 8));
    const unsigned right = shared_at(writes.at(block * 16 * WRITES + lane % 8 + lane / 16 * 8, column + lane / 8 % 2 * 8));
#pragma unroll
    for (int r = 0; r < READS; ++r) {
#pragma unroll
        for (int n = 0; n < 2 * WRITES; n += 2) {
            if (!tiles_meet<READS, WRITES, LENGTH, RUN>(r * 16, n * 8)) continue;
            float part[2][4];
#pragma unroll
            for (int e = 0; e < 8; ++e) part[e / 4][e % 4] = d[r][n + e / 4][e % 4];
#pragma unroll 2
            for (int k = 0; k < 4; ++k) {
                if (is_outside<COLUMNS>(column + k * 16)) continue;
                unsigned a[4];
                load_matrices(a, left + r * 16 * reads.PITCH + k * 32);
                E::template load_mma<false>(part[0], part[1], a, right + n * 8 * writes.PITCH + k * 32);
            }
#pragma unroll
            for (int e = 0; e < 8; ++e) {
                const int t = (r * 16 + lane / 4 + e / 2 % 2 * 8) / READS;
                const int s = (n * 8 + e / 4 * 8 + lane % 4 * 2 + e % 2) / WRITES;
                const bool halves = (t & LENGTH) && (t ^ s) >= LENGTH && (t ^ s) < 2 * LENGTH;
                const bool pair = RUN ? s < t && (t ^ s) < LENGTH : halves;
                if (pair) d[r][n + e / 4][e % 4] = part[e / 4][e % 4];
            }
        }
    }
}

// What a warp has of the pairs within a block goes where those who make whole rows find it, lane by lane.
template <int READS, int EIGHTHS>
__device__ __forceinline__ void store_near(float *to, const float (&d)[READS][EIGHTHS][4], int block) {
    float4 *const at = reinterpret_cast<float4 *>(to) + block * READS * EIGHTHS * 32 + fresh_lane();
#pragma unroll
    for (int r = 0; r < READS; ++r) {
#pragma unroll
        for (int n = 0; n < EIGHTHS; ++n) {
            at[(r * EIGHTHS + n) * 32] = make_float4(d[r][n][0], d[r][n][1], d[r][n][2], d[r][n][3]);
        }
    }
}

// Adds what PARTS warps have of the pairs within the block of 16 rows; see store_near.
template <int READS, int WRITES, int PARTS, int N>
__device__ __forceinline__ void take_near(float (&d)[N][4], const float *from, int row) {
    constexpr int EIGHTHS = 2 * WRITES, ROWS = N * 8 / WRITES * READS / 16;
    const float4 *const at = reinterpret_cast<const float4 *>(from) + row / 16 * EIGHTHS * 32 + fresh_lane();
#pragma unroll
    for (int n = 0; n < N; ++n) {
        if (n / EIGHTHS != row / (16 * READS)) continue;
#pragma unroll
        for (int part = 0; part < PARTS; ++part) {
            const float4 x = at[(part * ROWS * EIGHTHS + n % EIGHTHS) * 32];
            d[n][0] += x.x;
            d[n][1] += x.y;
            d[n][2] += x.z;
            d[n][3] += x.w;
        }
    }
}

// Where a block's keys lie for pairs of blocks of a length of HALF tokens. Reads have the second half of each run and writes the
// first: what one length leaves free, another takes.
template <bool WRITES>
__device__ __forceinline__ int far_place(int block, int half) {
    return half == 32 ? (block & ~3) | (block & 1) << 1 | int(WRITES) : block;
}

// Multiplies a block's keys by `since` and the decays since the block's begin, and puts them into the rows of block `place`.
template <typename E, bool SPLIT, int SLOTS, unsigned AFTER, template <int> class TO, int COLUMNS, typename FROM>
__device__ __forceinline__ void decay_since(TO<COLUMNS> to, int place, FROM keys, const float *decay, int block,
                                            int column, float2 since) {
    if (is_outside<COLUMNS>(column)) return;
    to = to.from(place * 16 * SLOTS, column);
    keys = keys.from(block * 16 * SLOTS, column);
    decay += block * 16 * COLUMNS + column;
#pragma unroll 1
    for (int first = 0; first < 16; first += 4) {
#pragma unroll
        for (int t = 0; t < 4; ++t) {
            const float2 here = *reinterpret_cast<const float2 *>(decay + t * COLUMNS);
            const float2 after = multiply_two(since, here);
#pragma unroll
            for (int slot = 0; slot < SLOTS; ++slot) {
                decay_pair<E, SPLIT>(to, keys, t * SLOTS + slot, AFTER >> slot & 1u ? after : since);
            }
            since = after;
        }
        to = to.from(4 * SLOTS, 0);
        keys = keys.from(4 * SLOTS, 0);
        decay += 4 * COLUMNS;
    }
}

// Multiplies a block's write keys by the decays until the block's end and `until`; see decay_since.
template <typename E, bool SPLIT, int SLOTS, unsigned AFTER, template <int> class TO, int COLUMNS, typename FROM>
__device__ __forceinline__ void decay_until(TO<COLUMNS> to, int place, FROM keys, const float *decay, int block,
                                            int column, float2 until) {
    if (is_outside<COLUMNS>(column)) return;
    to = to.from((place * 16 + 12) * SLOTS, column);
    keys = keys.from((block * 16 + 12) * SLOTS, column);
    decay += (block * 16 + 12) * COLUMNS + column;
#pragma unroll 1
    for (int first = 12; first >= 0; first -= 4) {
#pragma unroll
        for (int t = 3; t >= 0; --t) {
            const float2 here = *reinterpret_cast<const float2 *>(decay + t * COLUMNS);
            const float2 before = multiply_two(until, here);
#pragma unroll
            for (int slot = 0; slot < SLOTS; ++slot) {
                decay_pair<E, SPLIT>(to, keys, t * SLOTS + slot, AFTER >> slot & 1u ? until : before);
            }
            until = before;
        }
        to = to.from(-4 * SLOTS, 0);
        keys = keys.from(-4 * SLOTS, 0);
        decay -= 4 * COLUMNS;
    }
}

// The decays of the whole chunk.
template <int BLOCKS, int COLUMNS>
__device__ __forceinline__ void decay_chunk(float *all, const float *blocks, int column) {
    const float2 product = decay_of_blocks<COLUMNS>(blocks, 0, BLOCKS, column);
    if (!is_outside<COLUMNS>(column)) store_pair(all + column, __float_as_uint(product.x), __float_as_uint(product.y));
}

// Adds the products of decayed reads of rows `row`.. and decayed writes for the pairs of blocks of one length; see far_place.
template <typename E, int READS, int WRITES, int N, int COLUMNS>
__device__ __forceinline__ void add_far(float (&d)[N][4], Tile<COLUMNS> reads, Tile<COLUMNS> writes, int row, int half) {
    const int lane = fresh_lane(), length = half / 16, t = row / (16 * READS);
    if (!(t & length)) return;
    const int from = row + (far_place<false>(t, half) - t) * 16 * READS;
    const unsigned left = shared_at(reads.at(from + lane % 16, lane / 16 * 8));
    const unsigned right = shared_at(writes.at(lane % 8 + lane / 16 * 8, lane / 8 % 2 * 8));
#pragma unroll
    for (int n = 0; n < N; n += 2) {
        const int s = n / (2 * WRITES);
        if ((s & length) || (t ^ s) >= 2 * length) continue;
        const int at = n * 8 + (far_place<true>(s, half) - s) * 16 * WRITES;
#pragma unroll 4
        for (int k = 0; k < COLUMNS / 16; ++k) {
            unsigned a[4];
            load_matrices(a, left + k * 32);
            E::template load_mma<false>(d[n], d[n + 1], a, right + at * writes.PITCH + k * 32);
        }
    }
}

// Adds what reads find of writes of their own token: WRITES numbers a read row.
template <int READS, int WRITES, int N>
__device__ __forceinline__ void add_own(float (&d)[N][4], const float *own, int row) {
    const int lane = this_thread() % 32;
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int t = row + lane / 4 + e / 2 * 8, s = n * 8 + lane % 4 * 2 + e % 2;
            if (t / READS == s / WRITES) d[n][e] += own[t * WRITES + s % WRITES];
        }
    }
}
