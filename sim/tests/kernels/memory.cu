// Addresses of every sort: 64-bit indices, dynamic shared memory, local arrays, constants, vectors.

// Indices far above 2^32: each is taken apart into three coordinates and put together again.
extern "C" __global__ void index64(const int* table, long long* out, long long first, long long step, long long d1, int d2, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    long long index = first + step * i;
    long long c2 = index % d2, c1 = index / d2 % d1, c0 = index / d2 / d1;
    // An address that is far away until the last step.
    const int* far = table + index;
    int value = *(far - (index - c2));
    out[i] = (c0 * d1 + c1) * d2 + c2 == index ? c0 * 1000003 + c1 * 31 + value : -1;
}

// Reverses blocks of `words` words (more than 48 KB) through dynamic shared memory.
extern "C" __global__ void reverse(const unsigned* x, unsigned* y, int words)
{
    extern __shared__ unsigned room[];
    x += (long long)blockIdx.x * words;
    y += (long long)blockIdx.x * words;
#pragma unroll 1
    for (int i = threadIdx.x * 4; i < words; i += blockDim.x * 4) *(uint4*)(room + i) = *(const uint4*)(x + i);
    __syncthreads();
#pragma unroll 1
    for (int i = threadIdx.x; i < words; i += blockDim.x) y[i] = room[words - 1 - i];
}

// Each thread sorts 16 numbers of its own in local memory, by insertion.
extern "C" __global__ void sort16(const int* x, int* y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int list[16];
    int length = 0;
#pragma unroll 1
    for (int j = 0; j < 16; j++) {
        int value = x[i * 16 + j], at = length++;
#pragma unroll 1
        while (at > 0 && list[at - 1] > value) {
            list[at] = list[at - 1];
            at--;
        }
        list[at] = value;
    }
#pragma unroll 1
    for (int j = 0; j < 16; j++) y[i * 16 + j] = list[j];
}

__constant__ short weights[8] = {3, -1, 4, 1, -5, 9, 2, -6};
__device__ int base[4] = {1000, 2000, 3000, 4000};
__device__ int visits;

// Reads a constant table, a table of the module and vectors; counts visits in a variable of the module.
extern "C" __global__ void tables(const int4* x, longlong2* y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int4 v = __ldg(x + i);
    long long sum = (long long)v.x * weights[i % 8] + (long long)v.y * weights[(i + 3) % 8];
    y[i] = make_longlong2(sum + base[i % 4], (long long)v.z * v.w);
    atomicAdd(&visits, 1);
}

extern "C" __global__ void read_visits(int* out)
{
    out[0] = visits;
}
