// Reductions whose result every lane receives, the same in every bit. LANES neighbouring lanes share a key vector;
// the lanes that differ in `lane / LANES`, and the warps of the block, hold different value columns.

// The sum over the lanes that share a key vector.
template <int LANES>
__device__ __forceinline__ float sum_lanes(float x) {
#pragma unroll
    for (int m = 1; m < LANES; m *= 2) x += __shfl_xor_sync(0xffffffffu, x, m);
    return x;
}

// The greatest over the lanes that share a key vector.
template <int LANES>
__device__ __forceinline__ float max_lanes(float x) {
#pragma unroll
    for (int m = 1; m < LANES; m *= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, m));
    return x;
}

// The sum over the columns of the whole block. Calls alternate between two rows of `scratch`, so that one barrier is
// enough: a row is written again only after the barrier of the call between, which every reader has passed.
template <int LANES, int WARPS>
__device__ __forceinline__ float sum_block(float x, float (&scratch)[2][WARPS], int &turn) {
#pragma unroll
    for (int m = LANES; m < 32; m *= 2) x += __shfl_xor_sync(0xffffffffu, x, m);
    if (threadIdx.x % 32 == 0) scratch[turn][threadIdx.x / 32] = x;
    __syncthreads();
    x = 0.0f;
#pragma unroll
    for (int w = 0; w < WARPS; ++w) x += scratch[turn][w];
    turn ^= 1;
    return x;
}

// The greatest over the columns of the whole block; see sum_block.
template <int LANES, int WARPS>
__device__ __forceinline__ float max_block(float x, float (&scratch)[2][WARPS], int &turn) {
#pragma unroll
    for (int m = LANES; m < 32; m *= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, m));
    if (threadIdx.x % 32 == 0) scratch[turn][threadIdx.x / 32] = x;
    __syncthreads();
    x = scratch[turn][0];
#pragma unroll
    for (int w = 1; w < WARPS; ++w) x = fmaxf(x, scratch[turn][w]);
    turn ^= 1;
    return x;
}
