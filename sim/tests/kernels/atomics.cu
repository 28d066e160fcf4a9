// Atomics on shared and on global memory.

constexpr int BINS = 64;

// Counts of bytes modulo 64: in shared memory by block, then added to the grid's.
extern "C" __global__ void histogram(const unsigned char* data, unsigned* bins, int n)
{
    __shared__ unsigned mine[BINS];
#pragma unroll 1
    for (int i = threadIdx.x; i < BINS; i += blockDim.x) mine[i] = 0;
    __syncthreads();
#pragma unroll 1
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        atomicAdd(&mine[data[i] % BINS], 1u);
    __syncthreads();
#pragma unroll 1
    for (int i = threadIdx.x; i < BINS; i += blockDim.x)
        if (mine[i]) atomicAdd(&bins[i], mine[i]);
}

// What each of the other atomics leaves behind, whatever the order: 64 bits a slot.
//   0 min, 1 max, 2 or, 3 xor, 4 and, 5 sum by compare and swap, 6 sum in f32 (of small integers), 7 tickets taken modulo 11,
//   8 sum in 64 bits, 9 the sum of all that exchanges handed on.
extern "C" __global__ void extremes(const int* data, unsigned long long* slots, int n)
{
    __shared__ int chain;
    if (threadIdx.x == 0) chain = 0;
    __syncthreads();
#pragma unroll 1
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        int x = data[i];
        atomicMin((int*)&slots[0], x);
        atomicMax((int*)&slots[1], x);
        atomicOr((unsigned*)&slots[2], (unsigned)x);
        atomicXor((unsigned*)&slots[3], (unsigned)x);
        atomicAnd((unsigned*)&slots[4], (unsigned)x);
        unsigned long long seen = 0, next;
        do {
            next = seen;
            seen = atomicCAS(&slots[5], next, next + (unsigned long long)(long long)x);
        } while (seen != next);
        atomicAdd((float*)&slots[6], (float)(x & 15));
        atomicInc((unsigned*)&slots[7], 10);
        atomicAdd(&slots[8], (unsigned long long)(long long)x << 20);
        // Each value stays in the chain until the next one comes.
        int old = atomicExch(&chain, x);
        atomicAdd(&slots[9], (unsigned long long)(long long)old);
    }
    __syncthreads();
    if (threadIdx.x == 0) atomicAdd(&slots[9], (unsigned long long)(long long)chain);
}

// The sum of n integers in one launch: each block leaves its part in memory, and the last one to finish adds the parts up.
extern "C" __global__ void last_block(const int* data, volatile int* parts, unsigned* ticket, int* sum, int n)
{
    __shared__ bool last;
    int mine = 0;
#pragma unroll 1
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) mine += data[i];
    mine = __reduce_add_sync(0xffffffff, mine);
    if (threadIdx.x % 32 == 0) parts[blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32] = mine;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) last = atomicAdd(ticket, 1u) == gridDim.x - 1;
    __syncthreads();
    if (!last) return;
    __threadfence();
    int total = 0;
#pragma unroll 1
    for (int i = threadIdx.x; i < gridDim.x * (blockDim.x / 32); i += blockDim.x) total += parts[i];
    total = __reduce_add_sync(0xffffffff, total);
    if (threadIdx.x % 32 == 0) atomicAdd(sum, total);
}
