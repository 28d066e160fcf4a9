"""Makes the PTX beside each CUDA file, with NVRTC for sm_80.

    python3 compile.py FOLDER_WITH_LIBNVRTC [NAME ..]

FOLDER_WITH_LIBNVRTC holds libnvrtc.so.13 and libnvrtc-builtins.so.13.N (of the package nvidia-cuda-nvrtc:
nvidia/cu13/lib). The files here were made with 13.5. Needs no GPU and no driver.
"""

import ctypes
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).parent
OPTIONS = [b"--gpu-architecture=compute_80", b"-lineinfo", b"--std=c++17"]


def load(folder):
    # The builtins are found only if they are open before the compiler.
    for name in sorted(folder.glob("libnvrtc-builtins.so.*")):
        ctypes.CDLL(str(name), mode=ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(str(next(iter(sorted(folder.glob("libnvrtc.so.*"))))), mode=ctypes.RTLD_GLOBAL)


def check(nvrtc, code, program):
    if code == 0:
        return
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    sys.exit(log.value.decode())


def compile_file(nvrtc, path):
    program = ctypes.c_void_p()
    source = path.read_bytes()
    check(nvrtc, nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, path.name.encode(), 0, None, None), program)
    options = (ctypes.c_char_p * len(OPTIONS))(*OPTIONS)
    check(nvrtc, nvrtc.nvrtcCompileProgram(program, len(OPTIONS), options), program)
    size = ctypes.c_size_t()
    check(nvrtc, nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size)), program)
    text = ctypes.create_string_buffer(size.value)
    check(nvrtc, nvrtc.nvrtcGetPTX(program, text), program)
    # The compiler puts its working directory before the file's name.
    return re.sub(r'(\.file\s+\d+ ")[^"]*/', r"\1", text.value.decode())


def fnv(data):
    """FNV-1a of 64 bits: a test compares it with the source's, so that no file of PTX is older than its source."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def main():
    nvrtc = load(pathlib.Path(sys.argv[1]))
    names = sys.argv[2:] or sorted(path.stem for path in HERE.glob("*.cu"))
    for name in names:
        ptx = compile_file(nvrtc, HERE / f"{name}.cu")
        source = (HERE / f"{name}.cu").read_bytes()
        (HERE / f"{name}.ptx").write_text(f"// of {name}.cu, whose FNV-1a is {fnv(source):016x}\n" + ptx)
        print(f"{name}.ptx: {len(ptx.splitlines())} lines")


if __name__ == "__main__":
    main()
