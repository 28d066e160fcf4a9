// What lanes of a warp, and warps of a block, tell each other without memory.

// For each warp 12 words: sums and extremes by redux, votes, and what matching lanes say.
extern "C" __global__ void collectives(const int* data, unsigned* out)
{
    unsigned all = 0xffffffff;
    int lane = threadIdx.x % 32, warp = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
    int x = data[blockIdx.x * blockDim.x + threadIdx.x];
    int same = 0;
    unsigned words[12];
    words[0] = __reduce_add_sync(all, x);
    words[1] = __reduce_min_sync(all, x);
    words[2] = __reduce_max_sync(all, x);
    words[3] = __reduce_and_sync(all, (unsigned)x);
    words[4] = __reduce_or_sync(all, (unsigned)x);
    words[5] = __reduce_xor_sync(all, (unsigned)x);
    words[6] = __ballot_sync(all, x > 0);
    words[7] = __any_sync(all, x % 7 == 3) + 2 * __all_sync(all, x != 5);
    // How many lanes hold what this one holds; then the largest crowd.
    words[8] = __reduce_max_sync(all, __popc(__match_any_sync(all, x)));
    words[9] = __match_all_sync(all, x / 1000, &same) + 2 * same;
    // A rotation, a broadcast and a read from a segment of 8 lanes.
    int turned = __shfl_sync(all, x, lane + 5);
    int down = __shfl_down_sync(all, turned, 3, 8);
    words[10] = __reduce_add_sync(all, turned * (lane + 1));
    words[11] = __reduce_add_sync(all, (down ^ __shfl_sync(all, x, 7)) * (lane + 1));
    if (lane < 12) {
        // Lane i writes word i.
        unsigned mine = 0;
        for (int i = 0; i < 12; i++)
            if (lane == i) mine = words[i];
        out[warp * 12 + lane] = mine;
    }
}

// Half a warp at a time: member masks that are not full, and __syncwarp around an exchange through shared memory.
extern "C" __global__ void halves(const int* data, int* out)
{
    __shared__ int box[64];
    int lane = threadIdx.x % 32, i = blockIdx.x * blockDim.x + threadIdx.x;
    int x = data[i];
    int* mine = box + threadIdx.x / 32 * 32;
    int result;
    if (lane < 16) {
        result = __reduce_add_sync(0x0000ffff, x);
        mine[lane] = result + x;
        __syncwarp(0x0000ffff);
        result = mine[15 - lane];
    } else {
        result = __shfl_xor_sync(0xffff0000, x, 9) * 3;
        mine[lane] = result;
        __syncwarp(0xffff0000);
        result -= mine[16 + (lane + 1) % 16];
    }
    __syncwarp();
    mine[lane] = result;
    __syncwarp();
    out[i] = mine[(lane + 13) % 32];
}

// What a block says: counts and votes by bar.red.
extern "C" __global__ void block_votes(const int* data, int* out)
{
    int x = data[blockIdx.x * blockDim.x + threadIdx.x];
    int positive = __syncthreads_count(x > 0);
    int any = __syncthreads_or(x == 17);
    int all = __syncthreads_and(x > -900);
    if (threadIdx.x == 0) {
        out[blockIdx.x * 3] = positive;
        out[blockIdx.x * 3 + 1] = any != 0;
        out[blockIdx.x * 3 + 2] = all != 0;
    }
}
