// Decays by one number a token: a chunk's cumulative ones, in log2 so that they are sums, and their signs beside them.

// The log2 of a decay, never below -127: a smaller one forgets everything all the same, and sums of it stay finite.
__device__ __forceinline__ float bounded_log2(float x) { return x < -127.0f ? -127.0f : x; }

// Replaces each number by the sum of those before it; `x[TOKENS]` becomes the sum of all. For one warp.
template <int TOKENS>
__device__ __forceinline__ void sum_before(float *x) {
    constexpr int EACH = (TOKENS + 31) / 32;
    const int lane = this_thread() % 32;
    float mine[EACH], sum = 0.0f;
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
        const int t = lane * EACH + e;
        mine[e] = sum;
        sum += t < TOKENS ? x[t] : 0.0f;
    }
    float all = sum;
#pragma unroll
    for (int m = 1; m < 32; m *= 2) {
        const float other = __shfl_up_sync(0xffffffffu, all, m);
        if (lane >= m) all += other;
    }
    // The sum of the lanes before, not that of all up to here less this one's: which would round by this lane's later numbers.
    const float other = __shfl_up_sync(0xffffffffu, all, 1);
    const float before = lane > 0 ? other : 0.0f;
    __syncwarp();
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
        const int t = lane * EACH + e;
        if (t < TOKENS) x[t] = before + mine[e];
    }
    if (lane == 31) x[TOKENS] = all;
    __syncwarp();
}

// Cumulative decays of rows, SLOTS a token, from what stands before each row in its token: `cumulative` gets the log2 from
// the chunk's start, `from_start` the decay, `to_end` the decay from the row to the chunk's end. For one warp.
template <int TOKENS, int SLOTS>
__device__ __forceinline__ void decay_rows(const float *before, float *cumulative, float *from_start, float *to_end) {
    const int lane = this_thread() % 32;
#pragma unroll 2
    for (int first = 0; first < TOKENS * SLOTS; first += 32) {
        const int row = first + lane;
        if (row >= TOKENS * SLOTS) continue;
        const float here = before[row / SLOTS] + cumulative[row];
        cumulative[row] = here;
        from_start[row] = exp2_fast(here);
        to_end[row] = exp2_fast(before[TOKENS] - here);
    }
}

// Signs of decays: replaces each by the product of those before it; `x[TOKENS]` becomes the product of all. For one warp.
template <int TOKENS>
__device__ __forceinline__ void signs_before(float *x) {
    const int lane = this_thread() % 32;
    float carry = 1.0f;
    for (int base = 0; base < TOKENS; base += 32) {
        const float mine = base + lane < TOKENS ? x[base + lane] : 1.0f;
        float all = mine;
#pragma unroll
        for (int m = 1; m < 32; m *= 2) {
            const float other = __shfl_up_sync(0xffffffffu, all, m);
            if (lane >= m) all *= other;
        }
        __syncwarp();
        if (base + lane < TOKENS) x[base + lane] = carry * all * mine;
        carry *= __shfl_sync(0xffffffffu, all, 31);
    }
    if (lane == 0) x[TOKENS] = carry;
    __syncwarp();
}

// Puts the signs of rows, SLOTS a token, beside their decays; see decay_rows. For one warp.
template <int TOKENS, int SLOTS>
__device__ __forceinline__ void sign_rows(const float *before, float *sign, float *from_start, float *to_end) {
    for (int row = this_thread() % 32; row < TOKENS * SLOTS; row += 32) {
        const float here = before[row / SLOTS] * sign[row];
        sign[row] = here;
        from_start[row] *= here;
        to_end[row] *= here * before[TOKENS];
    }
}

// Multiplies by the signs between each write and each read.
template <int N>
__device__ __forceinline__ void sign_between(float (&d)[N][4], const float *reads, const float *writes, int row) {
    const int lane = this_thread() % 32;
    const float upper = reads[row + lane / 4], lower = reads[row + lane / 4 + 8];
    writes += lane % 4 * 2;
#pragma unroll
    for (int n = 0; n < N; ++n) {
        const float2 at = *reinterpret_cast<const float2 *>(writes + n * 8);
        d[n][0] *= upper * at.x;
        d[n][1] *= upper * at.y;
        d[n][2] *= lower * at.x;
        d[n][3] *= lower * at.y;
    }
}
