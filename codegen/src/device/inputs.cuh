// A chunk's inputs on their way to tiles (cp.async), and rows of tiles as each token's lanes take and leave them.

// Starts a copy of SIZE bytes (4, 8 or 16) to shared memory; without `there`, zeros are written and nothing is read.
template <int SIZE>
__device__ __forceinline__ void copy_async(char *to, const void *from, bool there) {
    const unsigned at = shared_at(to);
    const int bytes = there ? SIZE : 0;
    if (SIZE == 16) {
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(bytes) : "memory");
    } else {
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(at), "l"(from), "n"(SIZE), "r"(bytes)
                     : "memory");
    }
}

// Closes the group of the copies started since the last one.
__device__ __forceinline__ void close_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most PENDING of this thread's groups are unfinished.
template <int PENDING>
__device__ __forceinline__ void wait_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

// Starts copying the rows of `count` tokens from `first` on, SLOTS a token, into a tile of TOKENS tokens, in pieces of RUN
// numbers. The rest of the tile becomes zero: rows of later tokens, columns from `left` on. Token rows lie `step` numbers apart,
// slots `entry`. A group of LANES lanes copies the tokens that it computes with afterwards; WARPS warps copy, of which FIRST is
// the first thread. Nothing waits for a copy, so loops stay loops: unrolled, copies would be much of a kernel's text.
template <int TOKENS, int SLOTS, int RUN, int LANES, int WARPS, int FIRST = 0, int COLUMNS, typename T>
__device__ __forceinline__ void fetch_tile(Tile<COLUMNS> to, const T *from, i64 first, i64 step, i64 entry, int count, int left) {
    constexpr int GROUPS = WARPS * (32 / LANES);
    const int thread = this_thread() - FIRST, group = thread / LANES, member = thread % LANES * RUN;
    const T *row = from + (first + group) * step + member;
    char *into = to.at(group * SLOTS, member);
#pragma unroll 1
    for (int t = group; t < TOKENS; t += GROUPS, row += GROUPS * step, into += (GROUPS - 1) * SLOTS * to.PITCH) {
        const T *at = row;
#pragma unroll 1
        for (int slot = 0; slot < SLOTS; ++slot, at += entry, into += to.PITCH) {
#pragma unroll
            for (int column = 0; column < COLUMNS; column += LANES * RUN) {
                if (column + member >= COLUMNS) continue;
                const bool there = t < count && column + member < left;
                if constexpr (RUN == 1) {
                    reinterpret_cast<T *>(into)[column] = there ? at[column] : T{0};
                } else {
                    copy_async<RUN * sizeof(T)>(into + column * sizeof(T), there ? at + column : from, there);
                }
            }
        }
    }
}

// Starts copying a scalar of `count` tokens from `first` on, SLOTS a token; the rest becomes zero. Each token's are copied by
// the first lanes of its group; groups of one lane are the tokens of one warp.
template <int TOKENS, int SLOTS, int LANES, int WARPS, int FIRST = 0>
__device__ __forceinline__ void fetch_numbers(float *to, const f32 *from, i64 first, i64 step, i64 entry, int count) {
    constexpr int GROUPS = WARPS * (32 / LANES);
    const int thread = this_thread() - FIRST, group = LANES == 1 ? thread % 32 : thread / LANES, member = thread % LANES;
#pragma unroll
    for (int slot = member; slot < SLOTS; slot += LANES) {
        const f32 *at = from + (first + group) * step + slot * entry;
#pragma unroll 1
        for (int t = group; t < TOKENS; t += GROUPS, at += GROUPS * step) {
            copy_async<4>(reinterpret_cast<char *>(to + t * SLOTS + slot), t < count ? at : from, t < count);
        }
    }
}

// Two neighbours of a row: what is left of them beside two parts.
template <typename E, int COLUMNS>
__device__ __forceinline__ void store_last(Tile<COLUMNS> to, int row, int column, float2 x, unsigned high, unsigned low) {
    x.x -= E::low(high);
    x.y -= E::high(high);
    *reinterpret_cast<unsigned *>(to.at(row, column)) = E::of(x.x - E::low(low), x.y - E::high(low));
}

// Copies the rows of `count` tokens of f32 from `first` on into two tiles, the rounded numbers and what rounding lost, and what
// rounding that lost into a third one, where there is one; see fetch_tile. What loads return is waited for, so those of a row are started together.
template <typename E, int TOKENS, int SLOTS, int RUN, int LANES, int WARPS, int COLUMNS, typename... LAST>
__device__ __forceinline__ void fetch_split(Tile<COLUMNS> high, Tile<COLUMNS> low, const f32 *from, i64 first, i64 step,
                                            i64 entry, int count, int left, const LAST &...last) {
    constexpr int EACH = (COLUMNS + LANES * 2 - 1) / (LANES * 2);
    const int thread = this_thread(), member = thread % LANES * 2;
#pragma unroll 1
    for (int t = thread / LANES; t < TOKENS; t += WARPS * (32 / LANES)) {
#pragma unroll 1
        for (int slot = 0; slot < SLOTS; ++slot) {
            const f32 *at = from + (first + t) * step + slot * entry;
            float2 x[EACH];
#pragma unroll
            for (int i = 0; i < EACH; ++i) {
                const int column = member + i * LANES * 2;
                x[i] = make_float2(0.0f, 0.0f);
                if (t >= count || column >= COLUMNS) continue;
                if (RUN > 1 && column < left) x[i] = *reinterpret_cast<const float2 *>(at + column);
                if (RUN == 1 && column < left) x[i].x = at[column].wide();
                if (RUN == 1 && column + 1 < left) x[i].y = at[column + 1].wide();
            }
#pragma unroll
            for (int i = 0; i < EACH; ++i) {
                const int column = member + i * LANES * 2;
                if (column >= COLUMNS) continue;
                unsigned rounded, rest;
                split_pair<E>(rounded, rest, x[i].x, x[i].y);
                *reinterpret_cast<unsigned *>(high.at(t * SLOTS + slot, column)) = rounded;
                *reinterpret_cast<unsigned *>(low.at(t * SLOTS + slot, column)) = rest;
                (store_last<E>(last, t * SLOTS + slot, column, x[i], rounded, rest), ...);
            }
        }
    }
}

// Zeros in every column of ROWS rows.
template <int ROWS, int THREADS, int COLUMNS>
__device__ __forceinline__ void clear_tile(Tile<COLUMNS> to) {
#pragma unroll 1
    for (int piece = this_thread(); piece < ROWS * COLUMNS / 8; piece += THREADS) {
        *reinterpret_cast<uint4 *>(to.at(piece / (COLUMNS / 8), piece % (COLUMNS / 8) * 8)) = make_uint4(0, 0, 0, 0);
    }
}

// A row of a tile as numbers: a lane takes runs of WIDTH that lie STRIDE apart, from column `first` on. Two neighbours come in a
// register, and each out of it by one instruction.
template <int WIDTH, int STRIDE, typename E, int COLUMNS, int N>
__device__ __forceinline__ void load_row(float (&to)[N], Tile<COLUMNS> from, int row, int first) {
#pragma unroll
    for (int r = 0; r < N / WIDTH; ++r) {
        const char *at = from.at(row, first + r * STRIDE);
        const bool inside = first + r * STRIDE < COLUMNS;
        if constexpr (WIDTH == 1) {
            to[r] = inside ? reinterpret_cast<const typename E::number *>(at)->wide() : 0.0f;
        } else {
            Run<unsigned, WIDTH / 2> pairs{};
            if (inside) pairs = *reinterpret_cast<const Run<unsigned, WIDTH / 2> *>(at);
#pragma unroll
            for (int e = 0; e < WIDTH / 2; ++e) {
                to[r * WIDTH + 2 * e] = E::low(pairs.at[e]);
                to[r * WIDTH + 2 * e + 1] = E::high(pairs.at[e]);
            }
        }
    }
}

// Adds a row of a tile; see load_row.
template <int WIDTH, int STRIDE, typename E, int COLUMNS, int N>
__device__ __forceinline__ void add_row(float (&to)[N], Tile<COLUMNS> from, int row, int first) {
    float x[N];
    load_row<WIDTH, STRIDE, E>(x, from, row, first);
#pragma unroll
    for (int i = 0; i < N; ++i) to[i] += x[i];
}

// What rounding loses of numbers.
template <typename T, int N>
__device__ __forceinline__ void subtract_rounded_row(float (&x)[N]) {
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] -= T::of(x[i]).wide();
}

// Numbers as a row of a tile, or zeros where there is no such token; see load_row.
template <int WIDTH, int STRIDE, typename T, int COLUMNS, int N>
__device__ __forceinline__ void store_row(Tile<COLUMNS> to, const float (&from)[N], int row, int first, bool there) {
#pragma unroll
    for (int r = 0; r < N / WIDTH; ++r) {
        Run<T, WIDTH> run;
#pragma unroll
        for (int e = 0; e < WIDTH; ++e) run.at[e] = T::of(there ? from[r * WIDTH + e] : 0.0f);
        if (first + r * STRIDE < COLUMNS) *reinterpret_cast<Run<T, WIDTH> *>(to.at(row, first + r * STRIDE)) = run;
    }
}
