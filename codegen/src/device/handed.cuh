// What crosses from one kernel to another through the workspace, in pieces of 16 bytes.

// Whether a piece of a row crosses: all do, or, of a matrix that is lower triangular by tokens, READS rows and WRITES columns a
// token, those of the blocks that it has; a block's row has GROUP bytes. Odd rows of a Fine square, whose rows of float lie side by
// side, have groups exchanged.
template <int BYTES, int PITCH, int READS, int WRITES, int GROUP>
__device__ __forceinline__ bool crosses(int row, int at) {
    if constexpr (READS == 0) {
        return true;
    } else {
        const int block = GROUP == 64 && PITCH == BYTES && BYTES % 128 == 0 ? at / GROUP ^ (row & 1) : at / GROUP;
        return block < blocks_before<READS, WRITES>(row / 16);
    }
}

// Starts copying ROWS rows of BYTES bytes to shared memory, where they lie PITCH bytes apart. In the workspace they lie `step`
// bytes apart and have `left` bytes; the rest becomes zero.
template <int ROWS, int BYTES, int PITCH, int READS, int WRITES, int GROUP, int THREADS>
__device__ __forceinline__ void fetch_rows(char *to, const char *from, int step, int left) {
    constexpr int SIZE = BYTES % 16 == 0 ? 16 : 4, PIECES = BYTES / SIZE;
#pragma unroll 4
    for (int piece = this_thread(); piece < ROWS * PIECES; piece += THREADS) {
        const int row = piece / PIECES, at = piece % PIECES * SIZE;
        if (!crosses<BYTES, PITCH, READS, WRITES, GROUP>(row, at)) continue;
        copy_async<SIZE>(to + row * PITCH + at, at < left ? from + row * step + at : from, at < left);
    }
}

// Copies rows from shared memory to the workspace; see fetch_rows.
template <int ROWS, int BYTES, int PITCH, int READS, int WRITES, int GROUP, int THREADS>
__device__ __forceinline__ void send_rows(char *to, int step, const char *from) {
    constexpr int SIZE = BYTES % 16 == 0 ? 16 : 4, PIECES = BYTES / SIZE;
#pragma unroll 4
    for (int piece = this_thread(); piece < ROWS * PIECES; piece += THREADS) {
        const int row = piece / PIECES, at = piece % PIECES * SIZE;
        if (!crosses<BYTES, PITCH, READS, WRITES, GROUP>(row, at)) continue;
        char *const there = to + row * step + at;
        const char *const here = from + row * PITCH + at;
        if constexpr (SIZE == 16) {
            *reinterpret_cast<uint4 *>(there) = *reinterpret_cast<const uint4 *>(here);
        } else {
            *reinterpret_cast<unsigned *>(there) = *reinterpret_cast<const unsigned *>(here);
        }
    }
}

// An operand of a warp, as it lies in its registers.
template <int K>
__device__ __forceinline__ void give_operand(char *to, const unsigned (&a)[K][4]) {
    uint4 *const at = reinterpret_cast<uint4 *>(to) + this_thread() % 32;
#pragma unroll
    for (int k = 0; k < K; ++k) at[k * 32] = make_uint4(a[k][0], a[k][1], a[k][2], a[k][3]);
}

// Fragment `k` of an operand; see give_operand.
__device__ __forceinline__ void give_fragment(char *to, int k, const unsigned (&a)[4]) {
    reinterpret_cast<uint4 *>(to)[k * 32 + this_thread() % 32] = make_uint4(a[0], a[1], a[2], a[3]);
}

// The inverse of give_operand.
template <int K>
__device__ __forceinline__ void take_operand(unsigned (&a)[K][4], const char *from) {
    const uint4 *const at = reinterpret_cast<const uint4 *>(from) + this_thread() % 32;
#pragma unroll
    for (int k = 0; k < K; ++k) {
        const uint4 x = at[k * 32];
        a[k][0] = x.x;
        a[k][1] = x.y;
        a[k][2] = x.z;
        a[k][3] = x.w;
    }
}

// Accumulators of a warp, as they lie in its registers.
template <int N>
__device__ __forceinline__ void give_rows(char *to, const float (&d)[N][4]) {
    float4 *const at = reinterpret_cast<float4 *>(to) + this_thread() % 32;
#pragma unroll
    for (int n = 0; n < N; ++n) at[n * 32] = make_float4(d[n][0], d[n][1], d[n][2], d[n][3]);
}

// The inverse of give_rows.
template <int N>
__device__ __forceinline__ void take_rows(float (&d)[N][4], const char *from) {
    const float4 *const at = reinterpret_cast<const float4 *>(from) + this_thread() % 32;
#pragma unroll
    for (int n = 0; n < N; ++n) {
        const float4 x = at[n * 32];
        d[n][0] = x.x;
        d[n][1] = x.y;
        d[n][2] = x.z;
        d[n][3] = x.w;
    }
}
