//! A bench for machines: one object, one entry a rule and plan. Keys end in their unit where they have one.

use super::{Bench, Part, PerToken, Problem, REFERENCE_CHUNK, Setup};
use chunkwise_codegen::Precision;
use chunkwise_codegen::model::Resource;
use chunkwise_codegen::schedule::Unit;
use serde_json::{Map, Value, json};

/// Everything, as one object.
pub fn document(setup: &Setup, benches: &[Bench]) -> Value {
    let Problem { batch, tokens, heads } = setup.problem;
    json!({
        "arch": setup.arch.name(),
        "gpu": setup.gpu.name,
        "dtype": setup.dtype.to_string(),
        "precision": match setup.precision {
            Precision::Fast => "fast",
            Precision::High => "high",
        },
        "batch": batch,
        "tokens": tokens,
        "heads": heads,
        "reference_chunk": REFERENCE_CHUNK,
        "times_are_a_model": true,
        "beside_gpu": setup.beside.as_ref().and_then(|beside| beside.gpu.as_ref()),
        "plans": benches.iter().map(plan).collect::<Vec<_>>(),
    })
}

fn plan(b: &Bench) -> Value {
    json!({
        "rule": b.rule,
        "plan": b.plan.to_string(),
        "sizes": b.sizes,
        "chunk": b.chunk,
        "least_bytes": b.least.bytes(),
        "reference_flops": b.least.chunkwise_flops,
        "per_token": per_token(&b.per_token()),
        "byte_ratio": b.byte_ratio(),
        "sector_ratio": b.sector_ratio(),
        "flop_ratio": b.flop_ratio(),
        "targets_missed": super::text::missed(b),
        "predicted_ms": b.predicted_ms(),
        "measured_ms": b.measured,
        "beside_ms": b.beside.as_ref().map(|fastest| fastest.ms),
        "beside_by": b.beside.as_ref().map(|fastest| &fastest.peer),
        "beside_ratio": b.beside_ratio(),
        "kernels": b.parts.iter().map(kernel).collect::<Vec<_>>(),
    })
}

fn per_token(t: &PerToken) -> Value {
    json!({
        "load_bytes": t.load_bytes,
        "store_bytes": t.store_bytes,
        "sectors": t.sectors,
        "tensor_flops": t.tensor_flops,
        "fma": t.fma,
        "special": t.special,
        "wavefronts": t.wavefronts,
        "conflicts": t.conflicts,
        "instructions": t.instructions,
        "path": t.path,
    })
}

fn kernel(part: &Part) -> Value {
    json!({
        "name": part.name,
        "threads": part.threads,
        "unit": match part.unit { Unit::Sequence => "sequence", Unit::Piece => "piece" },
        "blocks_per_head": part.blocks_per_head,
        "shared_bytes": part.shared,
        "registers": part.resources.registers,
        "spill_store_bytes": part.resources.spill_store_bytes,
        "spill_load_bytes": part.resources.spill_load_bytes,
        "blocks_per_multiprocessor": part.occupancy.blocks,
        "occupancy_bound": part.occupancy.bound.to_string(),
        "per_token": per_token(&part.per_token),
        "barriers_per_chunk": part.barriers_per_chunk,
        "predicted_ms": part.predicted.as_ref().map(|p| p.ms),
        "predicted_bound": part.predicted.as_ref().map(|p| p.bound.to_string()),
        "predicted_ms_alone": part.predicted.as_ref().map(|p| alone(&p.alone)),
    })
}

fn alone(times: &[(Resource, f64)]) -> Map<String, Value> {
    times.iter().map(|(resource, ms)| (resource.to_string(), json!(ms))).collect()
}
