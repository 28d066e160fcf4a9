// Accumulators number by number, and their way to tiles, rows of float and memory, and back. Rows of values and states lie in them
// transposed. Fragments are as in tiles.cuh.

// d <- diag(c) d, of rows `row`..
template <int N>
__device__ __forceinline__ void scale_rows(float (&d)[N][4], const float *c, int row) {
    const int lane = this_thread() % 32;
    const float upper = c[row + lane / 4], lower = c[row + lane / 4 + 8];
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) d[n][e] *= e < 2 ? upper : lower;
    }
}

// d += diag(c) x, of rows `row`..
template <int N>
__device__ __forceinline__ void add_scaled_rows(float (&d)[N][4], const float (&x)[N][4], const float *c, int row) {
    const int lane = this_thread() % 32;
    const float upper = c[row + lane / 4], lower = c[row + lane / 4 + 8];
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) d[n][e] = fmaf(e < 2 ? upper : lower, x[n][e], d[n][e]);
    }
}

// Each column times a number.
template <int N>
__device__ __forceinline__ void scale_columns(float (&d)[N][4], const float *c) {
    c += this_thread() % 4 * 2;
#pragma unroll
    for (int n = 0; n < N; ++n) {
        const float2 by = *reinterpret_cast<const float2 *>(c + n * 8);
        d[n][0] *= by.x;
        d[n][1] *= by.y;
        d[n][2] *= by.x;
        d[n][3] *= by.y;
    }
}

// d = x
template <int N>
__device__ __forceinline__ void copy_to(float (&d)[N][4], const float (&x)[N][4]) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) d[n][e] = x[n][e];
    }
}

// d += x
template <int N>
__device__ __forceinline__ void add_to(float (&d)[N][4], const float (&x)[N][4]) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) d[n][e] += x[n][e];
    }
}

// All numbers times one.
template <int N>
__device__ __forceinline__ void scale_all(float (&d)[N][4], float by) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) d[n][e] *= by;
    }
}

// The transpose of 16 columns of a tile, from `column` on.
template <typename E, int N, int COLUMNS>
__device__ __forceinline__ void load_columns(float (&d)[N][4], Tile<COLUMNS> from, int column) {
    const int lane = this_thread() % 32;
    const unsigned at = shared_at(from.at(lane % 8 + lane / 16 * 8, column + lane / 8 % 2 * 8));
#pragma unroll
    for (int n = 0; n < N; n += 2) {
        unsigned x[4];
        load_transposed(x, at + n * 8 * from.PITCH);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            d[n + e / 2][e % 2 * 2] = E::low(x[e]);
            d[n + e / 2][e % 2 * 2 + 1] = E::high(x[e]);
        }
    }
}

// Adds the transpose of 16 columns of a tile.
template <typename E, int N, int COLUMNS>
__device__ __forceinline__ void add_columns(float (&d)[N][4], Tile<COLUMNS> from, int column) {
    float x[N][4];
    load_columns<E>(x, from, column);
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) d[n][e] += x[n][e];
    }
}

// The inverse of load_columns, rounded.
template <typename E, int N, int COLUMNS>
__device__ __forceinline__ void store_columns(Tile<COLUMNS> to, const float (&d)[N][4], int column) {
    const int lane = this_thread() % 32;
    char *at = to.at(lane / 4, column + lane % 4 * 2);
#pragma unroll
    for (int n = 0; n < N; ++n) {
        *reinterpret_cast<unsigned *>(at + n * 8 * to.PITCH) = transpose_8x8(E::of(d[n][0], d[n][1]));
        *reinterpret_cast<unsigned *>(at + n * 8 * to.PITCH + 16) = transpose_8x8(E::of(d[n][2], d[n][3]));
    }
}

// 16 rows of a matrix, rounded.
template <typename E, int N, int COLUMNS>
__device__ __forceinline__ void store_rows(Tile<COLUMNS> to, const float (&d)[N][4], int row) {
    const int lane = this_thread() % 32;
    char *at = to.at(row + lane / 4, lane % 4 * 2);
#pragma unroll
    for (int n = 0; n < N; ++n) {
        *reinterpret_cast<unsigned *>(at + n * 16) = E::of(d[n][0], d[n][1]);
        *reinterpret_cast<unsigned *>(at + n * 16 + 8 * to.PITCH) = E::of(d[n][2], d[n][3]);
    }
}

// Rows `slot`, `slot + SLOTS`, .. of 16 columns of a tile, to rows `step` apart in memory: those of `count` tokens, and columns
// before `left`. For one warp.
template <int TOKENS, int SLOTS, int RUN, typename T, int COLUMNS>
__device__ __forceinline__ void send_columns(T *to, i64 step, Tile<COLUMNS> from, int slot, int column, int count, int left) {
    constexpr int PIECES = 16 / RUN, ROWS = 32 / PIECES;
    const int lane = this_thread() % 32, row = lane / PIECES;
    // Of eight rows the even ones first: with two pieces each they are in different banks.
    int t = PIECES == 2 ? row / 8 * 8 + row % 4 * 2 + row / 4 % 2 : row;
    const int at = column + lane % PIECES * RUN;
    if (at >= left) count = 0;
    T *into = to + t * step + at;
    const char *row_at = from.at(t * SLOTS + slot, at);
#pragma unroll
    for (int n = 0; n < TOKENS; n += ROWS, t += ROWS, into += ROWS * step, row_at += ROWS * SLOTS * from.PITCH) {
        if (t < count) *reinterpret_cast<Run<T, RUN> *>(into) = *reinterpret_cast<const Run<T, RUN> *>(row_at);
    }
}

// 16 columns of a state, transposed, from `column` on; what is outside the state is zero.
template <int K, int V, int N>
__device__ __forceinline__ void load_state(float (&s)[N][4], const f32 *from, int column) {
    const int lane = this_thread() % 32, first = lane % 4 * 2, v = column + lane / 4;
    from += first * V + v;
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int k = n * 8 + e % 2, right = e / 2 * 8;
            const bool there = n * 8 < K && (K % 8 == 0 || first < K - k) && (V % 16 == 0 || v < V - right);
            s[n][e] = there ? from[k * V + right].wide() : 0.0f;
        }
    }
}

// 16 columns of the identity of K rows, transposed, from `column` on; see load_state.
template <int K, int N>
__device__ __forceinline__ void set_identity(float (&s)[N][4], int column) {
    const int lane = this_thread() % 32;
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int k = n * 8 + lane % 4 * 2 + e % 2;
            s[n][e] = k < K && k == column + lane / 4 + e / 2 * 8 ? 1.0f : 0.0f;
        }
    }
}

// The inverse of load_state.
template <int K, int V, int N>
__device__ __forceinline__ void store_state(f32 *to, const float (&s)[N][4], int column) {
    const int lane = this_thread() % 32, first = lane % 4 * 2, v = column + lane / 4;
    to += first * V + v;
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int k = n * 8 + e % 2, right = e / 2 * 8;
            const bool there = n * 8 < K && (K % 8 == 0 || first < K - k) && (V % 16 == 0 || v < V - right);
            if (there) to[k * V + right] = f32::of(s[n][e]);
        }
    }
}

// The transpose of accumulators as 16 columns of rows of float.
template <int N, int COLUMNS>
__device__ __forceinline__ void store_wide(Wide<COLUMNS> to, const float (&d)[N][4], int column) {
    const int lane = this_thread() % 32;
    float *const at = to.at(lane % 4 * 2, column + lane / 4);
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) at[(n * 8 + e % 2) * to.PITCH + e / 2 * 8] = d[n][e];
    }
}

// A row of float: a lane takes runs of WIDTH that lie STRIDE apart, from column `first` on.
template <int WIDTH, int STRIDE, int COLUMNS, int N>
__device__ __forceinline__ void load_wide(float (&to)[N], Wide<COLUMNS> from, int row, int first) {
#pragma unroll
    for (int r = 0; r < N / WIDTH; ++r) {
        Run<f32, WIDTH> run{};
        const int column = first + r * STRIDE;
        if (column < COLUMNS) run = *reinterpret_cast<const Run<f32, WIDTH> *>(from.at(row, column));
#pragma unroll
        for (int e = 0; e < WIDTH; ++e) to[r * WIDTH + e] = run.at[e].wide();
    }
}

// The inverse, to a row of COLUMNS numbers. Runs of four are stored in one instruction: the compiler would part some of them,
// whose numbers meet those of other lanes in a bank.
template <int WIDTH, int STRIDE, int COLUMNS, int N>
__device__ __forceinline__ void store_floats(float *to, const float (&from)[N], int first) {
#pragma unroll
    for (int r = 0; r < N / WIDTH; ++r) {
        const int column = first + r * STRIDE;
        if (column >= COLUMNS) continue;
        if constexpr (WIDTH == 4) {
            const unsigned at = shared_at(to + column);
            asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(at), "f"(from[r * 4]), "f"(from[r * 4 + 1]),
                         "f"(from[r * 4 + 2]), "f"(from[r * 4 + 3])
                         : "memory");
        } else {
            Run<f32, WIDTH> run;
#pragma unroll
            for (int e = 0; e < WIDTH; ++e) run.at[e] = f32::of(from[r * WIDTH + e]);
            *reinterpret_cast<Run<f32, WIDTH> *>(to + column) = run;
        }
    }
}

// The one column of a vector state: numbers as the first row of a fragment, the other rows zero.
template <int N>
__device__ __forceinline__ void load_numbers(float (&d)[N][4], const float *from) {
    const int lane = this_thread() % 32;
#pragma unroll
    for (int n = 0; n < N; ++n) {
        const float2 at = *reinterpret_cast<const float2 *>(from + n * 8 + lane % 4 * 2);
        d[n][0] = lane < 4 ? at.x : 0.0f;
        d[n][1] = lane < 4 ? at.y : 0.0f;
        d[n][2] = d[n][3] = 0.0f;
    }
}

// The first row of a fragment as numbers.
template <int N>
__device__ __forceinline__ void store_numbers(float *to, const float (&d)[N][4]) {
    const int lane = this_thread() % 32;
#pragma unroll
    for (int n = 0; n < N; ++n) {
        if (lane < 4) *reinterpret_cast<float2 *>(to + n * 8 + lane * 2) = make_float2(d[n][0], d[n][1]);
    }
}
