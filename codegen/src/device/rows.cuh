// Vectors in registers. A lane holds a vector as runs of WIDTH neighbours that lie STRIDE numbers apart; one load or
// store moves a run. Sizes that leave padding use the `_edge` functions: `left` is how many numbers follow this lane's
// first, itself included, and a run that begins at or after it is not touched in memory.

// Where an input lies, in numbers: how far apart the sequences of a dense batch, tokens, the entries of an array and heads
// are, and how many state heads share a head of it.
struct Strides {
    i64 batch, token, entry, head;
    unsigned group;
    __device__ __forceinline__ i64 first(i64 sequence, i64 at, unsigned state_head) const {
        return sequence * batch + at * token + i64(state_head / group) * head;
    }
};

// A run of numbers as it lies in memory, moved 16 bytes at a time where it has more.
template <typename T, int WIDTH>
struct alignas(sizeof(T) * (WIDTH * sizeof(T) < 16 ? WIDTH : 16 / sizeof(T))) Run {
    T at[WIDTH];
};

// Starts the loads of a vector.
template <int STRIDE, typename T, int WIDTH, int COUNT>
__device__ __forceinline__ void fetch(Run<T, WIDTH> (&to)[COUNT], const T *from) {
#pragma unroll
    for (int r = 0; r < COUNT; ++r) to[r] = *reinterpret_cast<const Run<T, WIDTH> *>(from + r * STRIDE);
}

// Starts the loads of a vector; padding is zero.
template <int STRIDE, typename T, int WIDTH, int COUNT>
__device__ __forceinline__ void fetch_edge(Run<T, WIDTH> (&to)[COUNT], const T *from, int left) {
#pragma unroll
    for (int r = 0; r < COUNT; ++r) {
        to[r] = r * STRIDE < left ? *reinterpret_cast<const Run<T, WIDTH> *>(from + r * STRIDE) : Run<T, WIDTH>{};
    }
}

// Fetched runs as numbers to compute with.
template <typename T, int WIDTH, int COUNT, int N>
__device__ __forceinline__ void widen(float (&to)[N], const Run<T, WIDTH> (&from)[COUNT]) {
    static_assert(N == WIDTH * COUNT, "a run is whole");
#pragma unroll
    for (int r = 0; r < N; ++r) to[r] = from[r / WIDTH].at[r % WIDTH].wide();
}

// Loads a vector.
template <int WIDTH, int STRIDE, typename T, int N>
__device__ __forceinline__ void load(float (&to)[N], const T *from) {
    Run<T, WIDTH> runs[N / WIDTH];
    fetch<STRIDE>(runs, from);
    widen(to, runs);
}

// Loads a vector; padding is zero.
template <int WIDTH, int STRIDE, typename T, int N>
__device__ __forceinline__ void load_edge(float (&to)[N], const T *from, int left) {
    Run<T, WIDTH> runs[N / WIDTH];
    fetch_edge<STRIDE>(runs, from, left);
    widen(to, runs);
}

// Stores a vector.
template <int WIDTH, int STRIDE, typename T, int N>
__device__ __forceinline__ void store(T *to, const float (&from)[N]) {
#pragma unroll
    for (int r = 0; r < N / WIDTH; ++r) {
        Run<T, WIDTH> run;
#pragma unroll
        for (int e = 0; e < WIDTH; ++e) run.at[e] = T::of(from[r * WIDTH + e]);
        *reinterpret_cast<Run<T, WIDTH> *>(to + r * STRIDE) = run;
    }
}

// Stores a vector without its padding.
template <int WIDTH, int STRIDE, typename T, int N>
__device__ __forceinline__ void store_edge(T *to, const float (&from)[N], int left) {
#pragma unroll
    for (int r = 0; r < N / WIDTH; ++r) {
        Run<T, WIDTH> run;
#pragma unroll
        for (int e = 0; e < WIDTH; ++e) run.at[e] = T::of(from[r * WIDTH + e]);
        if (r * STRIDE < left) *reinterpret_cast<Run<T, WIDTH> *>(to + r * STRIDE) = run;
    }
}

// Clears what a computation left in the padding; only registers from FIRST on can be padding.
template <int WIDTH, int STRIDE, int FIRST, int N>
__device__ __forceinline__ void clear_padding(float (&x)[N], int left) {
#pragma unroll
    for (int r = FIRST; r < N; ++r) {
        if (r / WIDTH * STRIDE >= left) x[r] = 0.0f;
    }
}
