// Causal softmax attention of one head, flash style: 64 queries a block, 16 a warp; keys come in tiles of 32.
//
//   o[t] = sum over s <= t of softmax(q[t] k[s] / 8) v[s],     q, k, v [T, 64] bf16, o [T, 64] f32
//
// Scores leave tensor cores in the layout in which the next product takes them in. Copies of 16 bytes for keys and of 8 for
// values; one buffer, so that a wait for all copies and two barriers a tile are what keeps it right.

constexpr int DIM = 64, KEYS = 32, THREADS = 128, ROW = DIM * 2;
constexpr float SCALE = 0.125f * 1.4426950408889634f;

__device__ unsigned shared_address(const void* pointer)
{
    return (unsigned)__cvta_generic_to_shared(pointer);
}

// Pieces of 16 bytes, permuted within a row of 128 bytes.
__device__ unsigned place(int row, int piece)
{
    return row * ROW + (piece ^ (row & 7)) * 16;
}

__device__ void load_tile(unsigned keys, unsigned values, const char* k, const char* v, int first, int length)
{
    for (int turn = 0; turn < KEYS * 8 / THREADS; turn++) {
        unsigned i = turn * THREADS + threadIdx.x, row = i / 8, piece = i % 8;
        bool inside = first + row < length;
        const char* from = k + (inside ? (long long)(first + row) * ROW + piece * 16 : 0);
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(keys + place(row, piece)), "l"(from),
                     "r"(inside ? 16 : 0) : "memory");
    }
    for (int turn = 0; turn < KEYS * 16 / THREADS; turn++) {
        unsigned i = turn * THREADS + threadIdx.x, row = i / 16, half = i % 16;
        bool inside = first + row < length;
        const char* from = v + (inside ? (long long)(first + row) * ROW + half * 8 : 0);
        asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(values + place(row, half / 2) + half % 2 * 8),
                     "l"(from), "r"(inside ? 8 : 0) : "memory");
    }
}

__device__ void multiply(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ unsigned pack(float low, float high)
{
    unsigned both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
}

__device__ float exp2_approx(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// Over the four lanes that share a row.
__device__ float quad_max(float x)
{
    x = fmaxf(x, __shfl_xor_sync(0xffffffff, x, 1));
    return fmaxf(x, __shfl_xor_sync(0xffffffff, x, 2));
}

__device__ float quad_sum(float x)
{
    x += __shfl_xor_sync(0xffffffff, x, 1);
    return x + __shfl_xor_sync(0xffffffff, x, 2);
}

extern "C" __global__ void __launch_bounds__(THREADS)
    attention(const char* q, const char* k, const char* v, float* o, int length)
{
    __shared__ __align__(128) char keys[KEYS * ROW];
    __shared__ __align__(128) char values[KEYS * ROW];
    unsigned at_keys = shared_address(keys), at_values = shared_address(values);
    unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int block_row = blockIdx.x * 64, row0 = block_row + warp * 16 + lane / 4;
    int last = min(block_row + 64, length);

    unsigned query[4][4];
    for (int step = 0; step < 4; step++)
        for (int i = 0; i < 4; i++) {
            int row = row0 + i % 2 * 8;
            query[step][i] = row < length ? *(const unsigned*)(q + (long long)row * ROW + step * 32 + i / 2 * 16 + lane % 4 * 4) : 0;
        }

    float out[8][4] = {}, top[2], sum[2] = {};
    top[0] = top[1] = -__int_as_float(0x7f800000);
#pragma unroll 1
    for (int first = 0; first < last; first += KEYS) {
        load_tile(at_keys, at_values, k, v, first, length);
        asm volatile("cp.async.wait_all;" ::: "memory");
        __syncthreads();

        float scores[4][4] = {};
        for (int block = 0; block < 4; block++)
            for (int half = 0; half < 2; half++) {
                // Four matrices: 8 keys, 32 of the head's dimensions.
                unsigned b[4];
                asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                             : "=r"(b[0]), "=r"(b[1]), "=r"(b[2]), "=r"(b[3])
                             : "r"(at_keys + place(block * 8 + lane % 8, half * 4 + lane / 8)) : "memory");
                multiply(scores[block], query[half * 2], b[0], b[1]);
                multiply(scores[block], query[half * 2 + 1], b[2], b[3]);
            }

        for (int side = 0; side < 2; side++) {
            float high = top[side];
            for (int block = 0; block < 4; block++)
                for (int e = 0; e < 2; e++) {
                    float& score = scores[block][side * 2 + e];
                    int key = first + block * 8 + lane % 4 * 2 + e;
                    score = key <= row0 + side * 8 ? score * SCALE : -__int_as_float(0x7f800000);
                    high = fmaxf(high, score);
                }
            high = quad_max(high);
            float fade = exp2_approx(top[side] - high);
            top[side] = high;
            float part = 0;
            for (int block = 0; block < 4; block++)
                for (int e = 0; e < 2; e++) {
                    float& score = scores[block][side * 2 + e];
                    score = exp2_approx(score - high);
                    part += score;
                }
            sum[side] = sum[side] * fade + quad_sum(part);
            for (int block = 0; block < 8; block++)
                for (int e = 0; e < 2; e++) out[block][side * 2 + e] *= fade;
        }

        for (int step = 0; step < 2; step++) {
            unsigned a[4] = {
                pack(scores[step * 2][0], scores[step * 2][1]),
                pack(scores[step * 2][2], scores[step * 2][3]),
                pack(scores[step * 2 + 1][0], scores[step * 2 + 1][1]),
                pack(scores[step * 2 + 1][2], scores[step * 2 + 1][3]),
            };
            for (int block = 0; block < 8; block++) {
                unsigned b[2];
                asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                             : "=r"(b[0]), "=r"(b[1]) : "r"(at_values + place(step * 16 + lane % 16, block)) : "memory");
                multiply(out[block], a, b[0], b[1]);
            }
        }
        __syncthreads();
    }

    for (int side = 0; side < 2; side++) {
        int row = row0 + side * 8;
        if (row < length)
            for (int block = 0; block < 8; block++) {
                float2 pair = make_float2(__fdividef(out[block][side * 2], sum[side]), __fdividef(out[block][side * 2 + 1], sum[side]));
                *(float2*)(o + (long long)row * DIM + block * 8 + lane % 4 * 2) = pair;
            }
    }
}
