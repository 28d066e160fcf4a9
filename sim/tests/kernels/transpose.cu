// y = x^T through a tile of 32 x 32 in shared memory, in blocks of 32 x 8 threads.

template <int PITCH>
__device__ void transpose(const float* x, float* y, int rows, int columns)
{
    __shared__ float tile[32][PITCH];
    int row = blockIdx.y * 32, column = blockIdx.x * 32;
#pragma unroll 1
    for (int i = threadIdx.y; i < 32; i += 8)
        if (row + i < rows && column + threadIdx.x < columns)
            tile[i][threadIdx.x] = x[(long long)(row + i) * columns + column + threadIdx.x];
    __syncthreads();
#pragma unroll 1
    for (int i = threadIdx.y; i < 32; i += 8)
        if (column + i < columns && row + threadIdx.x < rows)
            y[(long long)(column + i) * rows + row + threadIdx.x] = tile[threadIdx.x][i];
}

// A row of 33 words: the 32 words of a column lie in 32 banks.
extern "C" __global__ void transpose_padded(const float* x, float* y, int rows, int columns)
{
    transpose<33>(x, y, rows, columns);
}

// A row of 32 words: all words of a column lie in one bank.
extern "C" __global__ void transpose_conflicts(const float* x, float* y, int rows, int columns)
{
    transpose<32>(x, y, rows, columns);
}
