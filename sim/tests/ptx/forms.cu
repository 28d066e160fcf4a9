// What compilers write around ordinary code: every form of PTX that the parser has to know, as NVRTC emits it.
// forms.ptx was made of it by NVRTC 13.5 with --gpu-architecture=compute_90a -lineinfo --std=c++17, forms_debug.ptx with -G
// in the place of -lineinfo.

extern "C" __device__ int printf(const char *, ...);

__constant__ float table[2][3] = {{1.0f, -2.5f, 3e-8f}, {4.0f, 5.0f}};
__constant__ unsigned char bytes[5] = {1, 2, 0xff};
__device__ double accumulated = -0.5;
__device__ unsigned long long counters[4];
__device__ short small_numbers[3] = {-1, 2, -32768};

struct alignas(64) Map {
    char bytes[128];
};

struct Pair {
    float first;
    int second;
};

// A function with a struct in and out, which stays a call.
__device__ __noinline__ Pair turned(Pair pair, float by) {
    pair.first *= by;
    pair.second += __float2int_rn(by);
    return pair;
}

typedef float (*Unary)(float);
__device__ __noinline__ float halved(float x) { return x * 0.5f; }
__device__ __noinline__ float doubled(float x) { return x + x; }

// An indirect call: a prototype, and the address of a function.
extern "C" __global__ void indirect(float *out, int which) {
    Unary f = which ? halved : doubled;
    out[threadIdx.x] = f(out[threadIdx.x]);
}

// A switch, which becomes a table of branch targets.
extern "C" __global__ void selected(float *out, const int *kinds) {
    float x = out[threadIdx.x];
    switch (kinds[threadIdx.x]) {
    case 0: x = sinf(x); break;
    case 1: x = x * x + 1.0f; break;
    case 2: x = sqrtf(x); break;
    case 3: x = 1.0f / x; break;
    case 4: x = exp2f(x); break;
    case 5: x = fabsf(x) - 3.0f; break;
    case 6: x = table[threadIdx.y][threadIdx.x % 3]; break;
    case 7: x = __log2f(x); break;
    default: printf("kind %d\n", kinds[threadIdx.x]);
    }
    out[threadIdx.x] = x;
}

// Inline assembly with scopes that reuse names, sinks, pairs, and a label of its own.
extern "C" __global__ void __launch_bounds__(128, 2) assembled(unsigned *out) {
    __shared__ alignas(128) unsigned buffer[64];
    extern __shared__ unsigned dynamic[];
    unsigned x = threadIdx.x;
    for (int i = 0; i < 2; ++i) {
        unsigned y;
        asm volatile("{\n\t.reg .pred p;\n\t.reg .b32 t, u<2>;\n\t"
                     "setp.ne.b32 p|_, %1, 0;\n\t"
                     "mov.b32 t, 7; mov.b32 u1, t;;\n\t"
                     "@!p bra skip;\n\tadd.u32 t, t, u1;\n\tskip:\n\t"
                     "{ .reg .b64 t; cvt.u64.u32 t, %1; cvt.u32.u64 %0, t; }\n\t"
                     "add.u32 %0, %0, t;\n\t}"
                     : "=r"(y)
                     : "r"(x));
        x += y;
    }
    unsigned elected;
    asm volatile("{ .reg .pred p; elect.sync _|p, 0xffffffff; selp.b32 %0, 1, 0, p; }" : "=r"(elected));
    buffer[threadIdx.x % 64] = x + elected;
    dynamic[threadIdx.x] = buffer[(threadIdx.x + 1) % 64] + bytes[x % 5] + small_numbers[x % 3];
    __syncthreads();
    atomicAdd(&counters[x % 4], (unsigned long long)dynamic[threadIdx.x ^ 1]);
    out[threadIdx.x] = __shfl_xor_sync(~0u, dynamic[threadIdx.x], 1);
    if (threadIdx.x == 0)
        accumulated += x;
}

// A tensor map: coordinates within an address.
extern "C" __global__ void copied(const __grid_constant__ Map map, int x, int y) {
    __shared__ alignas(128) char tile[1024];
    __shared__ alignas(8) unsigned long long barrier;
    unsigned to = (unsigned)__cvta_generic_to_shared(tile), at = (unsigned)__cvta_generic_to_shared(&barrier);
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(at));
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint "
                 "[%0], [%1, {%2, %3}], [%4], 0x14F0000000000000;" ::"r"(to), "l"((unsigned long long)&map), "r"(x), "r"(y), "r"(at)
                 : "memory");
    asm volatile("wgmma.fence.sync.aligned;");
}

// An array that is indexed by a variable lives in local memory.
extern "C" __global__ void spread(int *out, int n) {
    int local[16];
    for (int i = 0; i < n; ++i)
        local[(i * 7) & 15] = out[i];
    Pair pair = turned({(float)local[n & 15], n}, 1.5f);
    out[0] = pair.second + (int)pair.first + local[(n + 1) & 15];
    if (n < 0)
        __trap();
}
