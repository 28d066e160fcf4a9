"""Makes the PTX in this folder from the Triton kernels below, for sm_80; needs no GPU and no driver.

    pip install triton==3.9.0 && python make.py [FOLDER]

Each file begins with what a launch has to know:

    // launch: kernel=matmul warps=4 shared=24576

Blocks have 32 threads for each of `warps`; `shared` is the dynamic shared memory in bytes. The parameters are the kernel's
arguments without its constants, in order, and then two pointers to scratch memory that none of these kernels uses.
The files here were made with Triton 3.9.0.
"""

import pathlib
import re
import sys

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

HERE = pathlib.Path(__file__).parent


@triton.jit
def matmul(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """C[M, N] = A[M, K] B[K, N], bf16 in, f32 out."""
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    inner = tl.arange(0, BK)
    total = tl.zeros((BM, BN), tl.float32)
    for start in tl.range(0, K, BK):
        k = start + inner
        left = tl.load(a + rows[:, None] * K + k[None, :], (rows[:, None] < M) & (k[None, :] < K), 0.0)
        right = tl.load(b + k[:, None] * N + columns[None, :], (k[:, None] < K) & (columns[None, :] < N), 0.0)
        total = tl.dot(left, right, total)
    tl.store(c + rows[:, None] * N + columns[None, :], total, (rows[:, None] < M) & (columns[None, :] < N))


@triton.jit
def gram(x, g, N, D: tl.constexpr, BN: tl.constexpr):
    """g[N, N] = x x^T for f32 through tf32, with the upper triangle left at zero."""
    rows = tl.program_id(0) * BN + tl.arange(0, BN)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    d = tl.arange(0, D)
    left = tl.load(x + rows[:, None] * D + d[None, :], rows[:, None] < N, 0.0)
    right = tl.load(x + columns[:, None] * D + d[None, :], columns[:, None] < N, 0.0)
    product = tl.dot(left, tl.trans(right), input_precision="tf32")
    product = tl.where(rows[:, None] >= columns[None, :], product, 0.0)
    tl.store(g + rows[:, None] * N + columns[None, :], product, (rows[:, None] < N) & (columns[None, :] < N))


@triton.jit
def softmax(x, y, columns, BLOCK: tl.constexpr):
    """A row a program."""
    row = tl.program_id(0)
    i = tl.arange(0, BLOCK)
    value = tl.load(x + row * columns + i, i < columns, -float("inf"))
    e = tl.exp(value - tl.max(value, 0))
    tl.store(y + row * columns + i, e / tl.sum(e, 0), i < columns)


@triton.jit
def layer_norm(x, w, b, y, columns, BLOCK: tl.constexpr):
    """A row of bf16 a program; weights in f32."""
    row = tl.program_id(0)
    i = tl.arange(0, BLOCK)
    inside = i < columns
    value = tl.load(x + row * columns + i, inside, 0.0).to(tl.float32)
    mean = tl.sum(value, 0) / columns
    centred = tl.where(inside, value - mean, 0.0)
    scale = tl.rsqrt(tl.sum(centred * centred, 0) / columns + 1e-5)
    result = centred * scale * tl.load(w + i, inside, 0.0) + tl.load(b + i, inside, 0.0)
    tl.store(y + row * columns + i, result.to(tl.bfloat16), inside)


@triton.jit
def linear_attention(q, k, v, g, o, s, T, D: tl.constexpr, C: tl.constexpr):
    """Linear attention with a scalar log2 decay, in chunks of C, a head a program; the state stays in registers.

    q, k, v [H, T, D] bf16, g [H, T] f32, o [H, T, D] f32, s [H, D, D] f32: S_t = 2^g_t S_(t-1) + k_t v_t^T, o_t = S_t^T q_t.
    """
    head = tl.program_id(0).to(tl.int64)
    q += head * T * D
    k += head * T * D
    v += head * T * D
    o += head * T * D
    g += head * T
    s += head * D * D
    d = tl.arange(0, D)
    c = tl.arange(0, C)
    state = tl.zeros((D, D), tl.float32)
    for start in tl.range(0, T, C):
        t = start + c
        inside = t < T
        place = t[:, None] * D + d[None, :]
        queries = tl.load(q + place, inside[:, None], 0.0)
        keys = tl.load(k + place, inside[:, None], 0.0)
        values = tl.load(v + place, inside[:, None], 0.0)
        decay = tl.cumsum(tl.load(g + t, inside, 0.0), 0)
        end = tl.min(decay, 0)
        within = tl.dot(queries, tl.trans(keys))
        gap = decay[:, None] - decay[None, :]
        within = tl.where(c[:, None] >= c[None, :], within * tl.exp2(tl.minimum(gap, 0.0)), 0.0)
        out = tl.dot(queries, state.to(tl.bfloat16)) * tl.exp2(decay)[:, None]
        out += tl.dot(within.to(tl.bfloat16), values)
        tl.store(o + place, out, inside[:, None])
        faded = (values * tl.exp2(end - decay)[:, None]).to(tl.bfloat16)
        state = state * tl.exp2(end) + tl.dot(tl.trans(keys), faded)
    tl.store(s + d[:, None] * D + d[None, :], state)


@triton.jit
def total(x, out, n, BLOCK: tl.constexpr):
    """out[0] += sum of x, by programs and one atomic each; out[1] = the largest."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + i, i < n, 0)
    tl.atomic_add(out, tl.sum(value, 0))
    tl.atomic_max(out + 1, tl.max(value, 0))


@triton.jit
def combine(a0, b0, a1, b1):
    return a0 * a1, b0 * a1 + b1


@triton.jit
def recurrence(a, b, h, T, BT: tl.constexpr, BD: tl.constexpr):
    """h_t = a_t h_(t-1) + b_t for every column of [T, BD], as an associative scan in blocks of BT rows."""
    d = tl.arange(0, BD)
    carried = tl.zeros((BD,), tl.float32)
    for start in range(0, T, BT):
        t = start + tl.arange(0, BT)
        place = t[:, None] * BD + d[None, :]
        factor = tl.load(a + place, t[:, None] < T, 1.0)
        term = tl.load(b + place, t[:, None] < T, 0.0)
        factors, terms = tl.associative_scan((factor, term), 0, combine)
        result = factors * carried[None, :] + terms
        tl.store(h + place, result, t[:, None] < T)
        carried = tl.sum(tl.where((tl.arange(0, BT) == BT - 1)[:, None], result, 0.0), 0)


@triton.jit
def dropout(x, y, n, seed, BLOCK: tl.constexpr):
    """Keeps a number where Philox says so: wide integer products."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    kept = tl.rand(seed, i) > 0.25
    tl.store(y + i, tl.where(kept, tl.load(x + i, i < n, 0.0) / 0.75, 0.0), i < n)


# kernel, signature of its arguments, constants, warps, stages
KERNELS = [
    (matmul, "*bf16 *bf16 *fp32 i32 i32 i32", dict(BM=64, BN=64, BK=32), 4, 3),
    (gram, "*fp32 *fp32 i32", dict(D=32, BN=32), 2, 2),
    (softmax, "*fp32 *fp32 i32", dict(BLOCK=512), 4, 2),
    (layer_norm, "*bf16 *fp32 *fp32 *bf16 i32", dict(BLOCK=512), 4, 2),
    (linear_attention, "*bf16 *bf16 *bf16 *fp32 *fp32 *fp32 i32", dict(D=32, C=64), 4, 2),
    (total, "*i32 *i32 i32", dict(BLOCK=256), 2, 2),
    (recurrence, "*fp32 *fp32 *fp32 i32", dict(BT=64, BD=16), 4, 2),
    (dropout, "*fp32 *fp32 i32 i32", dict(BLOCK=256), 4, 2),
]

# Pointers and row lengths that are multiples of 16, so that loads are wide and copies asynchronous.
ALIGNED = [["tt.divisibility", 16]]


def main():
    folder = pathlib.Path(sys.argv[1]) if sys.argv[1:] else HERE
    for kernel, types, constants, warps, stages in KERNELS:
        names = [name for name in kernel.arg_names if name not in constants]
        signature = dict(zip(names, types.split())) | {name: "constexpr" for name in constants}
        index = {name: (i,) for i, name in enumerate(kernel.arg_names)}
        aligned = [name for name in names if signature[name].startswith("*") or (kernel is matmul and name in "NK")]
        source = ASTSource(
            fn=kernel,
            signature=signature,
            constexprs={index[name]: value for name, value in constants.items()},
            attrs={index[name]: ALIGNED for name in aligned},
        )
        binary = triton.compile(
            source, target=GPUTarget("cuda", 80, 32), options=dict(num_warps=warps, num_stages=stages)
        )
        meta = binary.metadata
        assert meta.global_scratch_size == 0 and meta.profile_scratch_size == 0, "a kernel needs scratch memory"
        name = kernel.__name__
        text = re.sub(r'(\.file\s+\d+ ")[^"]*/', r"\1", binary.asm["ptx"])
        # Debug sections hold folder names, and a reader of PTX skips them.
        text = re.sub(r"\s*\.section\s+\.debug_\w+\s*\{[^}]*\}", "", text).rstrip() + "\n"
        head = f"// launch: kernel={name} warps={meta.num_warps} shared={meta.shared}\n"
        (folder / f"{name}.ptx").write_text(head + text)
        print(f"{name}: {meta.num_warps} warps, {meta.shared} bytes shared, {len(text.splitlines())} lines")


if __name__ == "__main__":
    main()
