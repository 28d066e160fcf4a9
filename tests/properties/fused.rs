//! The fused kernels of random rules, in the simulator, against the token loop in f64.
//!
//! A rule that nobody chose may take the difference of numbers that are nearly equal, and then no rounding of operands is
//! small beside what is left. How much there is to lose, the token loop itself tells: run again on inputs that are each moved
//! by what rounding moves at most. A kernel, which rounds a handful of operands a token, may be off by `ROUNDINGS` times as
//! much, or by the limit of `chunkwise check`.

use crate::compare;
use crate::library::arrays;
use crate::problem::{Array, Arrays, Sequences};
use crate::properties::case;
use crate::random::Random;
use crate::simulated::{jit, rounded};
use crate::source::{Source, Verdict};
use chunkwise_codegen::kernel::Spec;
use chunkwise_codegen::{Arch, DType, Limitation, Plan, Precision};
use chunkwise_runtime::{Device, Element, Error, Executable, Options, PlanChoice, RuleExt, Tensors};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many rules had a kernel.
pub(crate) static RUN: AtomicUsize = AtomicUsize::new(0);

/// How many of them ran in pieces.
pub(crate) static IN_PIECES: AtomicUsize = AtomicUsize::new(0);

/// Element types with precisions, how far off results may be, and by what rounding moves a number at most.
const KINDS: [(Element, DType, Precision, f64, f64); 4] = [
    (Element::BF16, DType::BF16, Precision::Fast, 50e-4, 3.9e-3),
    (Element::F16, DType::F16, Precision::Fast, 6.3e-4, 4.9e-4),
    (Element::F32, DType::F32, Precision::Fast, 1e-4, 1.5e-5),
    (Element::BF16, DType::BF16, Precision::High, 50e-4, 1.5e-5),
];

/// How many roundings of the size of an input's a result may show.
const ROUNDINGS: f64 = 8.0;

/// Outputs and final states of the fused kernel, where there is one, are those of the token loop.
pub(crate) fn fused(source: &mut Source) -> Verdict {
    let mut case = case(source, sequences)?;
    for size in case.problem.sizes.values_mut() {
        *size = source.pick(&[4, 16, 1, 24, 33, 3, 64]);
    }
    let (element, dtype, precision, limit, moved) = source.pick(&KINDS);
    let Ok(timeline) = &case.rule.timeline else { return Ok(()) };
    let sizes = case.rule.signature.dims.iter().map(|dim| case.problem.sizes[dim]).collect();
    let columns = source.pick(&[128, 16, 32]);
    let spec = Spec { precision, columns, ..Spec::new(sizes, dtype) };
    // Short chunks and pieces, so that there are several.
    let short = Spec { chunk: 16, ..spec.clone() };
    let (plan, spec) = match source.pick(&[Plan::Fused, Plan::Segmented, Plan::Split]) {
        Plan::Split => (Plan::Split, spec),
        Plan::Segmented if Plan::Segmented.emit(timeline, &short, Arch::Sm80).is_ok() => {
            (Plan::Segmented, short)
        }
        _ => (Plan::Fused, spec),
    };
    match plan.emit(timeline, &spec, Arch::Sm80) {
        Ok(_) => {}
        Err(Limitation::Invalid(what)) => return case.verdict("fused", &[what]),
        Err(_) => return Ok(()),
    }
    IN_PIECES.fetch_add(usize::from(plan == Plan::Segmented), Ordering::Relaxed);
    RUN.fetch_add(1, Ordering::Relaxed);
    let inputs = rounded(&case.problem.pose(&case.layout, case.seed).inputs, element);
    let jit = jit()?;
    let run = || -> Result<(Arrays, Arrays), Error> {
        let cpu = case.rule.on(&Device::cpu())?;
        let cpu =
            cpu.with_options(options(PlanChoice::Recurrent, Element::F64, &Spec::new(Vec::new(), dtype)));
        let simulator = case.rule.on(&Device::sim(Arch::Sm80))?.with_jit(jit.clone());
        let simulator = simulator.with_options(options(plan.into(), element, &spec));
        let expected = forward(&cpu, &inputs)?;
        let got = forward(&simulator, &inputs)?;
        let lost = [1, 2, 3].map(|seed| forward(&cpu, &nudged(&inputs, moved, seed)));
        let mut leeway = Arrays::new();
        for other in lost {
            for (name, array) in other? {
                let distance = compare::distance(&expected[&name], &array);
                let most = leeway.entry(name).or_insert(Array { shape: vec![], data: vec![0.0] });
                most.data[0] = most.data[0].max(distance);
            }
        }
        // What may be lost goes into the reference: an error within it is none.
        let got = got.into_iter().map(|(name, array)| {
            let allowed = leeway.get(&name).map_or(0.0, |most| ROUNDINGS * most.data[0]);
            let near = expected.get(&name).filter(|e| e.shape == array.shape);
            let near = near.filter(|e| compare::distance(e, &array) <= allowed).cloned();
            (name, near.unwrap_or(array))
        });
        let got = got.collect();
        Ok((expected, got))
    };
    let label = format!("{plan}, {element}, {precision:?}");
    match run() {
        Ok((expected, got)) => case.verdict(label, &compare::differences(&expected, &got, limit)),
        Err(error) => case.verdict(label, &[error.to_string()]),
    }
}

/// Within a chunk and beyond it.
fn sequences(source: &mut Source) -> Sequences {
    match source.one_in(3) {
        true => {
            Sequences::Packed((0..2 + source.below(2)).map(|_| source.pick(&[5, 17, 0, 1, 66])).collect())
        }
        false => Sequences::Batch { batch: 1, tokens: source.pick(&[5, 17, 1, 66, 80]) },
    }
}

fn options(plan: PlanChoice, element: Element, spec: &Spec) -> Options {
    let Spec { precision, chunk, columns, .. } = *spec;
    Options {
        plan,
        dtype: Some(element),
        precision,
        chunk,
        columns: Some(columns),
        piece: Some(32),
        ..Options::default()
    }
}

fn forward(executable: &Executable, inputs: &Tensors) -> Result<Arrays, Error> {
    executable.forward(inputs).map(arrays)
}

/// Every number moved by this part of itself, up or down; packed offsets stay.
fn nudged(inputs: &Tensors, part: f64, seed: u64) -> Tensors {
    let mut random = Random::new(seed);
    let mut one = |(name, tensor): (&str, &chunkwise_runtime::Tensor)| {
        if !tensor.element().is_float() {
            return (name.to_owned(), tensor.clone());
        }
        let mut sign = || if random.bits() & 1 == 0 { part } else { -part };
        let numbers: Vec<f64> = tensor.to_f64().iter().map(|x| x * (1.0 + sign())).collect();
        let moved = chunkwise_runtime::Tensor::new(tensor.shape().to_vec(), numbers);
        (name.to_owned(), moved.expect("the shape is as it was"))
    };
    inputs.iter().map(&mut one).collect()
}
