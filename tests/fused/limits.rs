//! How far results may be off: RMS(error) / RMS(reference) of outputs and of final states, never more than what the
//! measured policy on numerics says of flash-linear-attention's own choices of operands in bf16.
//!
//! | inputs | outputs | states |
//! |---|---|---|
//! | any: its strictest test, which `chunkwise check` has too | 50e-4 | 50e-4 |
//! | any, in high precision: half of its test limits, and the most that is lost there on the policy's hard set | 20e-4 | 3e-4 |
//! | keys of less than 16 dims with feedback, in f16: as parallel as those of the hard set, in eleven bits | 25e-4 | 25e-4 |
//! | feedback of exactly 2 on keys repeated to the bit, where its choices come to .17 and .29: its strictest test | 50e-4 | 50e-4 |
//! | the same, where channels decay, a token has several steps, or one square solves for several states: as its choices come to in f16 | .028 | .060 |
//! | the same in high precision: half of its test limits | 20e-4 | 20e-4 |
//! | typical ones, many numbers: [`typical`], by rule | 24-30e-4 | 13-30e-4 |
//! | typical ones, many numbers, in f16: all operands in eleven bits, whatever the rule | 5.9e-4 | 4.5e-4 |
//!
//! f16 has eight times bf16's precision: an eighth of each, but where the policy has figures for eleven bits, for the states of high
//! precision, which are not stored in 16 bits, and where feedback of 2 repeats, which is rounded to tf32 for either. f32: 1e-4 of all.

use crate::case::{Case, timeline};
use chunkwise::Tensors;
use chunkwise_cli::check::compare;
use chunkwise_codegen::{DType, Precision};
use chunkwise_dsl::class::{Decay, Feedback, classify};
use chunkwise_dsl::timeline::{Event, Timeline};

/// Limits of outputs and of states.
pub(crate) type Limits = (f64, f64);

/// Of flash-linear-attention's tests, the one that asks for most.
const STRICTEST: f64 = 50e-4;

/// What is lost in high precision on clusters of near-parallel keys with feedback up to 2; on typical inputs.
const SPLIT: f64 = 3e-4;
const SPLIT_TYPICAL: f64 = 0.1e-4;

/// On the same clusters with all operands in eleven bits, at 64 tokens a chunk.
const PARALLEL: f64 = 25e-4;

/// Of all operands in eleven bits, in whole units: outputs stored as bf16 are off by 17, of which storing is 16.6, and states
/// by 4 at most. Storing as f16 is an eighth of that.
const ELEVEN_BITS: Limits = (5.9e-4, 4.5e-4);

/// With f32 inputs, of everything.
const FULL: Limits = (1e-4, 1e-4);

/// Of few numbers of 16 bits each may be rounded badly: half a unit in the last place is up to 2^-8 of a bf16 number, and 16.6e-4
/// in the root mean square. Those of a state are as far off as the few rows that are in it, whatever the size of its keys: it has as
/// many as a block of tokens has (a state of 128 x 1 after 15 tokens, in f16: 2.1e-4 to 6.5e-4 by the seed; of 128 x 16, 2.8e-4 to
/// 4.3e-4).
const FEW: usize = 256;
const ROWS: usize = 16;
const BADLY_ROUNDED: f64 = 2.4;

/// Many numbers may be rounded badly too, if most of them stand just above a power of two: what storing the exact ones loses, and
/// some numbers fall to the other side.
const STORED: f64 = 1.02;

/// Half of flash-linear-attention's own test limits, .004 to .006.
const HALF: Limits = (30e-4, 30e-4);
const LEAST_HALF: f64 = 20e-4;

/// The policy's figures are in whole units.
const UNIT: f64 = 1e-4;

/// Limits on any inputs.
pub(crate) fn any(case: &Case) -> Limits {
    let timeline = timeline(&case.rule);
    let has_feedback = classify(timeline).feedback != Feedback::None;
    match (case.dtype, case.precision) {
        (DType::F32 | DType::F64, _) => FULL,
        (_, Precision::High) => (of_type(case, (LEAST_HALF, SPLIT)).0, SPLIT),
        (DType::F16, _) if has_feedback && key_size(case, timeline) < 16 => (PARALLEL, PARALLEL),
        (_, Precision::Fast) => of_type(case, (STRICTEST, STRICTEST)),
    }
}

/// Limits on typical inputs of 128 dims: the usual choices' own errors, and at most half of their test limits. In bf16:
///
/// | rules | outputs | states |
/// |---|---|---|
/// | scalar decay or none, no feedback | 24e-4 | 16e-4 |
/// | decay by channel, no feedback | 25e-4 | 16e-4 |
/// | feedback, no decay | 45e-4 | 38e-4 |
/// | feedback, scalar decay | 38e-4 | 31e-4 |
/// | feedback, decay by channel | 39e-4 | 33e-4 |
/// | several writes a token with feedback among them | 39e-4 | 30e-4 |
/// | the same, decay by channel | 24e-4 | 13e-4 |
pub(crate) fn typical(case: &Case) -> Limits {
    if case.precision == Precision::High {
        // Outputs are rounded once, on their way to memory; nothing else is.
        return of_type(case, (LEAST_HALF, SPLIT_TYPICAL));
    }
    match case.dtype {
        DType::BF16 => typical_in_bf16(case),
        DType::F16 => ELEVEN_BITS,
        DType::F32 | DType::F64 => FULL,
    }
}

fn typical_in_bf16(case: &Case) -> Limits {
    let class = classify(timeline(&case.rule));
    let by_number = matches!(class.decay, Decay::None | Decay::Constant | Decay::Scalar);
    let (output, state) = match (class.feedback, class.decay) {
        (Feedback::None, _) if by_number => (24e-4, 16e-4),
        (Feedback::None, _) => (25e-4, 16e-4),
        _ if class.rank > 1 && by_number => (39e-4, 30e-4),
        _ if class.rank > 1 => (24e-4, 13e-4),
        (_, Decay::None | Decay::Constant) => (45e-4, 38e-4),
        (_, Decay::Scalar) => (38e-4, 31e-4),
        _ => (39e-4, 33e-4),
    };
    ((output + UNIT / 2.0).min(HALF.0), (state + UNIT / 2.0).min(HALF.1))
}

/// Limits where feedback is 2 and keys repeat, where the usual choices come to .17 and .29 in bf16, and .028 and .060 in f16. What is
/// fed back is rounded to eleven bits for either.
pub(crate) fn hard(case: &Case) -> Limits {
    match case.dtype {
        DType::BF16 | DType::F16 if case.precision == Precision::High => {
            of_type(case, (LEAST_HALF, LEAST_HALF))
        }
        DType::BF16 | DType::F16 => (STRICTEST, STRICTEST),
        DType::F32 | DType::F64 => FULL,
    }
}

/// The same where what is fed back passes more on its way than a square: channels that decay, the steps of a token, or the decays of
/// states that are solved for with one square.
pub(crate) fn hard_apart(case: &Case) -> Limits {
    match (case.dtype, case.precision) {
        (DType::BF16 | DType::F16, Precision::Fast) => (0.028, 0.060),
        _ => hard(case),
    }
}

fn of_type(case: &Case, (output, state): Limits) -> Limits {
    match case.dtype {
        DType::BF16 => (output, state),
        DType::F16 => (output / 8.0, state / 8.0),
        DType::F32 | DType::F64 => FULL,
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
    let stored = case.round(expected);
    for (name, expected) in expected.iter() {
        let Some(result) = results.get(name) else {
            wrong.push(format!("`{name}` is missing"));
            continue;
        };
        let stored = stored.get(name).map(|stored| STORED * compare::ratio(stored, expected));
        let stored = stored.filter(|stored| stored.is_finite()).unwrap_or(0.0);
        let limit = if case.is_state(name) { limits.1 } else { limits.0.max(stored) };
        let rows = expected.len().div_ceil(key_size(case, timeline(&case.rule))).saturating_mul(ROWS);
        let numbers = if case.is_state(name) { expected.len().min(rows) } else { expected.len() };
        let few = numbers < FEW && matches!(case.dtype, DType::BF16 | DType::F16);
        let limit = if few { BADLY_ROUNDED * limit } else { limit };
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

/// What is wrong with what a case makes of inputs in the simulator, once they are rounded to its type.
pub(crate) fn judged(case: &Case, inputs: &Tensors, limits: Limits) -> Vec<String> {
    let inputs = case.round(inputs);
    match case.simulator().forward(&inputs) {
        Ok(results) => complaints(case, limits, &results, &case.expected(&inputs)),
        Err(error) => vec![error.to_string()],
    }
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
