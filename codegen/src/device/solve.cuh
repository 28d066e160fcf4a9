// The unit lower triangular inverse of a chunk and its cumulative decays.

// Two neighbours in one instruction: the compiler would part some of them, whose halves meet in a bank.
__device__ __forceinline__ void store_pair(float *to, unsigned x, unsigned y) {
    const unsigned at = shared_at(to);
    asm volatile("st.shared.v2.b32 [%0], {%1, %2};" ::"r"(at), "r"(x), "r"(y) : "memory");
}

// 16 rows of M, where an inverse is made: the block of the diagonal as it is, and those before it in parts. Two neighbours take
// the place of two floats, rounded and what rounding lost.
template <typename E, int N, int COLUMNS>
__device__ __forceinline__ void store_parts(Square<COLUMNS> to, const float (&d)[N][4], int row) {
    const int lane = this_thread() % 32;
    float *at = to.at(row + lane / 4, lane % 4 * 2);
#pragma unroll
    for (int n = 0; n < N; ++n) {
        if (n / 2 > row / 16) continue;
#pragma unroll
        for (int e = 0; e < 4; e += 2) {
            unsigned x = __float_as_uint(d[n][e]), y = __float_as_uint(d[n][e + 1]);
            if (n / 2 < row / 16) split_pair<E>(x, y, d[n][e], d[n][e + 1]);
            store_pair(at + n * 8 + e * 4 * to.PITCH, x, y);
        }
    }
}

// The square as seen from a lane's place in the first block; products below take it so, since a place is worked out anew each
// time that a lane asks for its number.
template <int ROWS>
__device__ __forceinline__ Square<ROWS> of_lane(Square<ROWS> m) {
    const int lane = this_thread() % 32;
    return Square<ROWS>{m.at(lane / 4, lane % 4 * 2)};
}

// A block of 16 x 16 in parts as an operand; `m` is of_lane's.
template <int ROWS>
__device__ __forceinline__ void load_operand(unsigned (&high)[4], unsigned (&low)[4], Square<ROWS> m, int row, int column) {
    const float *at = m.at(row, column);
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        const uint2 pair = *reinterpret_cast<const uint2 *>(at + e % 2 * 8 * m.PITCH + e / 2 * 8);
        high[e] = pair.x;
        low[e] = pair.y;
    }
}

// The inverse of load_operand.
template <int ROWS>
__device__ __forceinline__ void store_operand(Square<ROWS> m, const unsigned (&high)[4], const unsigned (&low)[4], int row,
                                              int column) {
    float *at = m.at(row, column);
#pragma unroll
    for (int e = 0; e < 4; ++e) store_pair(at + e % 2 * 8 * m.PITCH + e / 2 * 8, high[e], low[e]);
}

// d[16 x 16] += a B^T, where the rows of B are a block of `m`, of_lane's, in about twice the precision of an operand: three
// products of the parts.
template <typename E, int ROWS>
__device__ __forceinline__ void multiply_block(float (&d)[2][4], const unsigned (&high)[4], const unsigned (&low)[4],
                                               Square<ROWS> m, int row, int column) {
    unsigned x[4], rest[4];
    load_operand(x, rest, m, row, column);
#pragma unroll
    for (int n = 0; n < 2; ++n) {
        E::mma(d[n], low, x[n], x[n + 2]);
        E::mma(d[n], high, rest[n], rest[n + 2]);
        E::mma(d[n], high, x[n], x[n + 2]);
    }
}

// The same for a block that is lower triangular: the last eight columns of its first eight rows are zero.
template <typename E, int ROWS>
__device__ __forceinline__ void multiply_triangle(float (&d)[2][4], const unsigned (&high)[4], const unsigned (&low)[4],
                                                  Square<ROWS> m, int row, int column) {
    unsigned x[4], rest[4];
    load_operand(x, rest, m, row, column);
    E::mma_8(d[0], low[0], low[1], x[0]);
    E::mma_8(d[0], high[0], high[1], rest[0]);
    E::mma_8(d[0], high[0], high[1], x[0]);
    E::mma(d[1], low, x[1], x[3]);
    E::mma(d[1], high, rest[1], rest[3]);
    E::mma(d[1], high, x[1], x[3]);
}

// Accumulators of 16 x 16 as a split operand.
template <typename E>
__device__ __forceinline__ void pack_split(unsigned (&high)[4], unsigned (&low)[4], const float (&c)[2][4]) {
#pragma unroll
    for (int e = 0; e < 4; ++e) split_pair<E>(high[e], low[e], c[e / 2][e % 2 * 2], c[e / 2][e % 2 * 2 + 1]);
}

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
    // A block of 16 x 16 as operands.
    template <typename E>
    __device__ __forceinline__ void put(int row, int column, const unsigned (&upper)[4], const unsigned (&rest)[4]) const {
        const int lane = this_thread() % 32;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int r = row + lane / 4 + e % 2 * 8, c = column + lane % 4 * 2 + e / 2 * 8;
            *reinterpret_cast<unsigned *>(high.at(r, c)) = upper[e];
            *reinterpret_cast<unsigned *>(low.at(r, c)) = rest[e];
        }
    }
};

// Where the blocks of an inverse go that is wanted with decays between its rows: from row to row by what `log` says of both, which
// is cumulative. Above the diagonal are zeros, which no decay may make anything else.
template <typename TO>
struct Faded {
    TO to;
    const float *log;
    template <typename E>
    __device__ __forceinline__ void put(int row, int column, const unsigned (&high)[4], const unsigned (&low)[4]) const {
        const int lane = this_thread() % 32;
        unsigned upper[4], rest[4];
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const float here = log[row + lane / 4 + e % 2 * 8];
            const float2 from = *reinterpret_cast<const float2 *>(log + column + lane % 4 * 2 + e / 2 * 8);
            const float x = (E::low(high[e]) + E::low(low[e])) * exp2_fast(fminf(here - from.x, 0.0f));
            const float y = (E::high(high[e]) + E::high(low[e])) * exp2_fast(fminf(here - from.y, 0.0f));
            split_pair<E>(upper[e], rest[e], x, y);
        }
        to.template put<E>(row, column, upper, rest);
    }
};

// The inverse with decays.
template <typename TO>
__device__ __forceinline__ Faded<TO> faded(TO to, const float *log) {
    return Faded<TO>{to, log};
}

// The same with signs: each entry times those of its row and of its column.
template <typename TO>
struct Turned {
    TO to;
    const float *sign;
    template <typename E>
    __device__ __forceinline__ void put(int row, int column, const unsigned (&high)[4], const unsigned (&low)[4]) const {
        const int lane = this_thread() % 32;
        unsigned upper[4], rest[4];
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const float here = sign[row + lane / 4 + e % 2 * 8];
            const float2 from = *reinterpret_cast<const float2 *>(sign + column + lane % 4 * 2 + e / 2 * 8);
            const unsigned turn = (here * from.x < 0.0f ? 0x8000u : 0u) | (here * from.y < 0.0f ? 0x80000000u : 0u);
            upper[e] = high[e] ^ turn;
            rest[e] = low[e] ^ turn;
        }
        to.template put<E>(row, column, upper, rest);
    }
};

// The inverse with signs.
template <typename TO>
__device__ __forceinline__ Turned<TO> turned(TO to, const float *sign) {
    return Turned<TO>{to, sign};
}

// Where the blocks of an inverse go that is wanted twice.
template <typename A, typename B>
struct Both {
    A first;
    B second;
    template <typename E>
    __device__ __forceinline__ void put(int row, int column, const unsigned (&high)[4], const unsigned (&low)[4]) const {
        first.template put<E>(row, column, high, low);
        second.template put<E>(row, column, high, low);
    }
};

// The inverse in both places.
template <typename A, typename B>
__device__ __forceinline__ Both<A, B> both(A first, B second) {
    return Both<A, B>{first, second};
}

// Replaces the 16 x 16 block of the diagonal at `block` by the inverse of I - block: a column a lane, by forward substitution. For
// one warp.
template <int ROWS>
__device__ __forceinline__ void substitute_block(Square<ROWS> m, int block) {
    const int lane = this_thread() % 32, column = lane % 16;
    __syncwarp();
    float *const at = m.at(block, block), x[16];
#pragma unroll
    for (int r = 0; r < 16; ++r) {
        x[r] = r == column ? 1.0f : 0.0f;
#pragma unroll
        for (int k = 0; k < r; ++k) x[r] = fmaf(at[r * m.PITCH + k], x[k], x[r]);
    }
    __syncwarp();
    if (lane < 16) {
#pragma unroll
        for (int r = 0; r < 16; ++r) at[column + r * m.PITCH] = x[r];
    }
    __syncwarp();
}

// Replaces the two 8 x 8 blocks of the diagonal of the block at `block` by the inverses of I - each: a column a lane. For one warp.
template <int ROWS>
__device__ __forceinline__ void substitute_halves(Square<ROWS> m, int block) {
    const int lane = this_thread() % 32, half = lane / 8 % 2 * 8, column = lane % 8;
    __syncwarp();
    float *const at = m.at(block + half, block + half), x[8];
#pragma unroll
    for (int r = 0; r < 8; ++r) {
        x[r] = r == column ? 1.0f : 0.0f;
#pragma unroll
        for (int k = 0; k < r; ++k) x[r] = fmaf(at[r * m.PITCH + k], x[k], x[r]);
    }
    __syncwarp();
    if (lane < 16) {
#pragma unroll
        for (int r = 0; r < 8; ++r) at[column + r * m.PITCH] = x[r];
    }
    __syncwarp();
}

// The first 8 x 8 numbers of a product of 8 x 8 operands in parts, the second of which is transposed.
template <typename E>
__device__ __forceinline__ void multiply_corner(unsigned &to, unsigned &rest, unsigned a, unsigned a_rest, unsigned b, unsigned b_rest) {
    float d[4] = {};
    E::mma_8(d, a_rest, a, b);
    E::mma_8(d, a, 0u, b_rest);
    split_pair<E>(to, rest, d[0] + d[2], d[1] + d[3]);
}

// Replaces the 16 x 16 block [A 0; C B] of the diagonal at `block` by the inverse of I - block, in parts, which go into `to` too: that
// of A and of B by substitution, and (I - B)^-1 C (I - A)^-1 below. For one warp.
template <typename E, typename TO, int ROWS>
__device__ __forceinline__ void invert_block(TO to, Square<ROWS> m, int block) {
    substitute_halves(m, block);
    unsigned high[4], low[4];
    load_operand(high, low, of_lane(m), block, block);
#pragma unroll
    for (int e = 0; e < 4; ++e) split_pair<E>(high[e], low[e], __uint_as_float(high[e]), __uint_as_float(low[e]));
    // The transpose of C (I - A)^-1 is what the next product takes.
    unsigned x, rest;
    multiply_corner<E>(x, rest, transpose_8x8(high[0]), transpose_8x8(low[0]), high[1], low[1]);
    multiply_corner<E>(high[1], low[1], high[3], low[3], x, rest);
    store_operand(of_lane(m), high, low, block, block);
    to.template put<E>(block, block, high, low);
}

// The transpose of a 16 x 16 operand: its 8 x 8 matrices 1 and 2 change places.
__device__ __forceinline__ void transpose_block(unsigned (&to)[4], const unsigned (&from)[4]) {
#pragma unroll
    for (int e = 0; e < 4; ++e) to[e] = transpose_8x8(from[e % 2 * 2 + e / 2]);
}

// Puts (I - M)^-1 into a square, where the blocks of its diagonal are already: `square` holds M below its diagonal blocks and
// their inverses on it, in parts. A warp makes a block column, transposed: T_ij^T = (sum_k T_kj^T M_ik^T) T_ii^T for i > j. Each
// T_kj^T is kept there too, where it has a place above the diagonal. Blocks above the diagonal of the result are not written.
template <typename E, int WARPS, typename TO, int ROWS>
__device__ __forceinline__ void merge_blocks(TO to, Square<ROWS> square) {
    constexpr int BLOCKS = ROWS / 16;
    const Square<ROWS> m = of_lane(square);
#pragma unroll 1
    for (int j = this_thread() / 32; j < BLOCKS; j += WARPS) {
        unsigned first_high[4], first_low[4], high[4], low[4];
        load_operand(high, low, m, j * 16, j * 16);
        transpose_block(first_high, high);
        transpose_block(first_low, low);
#pragma unroll 1
        for (int i = j + 1; i < BLOCKS; ++i) {
            float sum[2][4] = {}, block[2][4] = {};
            multiply_block<E>(sum, first_high, first_low, m, i * 16, j * 16);
#pragma unroll 1
            for (int k = j + 1; k < i; ++k) {
                load_operand(high, low, m, j * 16, k * 16);
                multiply_block<E>(sum, high, low, m, i * 16, k * 16);
            }
            pack_split<E>(high, low, sum);
            multiply_triangle<E>(block, high, low, m, i * 16, i * 16);
            pack_split<E>(high, low, block);
            store_operand(m, high, low, j * 16, i * 16);
            unsigned turned_high[4], turned_low[4];
            transpose_block(turned_high, high);
            transpose_block(turned_low, low);
            to.template put<E>(i * 16, j * 16, turned_high, turned_low);
        }
    }
}

// The log2 of a decay, never below -127: a smaller one forgets everything all the same, and sums of it stay finite.
__device__ __forceinline__ float bounded_log2(float x) { return x < -127.0f ? -127.0f : x; }

// Replaces each number by the sum of those before it; `x[TOKENS]` becomes the sum of all. For one warp.
template <int TOKENS>
__device__ __forceinline__ void sum_before(float *x) {
    constexpr int EACH = (TOKENS + 31) / 32;
    const int lane = this_thread() % 32;
    float mine[EACH], sum = 0.0f;
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
        const int t = lane * EACH + e;
        mine[e] = sum;
        sum += t < TOKENS ? x[t] : 0.0f;
    }
    float all = sum;
#pragma unroll
    for (int m = 1; m < 32; m *= 2) {
        const float other = __shfl_up_sync(0xffffffffu, all, m);
        if (lane >= m) all += other;
    }
    // The sum of the lanes before, not that of all up to here less this one's: which would round by this lane's later numbers.
    const float other = __shfl_up_sync(0xffffffffu, all, 1);
    const float before = lane > 0 ? other : 0.0f;
    __syncwarp();
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
        const int t = lane * EACH + e;
        if (t < TOKENS) x[t] = before + mine[e];
    }
    if (lane == 31) x[TOKENS] = all;
    __syncwarp();
}

// Cumulative decays of rows, SLOTS a token, from what stands before each row in its token: `cumulative` gets the log2 from
// the chunk's start, `from_start` the decay, `to_end` the decay from the row to the chunk's end. For one warp.
template <int TOKENS, int SLOTS>
__device__ __forceinline__ void decay_rows(const float *before, float *cumulative, float *from_start, float *to_end) {
    const int lane = this_thread() % 32;
#pragma unroll 2
    for (int first = 0; first < TOKENS * SLOTS; first += 32) {
        const int row = first + lane;
        if (row >= TOKENS * SLOTS) continue;
        const float here = before[row / SLOTS] + cumulative[row];
        cumulative[row] = here;
        from_start[row] = exp2_fast(here);
        to_end[row] = exp2_fast(before[TOKENS] - here);
    }
}

// Signs of decays: replaces each by the product of those before it; `x[TOKENS]` becomes the product of all. For one warp.
template <int TOKENS>
__device__ __forceinline__ void signs_before(float *x) {
    const int lane = this_thread() % 32;
    float carry = 1.0f;
    for (int base = 0; base < TOKENS; base += 32) {
        const float mine = base + lane < TOKENS ? x[base + lane] : 1.0f;
        float all = mine;
#pragma unroll
        for (int m = 1; m < 32; m *= 2) {
            const float other = __shfl_up_sync(0xffffffffu, all, m);
            if (lane >= m) all *= other;
        }
        __syncwarp();
        if (base + lane < TOKENS) x[base + lane] = carry * all * mine;
        carry *= __shfl_sync(0xffffffffu, all, 31);
    }
    if (lane == 0) x[TOKENS] = carry;
    __syncwarp();
}

// Puts the signs of rows, SLOTS a token, beside their decays; see decay_rows. For one warp.
template <int TOKENS, int SLOTS>
__device__ __forceinline__ void sign_rows(const float *before, float *sign, float *from_start, float *to_end) {
    for (int row = this_thread() % 32; row < TOKENS * SLOTS; row += 32) {
        const float here = before[row / SLOTS] * sign[row];
        sign[row] = here;
        from_start[row] *= here;
        to_end[row] *= here * before[TOKENS];
    }
}

// Multiplies by the signs between each write and each read.
template <int N>
__device__ __forceinline__ void sign_between(float (&d)[N][4], const float *reads, const float *writes, int row) {
    const int lane = this_thread() % 32;
    const float upper = reads[row + lane / 4], lower = reads[row + lane / 4 + 8];
    writes += lane % 4 * 2;
#pragma unroll
    for (int n = 0; n < N; ++n) {
        const float2 at = *reinterpret_cast<const float2 *>(writes + n * 8);
        d[n][0] *= upper * at.x;
        d[n][1] *= upper * at.y;
        d[n][2] *= lower * at.x;
        d[n][3] *= lower * at.y;
    }
}
