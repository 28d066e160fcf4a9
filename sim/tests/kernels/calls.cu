// Functions that are called, not inlined: values, structures, pointers into every space, calls in calls.

struct Pair {
    float sum;
    int count;
};

__device__ __noinline__ Pair add(Pair pair, float value)
{
    return {pair.sum + value, pair.count + 1};
}

// A pointer whose space the callee does not know.
__device__ __noinline__ float dot(const float* a, const float* b, int n)
{
    float sum = 0;
#pragma unroll 1
    for (int i = 0; i < n; i++) sum = fmaf(a[i], b[i], sum);
    return sum;
}

__device__ __noinline__ void swap(int* a, int* b)
{
    int t = *a;
    *a = *b;
    *b = t;
}

__device__ __noinline__ int power(int base, int exponent)
{
    int result = 1;
#pragma unroll 1
    for (; exponent > 0; exponent--) result *= base;
    return result;
}

// A call in a call.
__device__ __noinline__ int ordered_power(int a, int b)
{
    if (a > b) swap(&a, &b);
    return power(a + 2, b);
}

// out[i]: the dot product of 8 numbers in shared with 8 in local memory, plus those of global memory; divergent calls.
extern "C" __global__ void calls(const float* x, float* out, int* powers, int n)
{
    __shared__ float weights[8];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (threadIdx.x < 8) weights[threadIdx.x] = x[threadIdx.x] * 0.5f;
    __syncthreads();
    if (i >= n) return;
    float mine[8];
    for (int j = 0; j < 8; j++) mine[j] = x[i * 8 + j] + j;
    Pair pair = {0, 0};
    pair = add(pair, dot(mine, weights, 8));
    if (i % 3 == 1) pair = add(pair, dot(x + i * 8, mine, 8 - i % 2));
    out[i] = pair.sum * pair.count;
    powers[i] = ordered_power(i % 5, i % 7);
}
