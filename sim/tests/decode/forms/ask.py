"""Asks ptxas about each form in accepted.txt, refused.txt and catalogue.txt, and prints where it says otherwise.

    python3 ask.py PTXAS

PTXAS is the assembler of CUDA 13 (of the package nvidia-cuda-nvcc: nvidia/cu13/bin/ptxas). A form counts as accepted where
sm_100a, sm_90a or sm_80 takes it. Takes about three minutes; needs no GPU and no driver.
"""

import concurrent.futures
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
ARCHITECTURES = ("sm_100a", "sm_90a", "sm_80")


def head():
    # The names that the forms use are declared in one place.
    text = (HERE.parent / "main.rs").read_text()
    return re.search(r'const HEAD: &str = "(.*?)";', text, re.S).group(1)


def accepts(ptxas, declarations, form):
    for architecture in ARCHITECTURES:
        text = declarations.replace("sm_80", architecture) + form
        text += "\nL1: L2: L3: ret;\nL4: .branchtargets L1, L2;\n}\n"
        command = [ptxas, f"-arch={architecture}", "-O0", "-o", "/dev/null", "/dev/stdin"]
        if subprocess.run(command, input=text.encode(), capture_output=True).returncode == 0:
            return True
    return False


def main():
    ptxas, declarations, wrong = sys.argv[1], head(), 0
    for name, expected in (("accepted", True), ("catalogue", True), ("refused", False)):
        forms = [line for line in (HERE / f"{name}.txt").read_text().splitlines() if line]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            verdicts = pool.map(lambda form: accepts(ptxas, declarations, form), forms)
            for form, verdict in zip(forms, verdicts):
                if verdict != expected:
                    wrong += 1
                    print(f"{name}: {form}")
        print(f"{name}: {len(forms)} forms asked")
    sys.exit(wrong != 0)


if __name__ == "__main__":
    main()
