// A segmented inclusive scan of one block over any length: out[i] is the sum of values from the last head at or before i.

constexpr int WARPS = 4;

extern "C" __global__ void segmented_scan(const int* values, const unsigned char* heads, int* out, int n)
{
    __shared__ int totals[WARPS];
    __shared__ int starts[WARPS];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int carry = 0;
#pragma unroll 1
    for (int base = 0; base < n; base += WARPS * 32) {
        int i = base + threadIdx.x;
        int value = i < n ? values[i] : 0;
        int head = i < n ? heads[i] : 0;
        // Inside the warp: a value takes in what lies left of it until a head stands between.
        for (int step = 1; step < 32; step *= 2) {
            int left = __shfl_up_sync(0xffffffff, value, step);
            int left_head = __shfl_up_sync(0xffffffff, head, step);
            if (lane >= step) {
                if (!head) value += left;
                head |= left_head;
            }
        }
        if (lane == 31) {
            totals[warp] = value;
            starts[warp] = head;
        }
        __syncthreads();
        int before = carry;
        for (int other = 0; other < WARPS; other++) {
            if (other == warp) before = carry;
            carry = starts[other] ? totals[other] : carry + totals[other];
        }
        if (!head) value += before;
        if (i < n) out[i] = value;
        __syncthreads();
    }
}
