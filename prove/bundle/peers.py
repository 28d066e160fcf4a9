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


def peers(name, call, prepare=dict, also=()):
    """The chunkwise function of a module of `fla.ops`, and maybe its token loop."""
    module, function = name
    return [peer(f"fla.ops.{module}", f, call) | {"prepare": prepare} for f in (function, *also)]


def unit(x):
    x32 = x.float()
    return (x32 * (x32.square().sum(-1, keepdim=True) + 1e-6).rsqrt()).to(x.dtype)


def ends(x):
    return {"initial_state": x["s0"], "output_final_state": True}


def linear(f, x):
    return f(x["q"], x["k"], x["v"], normalize=False, **ends(x))


def gated(f, x):
    return f(x["q"], x["k"], x["v"], x["g"], **ends(x))


def gated_loop(f, x):
    return f(x["q"], x["k"], x["v"], gk=x["g"], **ends(x))


def fixed(f, x):
    return f(x["q"], x["k"], x["v"], g_gamma=x["g"], **ends(x))


def rwkv6(f, x):
    return f(x["r"], x["k"], x["v"], x["w"], x["u"], scale=1.0, **ends(x))


def delta(f, x):
    return f(x["q"], x["k"], x["v"], x["beta"], use_qk_l2norm_in_kernel=True, **ends(x))


def gated_delta(f, x):
    return f(x["q"], x["k"], x["v"], x["g"], x["beta"], use_qk_l2norm_in_kernel=True, **ends(x))


def comba(f, x):
    return f(x["q"], x["k"], x["v"], x["p"], x["g"], x["beta"], **ends(x))


def rank_one(f, x):
    return f(x["q"], x["k"], x["v"], x["a"], x["b"], **ends(x))


def decayed_rank_one(f, x):
    return f(x["q"], x["k"], x["v"], x["a"], x["b"], x["g"], scale=x.get("scale"), **ends(x))


def delta_product(f, x):
    return f(x["q"], x["k"], x["v"], x["g"], x["beta"], num_householder=2, use_qk_l2norm_in_kernel=True, **ends(x))


# What a peer takes that is no input of the rule is made before its clock starts.
def with_slope(x):
    return x | {"g": -x["slope"], "s0": x["kv0"]}


def with_gate(x):
    return x | {"g": -x["gate"].float().neg().exp().log1p() / 16}


def with_complement(x):
    return x | {"k": (1 - x["g"].float().exp()).to(x["q"].dtype), "v": x["i"], "s0": x["h0"]}


def with_recall(x):
    q, k = unit(x["q"]), unit(x["k"])
    heads = {name: x[name].to(k.dtype)[:, None] for name in ("b", "d")}
    return x | {"q": q - heads["d"] * k, "k": k, "p": heads["b"] * k}


def with_kappa(x):
    kappa = unit(x["kk"])
    return x | {"q": x["r"], "a": -kappa, "b": x["a"] * kappa, "g": x["w"], "scale": 1.0}


def with_rows(x):
    rows = {name: x[name].flatten(1, 2).contiguous() for name in ("k", "v", "beta")}
    return x | rows


# By rule of the catalogue: what computes the same from the same tensors (log decays, queries scaled by 1/sqrt(K)).
PEERS = {
    "linear_attention": peers(
        ("linear_attn", "chunk_linear_attn"), linear, also=["fused_recurrent_linear_attn"]
    ),
    "retnet": peers(("simple_gla", "chunk_simple_gla"), fixed),
    "lightning_attention": peers(("simple_gla", "chunk_simple_gla"), fixed, with_slope),
    "gated_retention": peers(("simple_gla", "chunk_simple_gla"), gated, with_gate),
    "gla": peers(("gla", "chunk_gla"), gated) + peers(("gla", "fused_recurrent_gla"), gated_loop),
    "rwkv6": peers(("rwkv6", "chunk_rwkv6"), rwkv6),
    "hgrn2": peers(("gla", "chunk_gla"), gated, with_complement),
    "deltanet": peers(("delta_rule", "chunk_delta_rule"), delta, also=["fused_recurrent_delta_rule"]),
    "gated_deltanet": peers(
        ("gated_delta_rule", "chunk_gated_delta_rule"), gated_delta, also=["fused_recurrent_gated_delta_rule"]
    ),
    "kda": peers(("kda", "chunk_kda"), gated_delta, also=["fused_recurrent_kda"]),
    "comba": peers(("comba", "chunk_comba"), comba, with_recall),
    "rwkv7": peers(("generalized_delta_rule", "chunk_dplr_delta_rule"), decayed_rank_one, with_kappa),
    "dplr": peers(("generalized_delta_rule", "chunk_dplr_delta_rule"), decayed_rank_one),
    "iplr": peers(("generalized_delta_rule", "chunk_iplr_delta_rule"), rank_one),
    "gated_deltaproduct2": peers(
        ("gated_delta_product", "chunk_gated_delta_product"), delta_product, with_rows
    ),
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
        row |= {key: case[key] for key in ("dtype", "B", "T", "HK", "H", "D")}
        try:
            function = getattr(importlib.import_module(entry["module"]), entry["function"])
            with torch.no_grad():
                given = entry["prepare"](inputs)
                found = entry["call"](function, given)
                row["o_against_ours"] = ratio(torch, found[0], ours["o"])
                row["ms"], row["ms_least"] = median_ms(torch, lambda: entry["call"](function, given))
        except Exception as error:  # A peer's failure is a finding.
            row["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
        rows.append(row)
    return rows


def table(rows, times):
    ours = {case["problem"]: case for case in times}
    lines = [f"{'case':<50} {'peer':<34} {'ms':>9} {'ours ms':>9} {'peer/ours':>9}  o apart"]
    for row in rows:
        case = ours[row["case"]]
        if "error" in row:
            lines.append(f"{row['case']:<50} {row['peer']:<34} {row['error']}")
            continue
        speed = row["ms"] / case["ms"]
        lines.append(
            f"{row['case']:<50} {row['peer']:<34} {row['ms']:>9.3f} {case['ms']:>9.3f} {speed:>9.2f}  "
            f"{row['o_against_ours']:.1e}"
        )
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("cases", "times", "out"):
        parser.add_argument(f"--{name}", required=True, type=Path)
    arguments = parser.parse_args()
    # What a user gets who names no plan.
    times = [case for case in json.loads(arguments.times.read_text())["cases"] if case["plan"] == "auto"]
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
