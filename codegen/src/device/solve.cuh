// Rows with linear feedback, u = x + M u where M is strictly lower triangular by rows.

// Two neighbours in one instruction: the compiler would part some of them, whose halves meet in a bank.
__device__ __forceinline__ void store_pair(float *to, unsigned x, unsigned y) {
    const unsigned at = shared_at(to);
    asm volatile("st.shared.v2.b32 [%0], {%1, %2};" ::"r"(at), "r"(x), "r"(y) : "memory");
}

// 16 rows of M up to the block of the diagonal; what is above it is not read.
template <int N, int COLUMNS>
__device__ __forceinline__ void store_feedback(Square<COLUMNS> to, const float (&d)[N][4], int row) {
    const int lane = this_thread() % 32;
    float *at = to.at(row + lane / 4, lane % 4 * 2);
#pragma unroll
    for (int n = 0; n < N; ++n) {
        if (n / 2 > row / 16) continue;
#pragma unroll
        for (int e = 0; e < 4; e += 2) {
            store_pair(at + n * 8 + e * 4 * to.PITCH, __float_as_uint(d[n][e]), __float_as_uint(d[n][e + 1]));
        }
    }
}

// Replaces the two 8 x 8 blocks of the diagonal in 16 rows from `row` on by the inverse of I - block each: a column a lane, by forward
// substitution. For one warp.
template <int COLUMNS>
__device__ __forceinline__ void invert_eighths(Square<COLUMNS> m, int row) {
    const int lane = this_thread() % 32, first = row + lane / 8 % 2 * 8, column = lane % 8;
    __syncwarp();
    float *const at = m.at(first, first), x[8];
#pragma unroll
    for (int r = 0; r < 8; ++r) {
        x[r] = r == column ? 1.0f : 0.0f;
#pragma unroll
        for (int k = 0; k < r; ++k) x[r] = fmaf(at[r * m.PITCH + k], x[k], x[r]);
    }
    __syncwarp();
    if (lane < 16) {
#pragma unroll
        for (int r = 0; r < 8; ++r) at[column + r * m.PITCH] = x[r];
    }
}

// A product of 16 x 8 and 8 x 8 numbers that an instruction names, added to its operands 0 to 3.
#define MMA_EIGHTH(TYPE, A, B)                                                                                             \
    "mma.sync.aligned.m16n8k8.row.col.f32." TYPE "." TYPE ".f32 {%0, %1, %2, %3}, " A ", " B ", {%0, %1, %2, %3}; "

// Eight columns of accumulators as a left operand: rounded to tf32, even columns 2 l beside odd ones 2 l + 1.
struct Rounded {
    unsigned a[4];
    __device__ __forceinline__ explicit Rounded(const float (&c)[4]) {
#pragma unroll
        for (int e = 0; e < 4; ++e) a[e] = round_tf32(c[e / 2 + e % 2 * 2]);
    }
    // d[16 x 8] += this times B^T, where `b` is this lane's place in eight rows of B. Its numbers are taken in two parts, the upper
    // bits and what they leave: in one statement, since compilers take their time over each.
    __device__ __forceinline__ void multiply(float (&d)[4], const float *b) const {
        asm volatile("{.reg .b32 x<2>, y<2>; ld.shared.v2.b32 {x0, x1}, [%8]; "
                     "and.b32 y0, x0, 0xffffe000; and.b32 y1, x1, 0xffffe000; sub.f32 x0, x0, y0; sub.f32 x1, x1, y1; "
                     MMA_EIGHTH("tf32", "{%4, %5, %6, %7}", "{x0, x1}") MMA_EIGHTH("tf32", "{%4, %5, %6, %7}", "{y0, y1}") "}"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(shared_at(b))
                     : "memory");
    }
};

// The same with all bits of both sides, in three parts of bf16: six products, the smallest first.
struct Kept {
    unsigned upper[3], lower[3];
    __device__ __forceinline__ explicit Kept(const float (&c)[4]) {
        split_whole(upper, c[0], c[1]);
        split_whole(lower, c[2], c[3]);
    }
    __device__ __forceinline__ void multiply(float (&d)[4], const float *b) const {
        asm volatile("{.reg .b32 x<2>, y<2>, p<3>; ld.shared.v2.b32 {x0, x1}, [%10]; cvt.rn.bf16x2.f32 p0, x1, x0; "
                     "shl.b32 y0, p0, 16; and.b32 y1, p0, 0xffff0000; sub.f32 x0, x0, y0; sub.f32 x1, x1, y1; "
                     "cvt.rn.bf16x2.f32 p1, x1, x0; "
                     "shl.b32 y0, p1, 16; and.b32 y1, p1, 0xffff0000; sub.f32 x0, x0, y0; sub.f32 x1, x1, y1; "
                     "cvt.rn.bf16x2.f32 p2, x1, x0; "
                     MMA_EIGHTH("bf16", "{%8, %9}", "{p0}") MMA_EIGHTH("bf16", "{%6, %7}", "{p1}")
                     MMA_EIGHTH("bf16", "{%4, %5}", "{p2}") MMA_EIGHTH("bf16", "{%6, %7}", "{p0}")
                     MMA_EIGHTH("bf16", "{%4, %5}", "{p1}") MMA_EIGHTH("bf16", "{%4, %5}", "{p0}") "}"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(upper[0]), "r"(lower[0]), "r"(upper[1]), "r"(lower[1]), "r"(upper[2]), "r"(lower[2]),
                       "r"(shared_at(b))
                     : "memory");
    }
};

// Solves u = d + M u in place, transposed: eight rows of u by the inverse of their block, then what they leave in the rows below. M
// keeps its bits, since what is lost of it comes back with every token that repeats a key; rows of u are Rounded or Kept.
template <typename EIGHTH, int N, int COLUMNS>
__device__ __forceinline__ void solve_rows(float (&d)[N][4], Square<COLUMNS> m) {
    const int lane = this_thread() % 32;
    const float *const at = m.at(lane / 4, lane % 4 * 2);
#pragma unroll
    for (int j = 0; j < N; ++j) {
        float u[4] = {};
        EIGHTH(d[j]).multiply(u, at + j * 8 * (m.PITCH + 1));
#pragma unroll
        for (int e = 0; e < 4; ++e) d[j][e] = u[e];
        const EIGHTH solved(u);
#pragma unroll
        for (int i = j + 1; i < N; ++i) solved.multiply(d[i], at + i * 8 * m.PITCH + j * 8);
    }
}
