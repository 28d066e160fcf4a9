// Matrix products on tensor cores: C = A B in f32, tiles of 64 x 64, four warps of 32 x 32 each, two buffers filled by
// cp.async. Sizes need not be multiples of the tile: what lies outside is filled with zeros by the copies' source size, and
// stores are guarded. Rows of a matrix start at multiples of 16 bytes (`pitch`, in bytes).
//
//   kernel          A            B            operand through .trans
//   gemm_bf16       [M, K] bf16  [K, N] bf16  B
//   gemm_f16        [K, M] f16   [N, K] f16   A
//   gemm_f16_small  [M, K] f16   [K, N] f16   B; accumulators and C in f16
//   gemm_tf32       [M, K] f32   [N, K] f32   none
//   gemm_conflicts  as gemm_bf16, with no swizzle: the same result, with bank conflicts
//
// A tile's rows are cut into pieces of 16 bytes. The swizzle permutes the pieces of a row so that 8 rows of one column of
// pieces, which is what one 8x8 matrix of ldmatrix reads, lie in 8 different groups of 4 banks.

constexpr int THREADS = 128;

enum Element { BF16, F16, F16_SMALL, TF32 };

// Whether a matrix lies with the product's shared dimension k along its rows.
enum Order { ALONG_K, ACROSS_K };

__device__ unsigned shared_address(const void* pointer)
{
    return (unsigned)__cvta_generic_to_shared(pointer);
}

// Starts a copy of 16 bytes; the last 16 - `bytes` of them become zero.
__device__ void copy(unsigned to, const char* from, int bytes)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}

__device__ void commit()
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

// Waits for all groups of copies but the latest one.
__device__ void wait_for_all_but_one()
{
    asm volatile("cp.async.wait_group 1;" ::: "memory");
}

// Where the 16-byte piece `piece` of row `row` lies in a tile.
template <int ROW_BYTES, bool SWIZZLED>
__device__ unsigned place(int row, int piece)
{
    static_assert(ROW_BYTES == 64 || ROW_BYTES == 128, "a row is 4 or 8 pieces");
    if (SWIZZLED) piece ^= ROW_BYTES == 128 ? row & 7 : (row >> 1) & 3;
    return row * ROW_BYTES + piece * 16;
}

// A matrix in global memory, seen as rows of bytes.
struct Matrix {
    const char* data;
    int pitch;
    int rows;
    int row_bytes;
};

// Starts the copies of a tile whose first row is `row0` and whose first byte in a row is `byte0`.
template <int ROWS, int ROW_BYTES, bool SWIZZLED>
__device__ void load_tile(unsigned to, Matrix from, int row0, int byte0)
{
    constexpr int PIECES = ROW_BYTES / 16;
    static_assert(ROWS * PIECES % THREADS == 0, "every thread copies equally many pieces");
    for (int turn = 0; turn < ROWS * PIECES / THREADS; turn++) {
        unsigned i = turn * THREADS + threadIdx.x;
        int row = i / PIECES, piece = i % PIECES;
        int byte = byte0 + piece * 16;
        int inside = row0 + row < from.rows ? min(max(from.row_bytes - byte, 0), 16) : 0;
        long long offset = inside > 0 ? (long long)(row0 + row) * from.pitch + byte : 0;
        copy(to + place<ROW_BYTES, SWIZZLED>(row, piece), from.data + offset, inside);
    }
}

template <bool TRANSPOSED>
__device__ void load_matrices(unsigned (&to)[4], unsigned from)
{
    if (TRANSPOSED)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(from) : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(from) : "memory");
}

__device__ unsigned round_to_tf32(unsigned bits)
{
    unsigned rounded;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(__uint_as_float(bits)));
    return rounded;
}

#define MULTIPLY(SHAPE_AND_TYPES)                                                                                       \
    asm volatile("mma.sync.aligned." SHAPE_AND_TYPES " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                                                       \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))

// c += a b for a block of 16 x 8; k is 16, or 8 for tf32. Under F16_SMALL c holds two pairs of f16.
template <Element ELEMENT>
__device__ void multiply(float (&c)[4], const unsigned (&a)[4], const unsigned* b)
{
    if (ELEMENT == BF16) MULTIPLY("m16n8k16.row.col.f32.bf16.bf16.f32");
    if (ELEMENT == F16) MULTIPLY("m16n8k16.row.col.f32.f16.f16.f32");
    if (ELEMENT == TF32) MULTIPLY("m16n8k8.row.col.f32.tf32.tf32.f32");
    if (ELEMENT == F16_SMALL) {
        unsigned low = __float_as_uint(c[0]), high = __float_as_uint(c[1]);
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0, %1}, {%2, %3, %4, %5}, {%6, %7}, {%0, %1};"
                     : "+r"(low), "+r"(high)
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
        c[0] = __uint_as_float(low);
        c[1] = __uint_as_float(high);
    }
}

template <Element ELEMENT, Order A_ORDER, Order B_ORDER, bool SWIZZLED>
__device__ void gemm(Matrix a, Matrix b, char* c, int m, int n, int k)
{
    constexpr int ELEMENT_BYTES = ELEMENT == TF32 ? 4 : 2;
    constexpr int TILE_K = 64 / ELEMENT_BYTES;                // a row along k is 64 bytes
    constexpr int STEP = 32 / ELEMENT_BYTES;                  // k of one mma: two pieces
    constexpr int TILE_BYTES = 64 * 64;                       // of either operand, in either order
    __shared__ __align__(128) char buffers[2][2][TILE_BYTES]; // which turn, which operand

    int row0 = blockIdx.y * 64, column0 = blockIdx.x * 64;
    unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int warp_row = warp / 2 * 32, warp_column = warp % 2 * 32;
    float sums[2][4][4] = {};
    int tiles = (unsigned)(k + TILE_K - 1) / TILE_K;

    auto load = [&](int tile) {
        unsigned to_a = shared_address(buffers[tile % 2][0]), to_b = shared_address(buffers[tile % 2][1]);
        if (A_ORDER == ALONG_K)
            load_tile<64, 64, SWIZZLED>(to_a, a, row0, tile * 64);
        else
            load_tile<TILE_K, 128, SWIZZLED>(to_a, a, tile * TILE_K, row0 * ELEMENT_BYTES);
        if (B_ORDER == ALONG_K)
            load_tile<64, 64, SWIZZLED>(to_b, b, column0, tile * 64);
        else
            load_tile<TILE_K, 128, SWIZZLED>(to_b, b, tile * TILE_K, column0 * ELEMENT_BYTES);
    };

    load(0);
    commit();
#pragma unroll 1
    for (int tile = 0; tile < tiles; tile++) {
        if (tile + 1 < tiles) load(tile + 1);
        commit();
        wait_for_all_but_one();
        __syncthreads();
        unsigned at_a = shared_address(buffers[tile % 2][0]), at_b = shared_address(buffers[tile % 2][1]);
        for (int step = 0; step < TILE_K / STEP; step++) {
            unsigned left[2][4], right[2][4];
            for (int i = 0; i < 2; i++) {
                // Matrices in the order of mma's registers of A: rows 0-7 and 8-15, first in k's lower half, then in the upper.
                if (A_ORDER == ALONG_K) {
                    int row = warp_row + i * 16 + lane % 16;
                    load_matrices<false>(left[i], at_a + place<64, SWIZZLED>(row, step * 2 + lane / 16));
                } else {
                    int row = step * STEP + lane / 16 * 8 + lane % 8;
                    int piece = (warp_row + i * 16) / 8 + lane / 8 % 2;
                    load_matrices<true>(left[i], at_a + place<128, SWIZZLED>(row, piece));
                }
                // For B: k's two halves, first of columns 0-7, then of columns 8-15.
                if (B_ORDER == ALONG_K) {
                    int row = warp_column + i * 16 + lane / 16 * 8 + lane % 8;
                    load_matrices<false>(right[i], at_b + place<64, SWIZZLED>(row, step * 2 + lane / 8 % 2));
                } else {
                    int piece = (warp_column + i * 16) / 8 + lane / 16;
                    load_matrices<true>(right[i], at_b + place<128, SWIZZLED>(step * STEP + lane % 16, piece));
                }
            }
            if (ELEMENT == TF32)
                for (int i = 0; i < 8; i++) {
                    left[i / 4][i % 4] = round_to_tf32(left[i / 4][i % 4]);
                    right[i / 4][i % 4] = round_to_tf32(right[i / 4][i % 4]);
                }
            for (int i = 0; i < 2; i++)
                for (int j = 0; j < 4; j++) multiply<ELEMENT>(sums[i][j], left[i], &right[j / 2][j % 2 * 2]);
        }
        __syncthreads();
    }

    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++)
            for (int half = 0; half < 2; half++) {
                int row = row0 + warp_row + i * 16 + half * 8 + lane / 4;
                int column = column0 + warp_column + j * 8 + lane % 4 * 2;
                for (int e = 0; e < 2; e++)
                    if (row < m && column + e < n) {
                        long long index = (long long)row * n + column + e;
                        if (ELEMENT == F16_SMALL)
                            ((unsigned short*)c)[index] = __float_as_uint(sums[i][j][half]) >> (16 * e);
                        else
                            ((float*)c)[index] = sums[i][j][half * 2 + e];
                    }
            }
}

#define GEMM(NAME, ELEMENT, BYTES, A_ORDER, B_ORDER, SWIZZLED)                                                          \
    extern "C" __global__ void __launch_bounds__(THREADS)                                                               \
        NAME(const char* a, int pitch_a, const char* b, int pitch_b, char* c, int m, int n, int k)                      \
    {                                                                                                                   \
        Matrix left = {a, pitch_a, A_ORDER == ALONG_K ? m : k, (A_ORDER == ALONG_K ? k : m) * BYTES};                   \
        Matrix right = {b, pitch_b, B_ORDER == ALONG_K ? n : k, (B_ORDER == ALONG_K ? k : n) * BYTES};                  \
        gemm<ELEMENT, A_ORDER, B_ORDER, SWIZZLED>(left, right, c, m, n, k);                                             \
    }

GEMM(gemm_bf16, BF16, 2, ALONG_K, ACROSS_K, true)
GEMM(gemm_f16, F16, 2, ACROSS_K, ALONG_K, true)
GEMM(gemm_f16_small, F16_SMALL, 2, ALONG_K, ACROSS_K, true)
GEMM(gemm_tf32, TF32, 4, ALONG_K, ALONG_K, true)
GEMM(gemm_conflicts, BF16, 2, ALONG_K, ACROSS_K, false)
