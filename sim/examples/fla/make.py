"""Makes PTX for sm_80 from kernels of flash-linear-attention, to see that the simulator reads what others write.

    pip install triton==3.9.0 && pip download --no-deps fla-core==0.6.0 && python -m zipfile -e fla_core-*.whl WHEEL
    python make.py WHEEL FOLDER

Nothing of it is part of this project: the kernels come from the wheel and the PTX goes to FOLDER. torch is not needed: each
kernel's function is taken out of its file, without the autotuning around it, and compiled with the constants below (one
sequence, heads of 64, chunks of 64, bf16; decays, betas and states in f32). Files begin with a line that
says how to launch them, as those of tests/triton do.
"""

import ast
import importlib.util
import pathlib
import re
import sys
import tempfile

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

HEAD = """import triton
import triton.language as tl
import triton.language.extra.libdevice as tldevice
"""

# Types of arguments by name; other arguments are pointers to bf16, and what is in a kernel's constants is no argument.
TYPES = dict.fromkeys("g gk g_gamma beta h0 ht dh0 dht A s o_s dg w_s db dg2 db2".split(), "*fp32") | {
    "T": "i32", "B": "i32", "scale": "fp32", "cu_seqlens": "*i32", "chunk_indices": "*i32", "chunk_offsets": "*i32",
}
HEADS = dict(H=2, HV=2, K=64, V=64, BT=64, IS_VARLEN=False, cu_seqlens=None, chunk_indices=None)

# name of the file made: file in the wheel, kernel, constants, types that differ, warps, stages
KERNELS = {
    "chunk_fwd_o": (
        "ops/common/chunk_o.py", "chunk_fwd_kernel_o",
        HEADS | dict(BK=64, BV=64, USE_G=True, USE_G_GAMMA=False, g_gamma=None, STATE_V_FIRST=False), {}, 4, 3,
    ),
    "chunk_fwd_o_varlen": (
        "ops/common/chunk_o.py", "chunk_fwd_kernel_o",
        dict(H=2, HV=4, K=64, V=64, BT=64, IS_VARLEN=True)
        | dict(BK=64, BV=64, USE_G=True, USE_G_GAMMA=False, g_gamma=None, STATE_V_FIRST=False), {}, 4, 3,
    ),
    "chunk_delta_h": (
        "ops/common/chunk_delta_h.py", "chunk_gated_delta_rule_fwd_kernel_h_blockdim64",
        HEADS | dict(BV=32, USE_G=True, USE_GK=False, gk=None, USE_INITIAL_STATE=True, STORE_FINAL_STATE=True,
                     SAVE_NEW_VALUE=True, STATE_V_FIRST=False, chunk_offsets=None), {}, 4, 2,
    ),
    "chunk_scaled_dot_kkt": (
        "ops/common/chunk_scaled_dot_kkt.py", "chunk_scaled_dot_kkt_fwd_kernel",
        HEADS | dict(BK=64, USE_G=True), {}, 4, 3,
    ),
    "chunk_cumsum": (
        "ops/utils/cumsum.py", "chunk_local_cumsum_scalar_kernel",
        HEADS | dict(B=1, REVERSE=False, HAS_SCALE=False, USE_GRAPH=False, scale=None), {"s": "*fp32", "o": "*fp32"}, 2, 2,
    ),
    "solve_tril": (
        "ops/utils/solve_tril.py", "merge_16x16_to_64x64_inverse_kernel",
        HEADS | dict(DOT_PRECISION="ieee", USE_TMA=False), {"Ai": "*fp32"}, 4, 2,
    ),
}


def jit_functions(path):
    """The top-level functions of a file that Triton compiles, as text, without what decorates them."""
    source = path.read_text()
    found = {}

    def visit(body):
        for node in body:
            if isinstance(node, ast.If):
                # The last branch is the general one; the others are for other machines.
                visit(node.orelse)
            elif isinstance(node, ast.FunctionDef) and any("jit" in ast.unparse(d) for d in node.decorator_list):
                node.decorator_list = []
                found[node.name] = "@triton.jit\n" + ast.unparse(node)

    visit(ast.parse(source).body)
    return found


def load(wheel, file):
    functions = jit_functions(wheel / "fla/ops/utils/op.py") | jit_functions(wheel / "fla" / file)
    # Triton reads a function's source from its file.
    path = pathlib.Path(tempfile.mkdtemp()) / pathlib.Path(file).name
    path.write_text(HEAD + "\n\n".join(functions.values()) + "\n")
    spec = importlib.util.spec_from_file_location("fla_" + path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compile_kernel(kernel, constants, types, warps, stages):
    names = kernel.arg_names
    signature, values, attrs = {}, {}, {}
    for i, name in enumerate(names):
        if name in constants:
            signature[name], values[(i,)] = "constexpr", constants[name]
            continue
        signature[name] = types.get(name) or TYPES.get(name, "*bf16")
        if signature[name].startswith("*"):
            attrs[(i,)] = [["tt.divisibility", 16]]
    source = ASTSource(fn=kernel, signature=signature, constexprs=values, attrs=attrs)
    return triton.compile(source, target=GPUTarget("cuda", 80, 32), options=dict(num_warps=warps, num_stages=stages))


def main():
    wheel, folder = map(pathlib.Path, sys.argv[1:3])
    folder.mkdir(parents=True, exist_ok=True)
    for name, (file, kernel, constants, types, warps, stages) in KERNELS.items():
        try:
            binary = compile_kernel(getattr(load(wheel, file), kernel), constants, types, warps, stages)
        except Exception as error:
            print(f"{name}: not compiled: {str(error).splitlines()[-1] if str(error) else error!r}")
            continue
        meta, text = binary.metadata, re.sub(r'(\.file\s+\d+ ")[^"]*/', r"\1", binary.asm["ptx"])
        head = f"// launch: kernel={meta.name} warps={meta.num_warps} shared={meta.shared}\n"
        (folder / f"{name}.ptx").write_text(head + text)
        print(f"{name}: {meta.num_warps} warps, {meta.shared} bytes shared, {len(text.splitlines())} lines")


if __name__ == "__main__":
    main()
