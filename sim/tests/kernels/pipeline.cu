// One warp produces, two warps consume, through a ring of two buffers and named barriers: FULL + s says that buffer s may be
// read, EMPTY + s that it may be written. Whoever waits takes bar.sync, whoever only tells takes bar.arrive.

constexpr int STAGES = 2, WIDTH = 64, THREADS = 96, FULL = 1, EMPTY = 3;

__device__ void wait(int barrier)
{
    asm volatile("bar.sync %0, %1;" ::"r"(barrier), "n"(THREADS) : "memory");
}

__device__ void arrive(int barrier)
{
    asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "n"(THREADS) : "memory");
}

// y[i] = sum over rows t of (t + 1) * x[t][i]^2, for i < 64.
extern "C" __global__ void pipeline(const int* x, int* y, int rows)
{
    __shared__ int ring[STAGES][WIDTH];
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    if (warp == 0) {
#pragma unroll 1
        for (int t = 0; t < rows; t++) {
            int stage = t % STAGES;
            if (t >= STAGES) wait(EMPTY + stage);
            for (int i = lane; i < WIDTH; i += 32) {
                int value = x[t * WIDTH + i];
                ring[stage][i] = value * value;
            }
            arrive(FULL + stage);
        }
    } else {
        int column = (warp - 1) * 32 + lane, sum = 0;
#pragma unroll 1
        for (int t = 0; t < rows; t++) {
            int stage = t % STAGES;
            wait(FULL + stage);
            sum += (t + 1) * ring[stage][WIDTH - 1 - column];
            if (t + STAGES < rows) arrive(EMPTY + stage);
        }
        y[WIDTH - 1 - column] = sum;
    }
}
