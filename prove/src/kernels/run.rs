//! One kernel on all its frames on a device, every number compared with the token loop in f64 on the same inputs.
//!
//! Two limits hold. The root mean square of the error over that of the reference is at most `limit`, by element type;
//! states, which are f32 in every kernel, are held to f32's. And each number alone is within rounding to its type, plus
//! `LEEWAY` of the tensor's size for what f32 arithmetic adds, so that one wrong number in a large tensor does not pass.
//!
//! Tensor cores round the operands of the chunkwise plans; there the limit is that of `chunkwise check`; states are held to the
//! same; and no number may be off by more than `OUTLIER` of the greatest. In few dims numbers that are nearly equal cancel, and no
//! rounding of operands is small beside what is left. How much there is to lose, the token loop itself tells: run again on inputs
//! that are each moved by what rounding moves at most. There a kernel may be off by `ROUNDINGS` times as much.
//!
//! A rule may make more of f32's rounding than that (a layer norm of nearly equal numbers does). What the CPU's token loop
//! is off by in f32, on the same inputs, tells how much: a kernel may be off by `ORDERS` times as much.

use super::case::{Case, Way, frames, rule};
use chunkwise::{Device, Element, Error, Executable, Options, PlanChoice, Rule, RuleExt, Tensor, Tensors};
use chunkwise_cli::check::cases::Case as Frame;
use chunkwise_cli::check::random::Random;
use chunkwise_cli::check::{compare, draw, element};
use chunkwise_codegen::{DType, Precision};
use chunkwise_dsl::class::{Feedback, classify};
use chunkwise_runtime::cache::Cache;
use chunkwise_runtime::jit::Jit;
use chunkwise_runtime::nvrtc::Nvrtc;
use std::sync::Arc;

/// What f32 arithmetic may add to a number, as a part of the greatest number of its tensor.
const LEEWAY: f64 = 2e-5;

/// How much more than the token loop in f32 a kernel may be off, which sums in another order, with approximate functions.
const ORDERS: f64 = 8.0;

/// The greatest ratio of root mean squares: f32 arithmetic over a few tokens, or the rounding of results to 16 bits, which
/// alone can come to 2^-11 in f16 and 2^-8 in bf16, where a tensor is small and its numbers lie badly.
fn limit(dtype: DType) -> f64 {
    match dtype {
        DType::F64 | DType::F32 => 1e-5,
        DType::F16 => 5e-4,
        DType::BF16 => 4e-3,
    }
}

/// The greatest error of one number of a chunkwise plan, as a part of the greatest number of its tensor.
const OUTLIER: f64 = 0.05;

/// The same limit of a chunkwise plan: outputs and states alike.
fn chunkwise_limit(rule: &Rule, case: &Case, numbers: usize) -> f64 {
    let timeline = rule.timeline.as_ref().ok();
    let has_feedback = timeline.is_some_and(|timeline| classify(timeline).feedback != Feedback::None);
    // Of few numbers of 16 bits each may be rounded badly.
    let few = if numbers < 256 { 2.4 } else { 1.0 };
    match case.dtype {
        DType::BF16 => few * 50e-4,
        // Keys of few dims are nearly parallel, and on clusters of such keys the usual kernels come to this.
        DType::F16 if has_feedback && has_few_dims(case) => few * 25e-4,
        DType::F16 => few * 6.3e-4,
        DType::F32 | DType::F64 => 1e-4,
    }
}

/// Fewer numbers of a dim may cancel.
const FEW_DIMS: usize = 16;

fn has_few_dims(case: &Case) -> bool {
    case.sizes.iter().any(|&size| size < FEW_DIMS)
}

/// How many roundings of the size of an input's a result may then show.
const ROUNDINGS: f64 = 2.0;

/// By what rounding an operand of the chunkwise plans moves a number at most: once, or in two parts.
fn moved(case: &Case) -> f64 {
    match (case.dtype, case.way.precision()) {
        (DType::BF16, Precision::Fast) => 3.9e-3,
        (DType::F16, Precision::Fast) => 4.9e-4,
        _ => 1.5e-5,
    }
}

/// What one kernel came to.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// All frames ran and agree.
    Proved {
        /// Warp instructions of all launches, where they are counted.
        instructions: u64,
        /// The greatest ratio of any tensor.
        worst: f64,
    },
    /// The generator has no kernel for this, for the reason given.
    Refused(String),
    /// What is wrong, frame by frame.
    Failed(Vec<String>),
}

/// Compiles the kernel of a case and runs it on every frame.
pub fn run(case: &Case, device: &Device, nvrtc: &Nvrtc) -> Verdict {
    let Some(rule) = rule(&case.rule) else {
        return Verdict::Failed(vec![format!("there is no rule `{}`", case.rule)]);
    };
    let (mut instructions, mut worst, mut failures) = (0, 0.0f64, Vec::new());
    let executable = match prepare(rule, device, case, nvrtc) {
        Ok(executable) => executable,
        Err(error) => return Verdict::Failed(vec![error.to_string()]),
    };
    for frame in frames(rule, case.way) {
        match run_frame(rule, case, &frame, &executable) {
            Ok(Ran { counted, ratio, wrong }) => {
                instructions += counted;
                worst = worst.max(ratio);
                failures.extend(wrong.into_iter().map(|what| format!("{}: {what}", frame.name)));
            }
            // An instruction that the simulator does not know is no reason to pass over a kernel.
            Err(Error::Limitation(why)) if !why.to_string().contains("the simulator") => {
                return Verdict::Refused(why.to_string());
            }
            Err(error) => failures.push(format!("{}: {error}", frame.name)),
        }
    }
    if failures.is_empty() { Verdict::Proved { instructions, worst } } else { Verdict::Failed(failures) }
}

/// The rule on the device. Its kernels are kept in memory, and go with it.
fn prepare(rule: &Rule, device: &Device, case: &Case, nvrtc: &Nvrtc) -> Result<Executable, Error> {
    let plan = case.way.plan().into();
    let precision = case.way.precision();
    let columns = Some(case.way.columns());
    let options =
        Options { plan, dtype: Some(element(case.dtype)), precision, columns, ..Options::default() };
    let jit = Arc::new(Jit::new(nvrtc.clone(), Cache::in_memory()));
    Ok(rule.on(device)?.with_options(options).with_jit(jit))
}

/// One run and what was seen of it.
struct Ran {
    counted: u64,
    ratio: f64,
    wrong: Vec<String>,
}

fn run_frame(rule: &Rule, case: &Case, frame: &Frame, executable: &Executable) -> Result<Ran, Error> {
    let (inputs, expected) = problem(rule, case, frame)?;
    let results = executable.forward(&inputs)?;
    let counted = executable.counters().iter().map(|launched| launched.report.total.instructions).sum();
    let mut ran = Ran { counted, ratio: 0.0, wrong: Vec::new() };
    for (name, expected) in expected.iter() {
        let is_state = rule.signature.states.iter().any(|state| state.name == name);
        let dtype = if is_state { DType::F32 } else { case.dtype };
        let Some(result) = results.get(name) else {
            ran.wrong.push(format!("`{name}` is missing"));
            continue;
        };
        ran.ratio = ran.ratio.max(compare::ratio(result, expected));
        if case.way != Way::Recurrent {
            let Some(wrong) = chunkwise_complaint(rule, case, result, expected) else { continue };
            if !has_few_dims(case) || !is_lost(rule, case, &inputs, (name, result, expected))? {
                ran.wrong.push(format!("`{name}` {wrong}"));
            }
            continue;
        }
        let Some(first) = complaint(result, expected, dtype, None) else { continue };
        let by_f32 = token_loop(rule, &inputs, Element::F32)?;
        if complaint(result, expected, dtype, by_f32.get(name)).is_some() {
            ran.wrong.push(format!("`{name}` {first}"));
        }
    }
    if results.len() != expected.len() {
        ran.wrong.push(format!("{} tensors, and not {}", results.len(), expected.len()));
    }
    Ok(ran)
}

/// Whether a result is as near to its reference as the token loop is, of inputs that rounding has moved.
fn is_lost(
    rule: &Rule,
    case: &Case,
    inputs: &Tensors,
    (name, result, expected): (&str, &Tensor, &Tensor),
) -> Result<bool, Error> {
    let mut most = 0.0f64;
    for seed in 1..=3 {
        let mut random = Random::new(seed);
        let moved = draw::nudged(inputs, moved(case), || random.bits() & 1 == 0)?;
        let near = token_loop(rule, &moved, Element::F64)?;
        most = most.max(near.get(name).map_or(0.0, |near| compare::ratio(near, expected)));
    }
    Ok(most.is_finite() && compare::ratio(result, expected) <= ROUNDINGS * most)
}

/// What is wrong with a result of a chunkwise plan, if anything.
fn chunkwise_complaint(rule: &Rule, case: &Case, result: &Tensor, expected: &Tensor) -> Option<String> {
    let (ratio, limit) = (compare::ratio(result, expected), chunkwise_limit(rule, case, expected.len()));
    if ratio > limit {
        return Some(format!("is off by {ratio:.1e} of its size, over {limit:.1e}"));
    }
    let greatest = expected.to_f64().iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let error = greatest_error(result, expected);
    (error > OUTLIER * greatest)
        .then(|| format!("is off by {error:.1e} at one number; the greatest is {greatest:.1e}"))
}

/// Outputs and final states of the token loop on the CPU.
fn token_loop(rule: &Rule, inputs: &Tensors, element: Element) -> Result<Tensors, Error> {
    let options = Options { plan: PlanChoice::Recurrent, dtype: Some(element), ..Options::default() };
    rule.on(&Device::cpu())?.with_options(options).forward(inputs)
}

/// What is wrong with a result, if anything. `by_f32` is what the token loop in f32 comes to, where that may excuse it.
fn complaint(result: &Tensor, expected: &Tensor, dtype: DType, by_f32: Option<&Tensor>) -> Option<String> {
    // A NaN, which a ratio calls infinite, excuses nothing.
    let excused =
        |of: &dyn Fn(&Tensor) -> f64| by_f32.map(of).filter(|x| x.is_finite()).map_or(0.0, |x| ORDERS * x);
    let ratio = compare::ratio(result, expected);
    // Of few numbers, each may happen to be rounded badly; that is judged number by number.
    if expected.len() >= 16 && ratio > limit(dtype).max(excused(&|tensor| compare::ratio(tensor, expected))) {
        return Some(format!("is off by {ratio:.1e} of its size"));
    }
    let greatest = expected.to_f64().iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let leeway = (LEEWAY * greatest).max(excused(&|tensor| greatest_error(tensor, expected)));
    worst_number(result, expected, dtype, leeway)
}

/// The greatest difference of two tensors.
fn greatest_error(result: &Tensor, expected: &Tensor) -> f64 {
    let (result, expected) = (result.to_f64(), expected.to_f64());
    result.iter().zip(expected.iter()).fold(0.0, |most, (x, y)| most.max((x - y).abs()))
}

/// The first number that is further from its reference than rounding to a type and a leeway, absolute, explain.
pub fn worst_number(result: &Tensor, expected: &Tensor, dtype: DType, leeway: f64) -> Option<String> {
    if result.shape() != expected.shape() {
        return Some(format!("has shape {:?}, and not {:?}", result.shape(), expected.shape()));
    }
    // Rounding to nearest: half a unit in the last place, and half of the least number where it is subnormal.
    let (relative, absolute) = match dtype {
        DType::BF16 => (2f64.powi(-8), 0.0),
        DType::F16 => (2f64.powi(-11), 2f64.powi(-25)),
        DType::F32 | DType::F64 => (2f64.powi(-24), 0.0),
    };
    let (result, expected) = (result.to_f64(), expected.to_f64());
    let limit = |y: f64| 1.01 * relative * y.abs() + absolute + leeway;
    let wrong = |(x, y): (&f64, &f64)| x.is_nan() || (x - y).abs() > limit(*y);
    let at = result.iter().zip(expected.iter()).position(wrong)?;
    Some(format!(
        "is {:e} at number {at}, and not {:e}; rounding and {leeway:.1e} would be right",
        result[at], expected[at]
    ))
}

/// Inputs of moderate results, rounded to the types under test, and what the token loop in f64 makes of them.
fn problem(rule: &Rule, case: &Case, frame: &Frame) -> Result<(Tensors, Tensors), Error> {
    let mut scale = 1.0;
    loop {
        let drawn = draw::inputs(rule, frame, &case.sizes, scale, case.seed)?;
        let drawn = if case.way == Way::Recurrent { drawn } else { contractive(drawn)? };
        let inputs = cast(&drawn, element(case.dtype))?;
        let expected = token_loop(rule, &inputs, Element::F64)?;
        if scale < 0.01 || expected.iter().all(|(_, tensor)| compare::is_tame(tensor)) {
            return Ok((inputs, expected));
        }
        scale /= 2.0;
    }
}

/// A map `I + b a^T` of independent unit vectors is no contraction; in few dims it grows with every token, and with it the
/// rounding of operands. Models use `b = -beta a`, so `b` becomes minus half of `a`, and short where heads are grouped.
fn contractive(mut inputs: Tensors) -> Result<Tensors, Error> {
    let (Some(a), Some(b)) = (inputs.get("a"), inputs.get("b")) else { return Ok(inputs) };
    if a.shape().len() != 4 || b.shape().len() != 4 {
        return Ok(inputs);
    }
    let (from, factor) = if a.shape() == b.shape() { (a, -0.5) } else { (b, 0.05) };
    let numbers: Vec<f64> = from.to_f64().iter().map(|x| factor * x).collect();
    let changed = Tensor::new(from.shape().to_vec(), numbers)?;
    inputs.insert("b", changed);
    Ok(inputs)
}

/// Every float tensor rounded to a type, so that the simulator and the reference start from the same numbers.
fn cast(tensors: &Tensors, element: Element) -> Result<Tensors, Error> {
    let one = |(name, tensor): (&str, &Tensor)| match tensor.element().is_float() {
        true => Ok((name.to_owned(), tensor.cast(element)?)),
        false => Ok((name.to_owned(), tensor.clone())),
    };
    tensors.iter().map(one).collect()
}
