//! A bench for machines: one object, one entry a rule and plan. Keys end in their unit where they have one.

use super::{Bench, Problem, REFERENCE_CHUNK, Setup};
use chunkwise_codegen::model::Resource;
use serde_json::{Map, Value, json};

/// Everything, as one object.
pub fn document(setup: &Setup, benches: &[Bench]) -> Value {
    let Problem { batch, tokens, heads } = setup.problem;
    json!({
        "arch": setup.arch.name(),
        "gpu": setup.gpu.name,
        "dtype": setup.dtype.to_string(),
        "batch": batch,
        "tokens": tokens,
        "heads": heads,
        "reference_chunk": REFERENCE_CHUNK,
        "times_are_a_model": true,
        "kernels": benches.iter().map(kernel).collect::<Vec<_>>(),
    })
}

fn kernel(b: &Bench) -> Value {
    let t = &b.per_token;
    json!({
        "rule": b.rule,
        "plan": b.plan.to_string(),
        "sizes": b.sizes,
        "chunk": b.chunk,
        "threads": b.threads,
        "blocks_per_head": b.blocks_per_head,
        "shared_bytes": b.shared,
        "registers": b.resources.registers,
        "spill_store_bytes": b.resources.spill_store_bytes,
        "spill_load_bytes": b.resources.spill_load_bytes,
        "blocks_per_multiprocessor": b.occupancy.blocks,
        "occupancy_bound": b.occupancy.bound.to_string(),
        "least_bytes": b.least.bytes(),
        "reference_flops": b.least.chunkwise_flops,
        "per_token": {
            "load_bytes": t.load_bytes,
            "store_bytes": t.store_bytes,
            "sectors": t.sectors,
            "tensor_flops": t.tensor_flops,
            "fma": t.fma,
            "special": t.special,
            "wavefronts": t.wavefronts,
            "conflicts": t.conflicts,
            "instructions": t.instructions,
        },
        "byte_ratio": b.byte_ratio(),
        "sector_ratio": b.sector_ratio(),
        "flop_ratio": b.flop_ratio(),
        "barriers_per_chunk": b.barriers_per_chunk,
        "targets_missed": super::text::missed(b),
        "predicted_ms": b.predicted.as_ref().map(|p| p.ms),
        "predicted_bound": b.predicted.as_ref().map(|p| p.bound.to_string()),
        "predicted_ms_alone": b.predicted.as_ref().map(|p| alone(&p.alone)),
        "measured_ms": b.measured,
    })
}

fn alone(times: &[(Resource, f64)]) -> Map<String, Value> {
    times.iter().map(|(resource, ms)| (resource.to_string(), json!(ms))).collect()
}
