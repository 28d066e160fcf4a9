// Softmax over rows of f32: y = exp(x - max x) / sum exp(x - max x).

constexpr float LOG2_E = 1.4426950408889634f;

__device__ float exp2_approx(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

__device__ float warp_max(float x)
{
    for (int step = 16; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffff, x, step));
    return x;
}

__device__ float warp_sum(float x)
{
    for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffff, x, step);
    return x;
}

// A warp a row; shuffles alone.
extern "C" __global__ void softmax_warp(const float* x, float* y, int rows, int columns)
{
    int row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    x += (long long)row * columns;
    y += (long long)row * columns;
    float top = -__int_as_float(0x7f800000);
#pragma unroll 1
    for (int i = lane; i < columns; i += 32) top = fmaxf(top, x[i]);
    top = warp_max(top);
    float sum = 0;
#pragma unroll 1
    for (int i = lane; i < columns; i += 32) sum += exp2_approx((x[i] - top) * LOG2_E);
    sum = warp_sum(sum);
#pragma unroll 1
    for (int i = lane; i < columns; i += 32) y[i] = exp2_approx((x[i] - top) * LOG2_E) / sum;
}

// A block of up to 32 warps a row: shuffles inside each warp, shared memory between warps.
extern "C" __global__ void softmax_block(const float* x, float* y, int columns)
{
    __shared__ float maxima[32], sums[32];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    x += (long long)blockIdx.x * columns;
    y += (long long)blockIdx.x * columns;
    float top = -__int_as_float(0x7f800000);
#pragma unroll 1
    for (int i = threadIdx.x; i < columns; i += blockDim.x) top = fmaxf(top, x[i]);
    top = warp_max(top);
    if (lane == 0) maxima[warp] = top;
    __syncthreads();
    top = warp_max(maxima[lane < warps ? lane : 0]);
    float sum = 0;
#pragma unroll 1
    for (int i = threadIdx.x; i < columns; i += blockDim.x) {
        float e = exp2_approx((x[i] - top) * LOG2_E);
        y[i] = e;
        sum += e;
    }
    sum = warp_sum(sum);
    if (lane == 0) sums[warp] = sum;
    __syncthreads();
    sum = warp_sum(lane < warps ? sums[lane] : 0.0f);
#pragma unroll 1
    for (int i = threadIdx.x; i < columns; i += blockDim.x) y[i] = __fdividef(y[i], sum);
}
