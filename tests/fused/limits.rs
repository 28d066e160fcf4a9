//! How far results may be off: RMS(error) / RMS(reference) of outputs and of final states, never more than what the
//! measured policy on numerics says of flash-linear-attention's own choices of operands in bf16.
//!
//! | inputs | outputs | states |
//! |---|---|---|
//! | any: its strictest test, which `chunkwise check` has too | 50e-4 | 50e-4 |
//! | keys of less than 16 dims with feedback: as parallel as those of the policy's hard set | 298e-4 | 298e-4 |
//! | feedback of exactly 2 on keys repeated to the bit, where its choices were emulated | .17 | .29 |
//! | typical ones, many numbers: [`typical`], by rule | 24-45e-4 | 16-38e-4 |
//!
//! f16 has eight times bf16's precision: an eighth of each. f32: 1e-4 of all.

use crate::case::{Case, timeline};
use chunkwise::Tensors;
use chunkwise_cli::check::compare;
use chunkwise_codegen::{DType, Precision};
use chunkwise_dsl::class::{Decay, Feedback, classify};
use chunkwise_dsl::timeline::{Event, Timeline};

/// Limits of outputs and of states.
pub(crate) type Limits = (f64, f64);

/// On clusters of near-parallel keys with feedback up to 2, at 64 tokens a chunk.
const HARD: f64 = 298e-4;

/// Of few numbers each may be rounded badly: half a unit in the last place is up to 2^-8 of a bf16 number, and 16.6e-4 in
/// the root mean square.
const FEW: usize = 256;
const BADLY_ROUNDED: f64 = 2.4;

/// What rounding to bf16 costs, of numbers of any size and of numbers next to a power of 2.
const ROUNDING: f64 = 16.6e-4;
const WORST_ROUNDING: f64 = 22.6e-4;

/// The policy's figures have two digits, and are those of other draws.
const MARGIN: f64 = 1.05;

/// Rules whose keys or values are functions of inputs. The usual kernels are given them rounded; here the kernel computes
/// them, and rounds them itself.
const COMPUTED: [&str; 5] =
    ["linear_attention_elu", "linear_attention_normalised", "hgrn2", "rodimus", "mlstm_capped"];

/// Limits on any inputs.
pub(crate) fn any(case: &Case) -> Limits {
    let timeline = timeline(&case.rule);
    let has_feedback = classify(timeline).feedback != Feedback::None;
    let limit = if has_feedback && key_size(case, timeline) < 16 { HARD } else { 50e-4 };
    of_type(case, (limit, limit))
}

/// Limits on typical inputs of 128 dims.
///
/// | rules | outputs | states |
/// |---|---|---|
/// | scalar decay or none, no feedback | 24e-4 | 16e-4 |
/// | decay by channel, no feedback | 25e-4 | 16e-4 |
/// | feedback, no decay | 45e-4 | 38e-4 |
/// | feedback, scalar decay | 38e-4 | 31e-4 |
/// | feedback, decay by channel | 39e-4 | 33e-4 |
/// | several writes with feedback a token | 39e-4 | 30e-4 |
pub(crate) fn typical(case: &Case) -> Limits {
    let class = classify(timeline(&case.rule));
    if case.precision == Precision::High {
        // Outputs are rounded once, on their way to memory; nothing else is.
        return of_type(case, (MARGIN * ROUNDING, 0.1e-4));
    }
    let of_rule = match (class.feedback, class.decay) {
        (Feedback::None, Decay::None | Decay::Constant | Decay::Scalar) => (24e-4, 16e-4),
        (Feedback::None, _) => (25e-4, 16e-4),
        _ if class.rank > 1 => (39e-4, 30e-4),
        (_, Decay::None | Decay::Constant) => (45e-4, 38e-4),
        (_, Decay::Scalar) => (38e-4, 31e-4),
        _ => (39e-4, 33e-4),
    };
    let rounded = |limit: f64| match COMPUTED.contains(&case.rule.signature.name.as_str()) {
        true => MARGIN * limit.hypot(WORST_ROUNDING),
        false => MARGIN * limit,
    };
    of_type(case, (rounded(of_rule.0), rounded(of_rule.1)))
}

/// Limits where feedback is 2 and keys repeat: medians of the usual choices, emulated on such inputs.
pub(crate) fn hard(case: &Case) -> Limits {
    match case.dtype {
        DType::BF16 => (0.17, 0.29),
        DType::F16 => (0.028, 0.060),
        DType::F32 | DType::F64 => (1e-4, 1e-4),
    }
}

fn of_type(case: &Case, (output, state): Limits) -> Limits {
    match case.dtype {
        DType::BF16 => (output, state),
        DType::F16 => (output / 8.0, state / 8.0),
        DType::F32 | DType::F64 => (1e-4, 1e-4),
    }
}

/// The size of the dim that keys have; 1 where there are none.
fn key_size(case: &Case, timeline: &Timeline) -> usize {
    let key = timeline.events.iter().find_map(|event| match event {
        Event::Write { key, .. } => timeline.graph.shape(*key).dims().next(),
        _ => None,
    });
    key.map_or(1, |dim| case.sizes[dim.index()])
}

/// What is wrong with results, tensor by tensor. A NaN anywhere is an infinite error.
pub(crate) fn complaints(case: &Case, limits: Limits, results: &Tensors, expected: &Tensors) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, expected) in expected.iter() {
        let Some(result) = results.get(name) else {
            wrong.push(format!("`{name}` is missing"));
            continue;
        };
        let limit = if case.is_state(name) { limits.1 } else { limits.0 };
        let limit = if expected.len() < FEW { BADLY_ROUNDED * limit } else { limit };
        let ratio = compare::ratio(result, expected);
        if ratio > limit {
            let count = expected.len();
            wrong.push(format!(
                "`{name}` is off by {ratio:.2e} of its size, over {limit:.2e} ({count} numbers)"
            ));
        }
    }
    if results.len() != expected.len() {
        wrong.push(format!("{} tensors, and not {}", results.len(), expected.len()));
    }
    wrong
}

/// Fails with every complaint.
pub(crate) fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// The cases in the simulator, side by side; every complaint, each with the case it is about.
pub(crate) fn all(cases: Vec<Case>, run: impl Fn(&Case) -> Vec<String> + Sync) {
    use rayon::prelude::*;
    let about = |case: &Case| -> Vec<String> {
        run(case).into_iter().map(|what| format!("{}: {what}", case.label())).collect()
    };
    none(cases.par_iter().map(about).collect::<Vec<_>>().concat());
}
