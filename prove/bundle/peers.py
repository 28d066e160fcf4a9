#!/usr/bin/env python3
"""Times flash-linear-attention's kernels on the inputs that Chunkwise's kernels were timed on, and compares results.

    peers.py --cases DIR --times times.json --out peers.json

DIR holds NAME.in.safetensors and NAME.out.safetensors for each timed case; times.json says which rule each one is. What
is not installed is said, and is no failure; a peer that fails on a case is reported and is no failure either.
"""

import argparse
import importlib
import json
import sys
from pathlib import Path


def peer(module, function, call):
    return {"module": module, "function": function, "call": call}


def plain(f, x):
    return f(x["q"], x["k"], x["v"], output_final_state=True)


def linear(f, x):
    return f(x["q"], x["k"], x["v"], output_final_state=True, normalize=False)


def gla(f, x):
    return f(x["q"], x["k"], x["v"], x["g"], output_final_state=True)


def gla_loop(f, x):
    return f(x["q"], x["k"], x["v"], gk=x["g"], output_final_state=True)


def delta(f, x):
    return f(x["q"], x["k"], x["v"], x["beta"], output_final_state=True, use_qk_l2norm_in_kernel=True)


def gated_delta(f, x):
    return f(x["q"], x["k"], x["v"], x["g"], x["beta"], output_final_state=True, use_qk_l2norm_in_kernel=True)


# By rule of the catalogue: what computes the same from the same tensors (log decays, queries scaled by 1/sqrt(K)).
PEERS = {
    "linear_attention": [
        peer("fla.ops.linear_attn", "chunk_linear_attn", linear),
        peer("fla.ops.linear_attn", "fused_recurrent_linear_attn", linear),
    ],
    "gla": [peer("fla.ops.gla", "chunk_gla", gla), peer("fla.ops.gla", "fused_recurrent_gla", gla_loop)],
    "deltanet": [
        peer("fla.ops.delta_rule", "chunk_delta_rule", delta),
        peer("fla.ops.delta_rule", "fused_recurrent_delta_rule", delta),
    ],
    "gated_deltanet": [
        peer("fla.ops.gated_delta_rule", "chunk_gated_delta_rule", gated_delta),
        peer("fla.ops.gated_delta_rule", "fused_recurrent_gated_delta_rule", gated_delta),
    ],
    "kda": [
        peer("fla.ops.kda", "chunk_kda", gated_delta),
        peer("fla.ops.kda", "fused_recurrent_kda", gated_delta),
    ],
}


def median_ms(torch, run, repeats=30):
    """Median time of a call by device events; inputs are written over in between, so that they come from memory."""
    for _ in range(3):
        run()
    flush = torch.empty(256 << 20, dtype=torch.int8, device="cuda")
    times = []
    for _ in range(repeats):
        flush.fill_(1)
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return sorted(times)[len(times) // 2], min(times)


def ratio(torch, result, reference):
    """RMS of the difference over RMS of the reference; NaN where anything is not a number."""
    result, reference = result.double(), reference.double()
    return float(((result - reference).square().mean() / reference.square().mean().clamp_min(1e-300)).sqrt())


def time_case(torch, load_file, case, cases):
    inputs = {name: x.cuda() for name, x in load_file(cases / f"{case['problem']}.in.safetensors").items()}
    ours = {name: x.cuda() for name, x in load_file(cases / f"{case['problem']}.out.safetensors").items()}
    rows = []
    for entry in PEERS.get(case["rule"], []):
        row = {"case": case["problem"], "rule": case["rule"], "peer": entry["function"]}
        # `chunkwise bench --beside` shows a time beside those of its own shape.
        row |= {key: case[key] for key in ("dtype", "B", "T", "H", "D")}
        try:
            function = getattr(importlib.import_module(entry["module"]), entry["function"])
            with torch.no_grad():
                found = entry["call"](function, inputs)
                row["o_against_ours"] = ratio(torch, found[0], ours["o"])
                row["ms"], row["ms_least"] = median_ms(torch, lambda: entry["call"](function, inputs))
        except Exception as error:  # A peer's failure is a finding.
            row["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
        rows.append(row)
    return rows


def table(rows, times):
    ours = {case["problem"]: case for case in times}
    lines = [f"{'case':<44} {'peer':<34} {'ms':>9} {'ours ms':>9} {'peer/ours':>9}  o apart"]
    for row in rows:
        case = ours[row["case"]]
        if "error" in row:
            lines.append(f"{row['case']:<44} {row['peer']:<34} {row['error']}")
            continue
        speed = row["ms"] / case["ms"]
        lines.append(
            f"{row['case']:<44} {row['peer']:<34} {row['ms']:>9.3f} {case['ms']:>9.3f} {speed:>9.2f}  "
            f"{row['o_against_ours']:.1e}"
        )
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("cases", "times", "out"):
        parser.add_argument(f"--{name}", required=True, type=Path)
    arguments = parser.parse_args()
    # The fastest of our plans for each problem.
    times = sorted(json.loads(arguments.times.read_text())["cases"], key=lambda case: -case["ms"])
    times = list({case["problem"]: case for case in times}.values())
    try:
        import torch
        from safetensors.torch import load_file
    except ImportError as error:
        print(f"peers: {error}; nothing to time beside")
        return 0
    if not torch.cuda.is_available():
        print("peers: torch sees no GPU")
        return 0
    try:
        version = importlib.import_module("fla").__version__
    except Exception as error:
        print(f"peers: flash-linear-attention is not there ({error}); put its wheels beside run.sh, in `wheels`")
        version = None
    rows = []
    for case in times if version else []:
        print(f"peers: {case['name']}", file=sys.stderr)
        rows += time_case(torch, load_file, case, arguments.cases)
    report = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "fla": version, "cases": rows}
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    if rows:
        arguments.out.with_suffix(".txt").write_text(table(rows, times))
    return 0


if __name__ == "__main__":
    sys.exit(main())
