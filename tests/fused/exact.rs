//! What holds to the bit: later tokens, other sequences and where a sequence lies change nothing.

use crate::case::{Case, KINDS, changed, dense, fused, packed, variable};
use crate::limits::all;
use chunkwise::Arch;
use chunkwise::{Executable, Tensor, Tensors};
use chunkwise_cli::check::cases::Case as Frame;
use chunkwise_cli::check::random::Random;
use chunkwise_codegen::{DType, Plan, Precision};

/// Tokens of the runs: two chunks and a part of one.
const TOKENS: usize = 130;

/// Kernels of one head's block, of narrow blocks with two crews of warps, of each phase, and of the token loop.
const WAYS: [(Plan, usize, Arch); 4] = [
    (Plan::Fused, 128, Arch::Sm80),
    (Plan::Fused, 16, Arch::Sm90),
    (Plan::Split, 128, Arch::Sm80),
    (Plan::Recurrent, 128, Arch::Sm80),
];

/// The type and precision of each turn: f32 more often, since 16 bits hide what the last bits of a sum depend on.
const TURNS: [(DType, Precision); 5] = [KINDS[2], KINDS[0], KINDS[2], KINDS[1], KINDS[3]];

/// Every fifth rule, by the seed, or all; sizes that pad. Plans, blocks, element types and precisions take turns.
fn cases(seed: u64) -> Vec<Case> {
    let takes = |at: usize| variable("CHUNKWISE_CASES", 1) > 1 || (at as u64 + seed).is_multiple_of(5);
    let all = fused(24, 40).into_iter().enumerate().filter(|(at, _)| takes(*at));
    all.map(|(at, case)| in_turn(case, at / 5 + seed as usize)).collect()
}

/// A case by another plan, of another type, in other blocks.
fn in_turn(case: Case, turn: usize) -> Case {
    let (plan, columns, arch) = WAYS[turn % WAYS.len()];
    let (dtype, precision) = match TURNS[turn % TURNS.len()] {
        // A token loop rounds no operand.
        (dtype, _) if plan == Plan::Recurrent => (dtype, Precision::Fast),
        kind => kind,
    };
    let other = Case { dtype, precision, columns, arch, plan, ..case };
    if let Err(why) = other.schedule(arch) {
        panic!("{}: {why}", other.label());
    }
    other
}

fn seed() -> u64 {
    let seed = variable("CHUNKWISE_SEED", 1);
    println!("CHUNKWISE_SEED={seed}");
    seed
}

fn run(simulator: &Executable, inputs: &Tensors) -> Result<Tensors, Vec<String>> {
    simulator.forward(inputs).map_err(|error| vec![error.to_string()])
}

/// Rows `range` along the axis of tokens, or of sequences.
fn rows(tensor: &Tensor, axis: usize, range: std::ops::Range<usize>) -> Vec<u64> {
    let row: usize = tensor.shape()[axis + 1..].iter().product();
    tensor.to_f64()[range.start * row..range.end * row].iter().map(|x| x.to_bits()).collect()
}

/// New tokens after `t`, large ones among them, change no bit at or before `t`; nor does ending the sequence there.
#[test]
fn causality() {
    let seed = seed();
    all(cases(seed), |case| causal(case, seed).unwrap_or_else(|error| error));
}

/// A solve, decays by channel beside it, and rows one by one, at the size that models have; in f32, which hides no bit.
const USUAL: [&str; 3] = ["gated_deltanet", "kda", "longhorn"];

#[test]
fn causality_at_the_usual_size() {
    let seed = seed();
    let wanted = |case: &Case| USUAL.contains(&case.rule.signature.name.as_str());
    let in_f32 = |case| Case { dtype: DType::F32, ..case };
    let cases: Vec<Case> = fused(128, 128).into_iter().filter(wanted).map(in_f32).collect();
    assert_eq!(cases.len(), USUAL.len());
    all(cases, |case| causal(case, seed).unwrap_or_else(|error| error));
}

pub(crate) fn causal(case: &Case, seed: u64) -> Result<Vec<String>, Vec<String>> {
    let simulator = case.simulator();
    let mut random = Random::new(seed);
    let frame = Frame { initial: true, ..dense(1, TOKENS, 1) };
    let inputs = case.inputs(&frame, seed);
    let other = case.inputs(&frame, seed + 1);
    let before = run(&simulator, &inputs)?;
    let mut wrong = Vec::new();
    // Around sub-blocks and chunks, and anywhere.
    let places = [15, 16, 63, 64, (random.bits() % TOKENS as u64) as usize];
    for (t, scale) in [(places[(random.bits() % 4) as usize], 64.0), (places[4], 1.0)] {
        let scaled = |scale: f64| {
            let mut later = inputs.clone();
            for name in case.token_params() {
                let scale = if is_free_vector(case, name) { scale } else { 1.0 };
                later.insert(name, replaced(&inputs[name], &other[name], t, scale));
            }
            run(&simulator, &later)
        };
        let after = match scaled(scale)? {
            after if is_finite(&after) => after,
            // Rules that large keys make diverge overflow, and what is infinite reaches earlier tokens of its chunk: 0 times it.
            _ => scaled(1.0)?,
        };
        wrong.extend(compare(case, (&before, &after), t, &format!("tokens after {t}, times {scale},")));
        let mut shorter = inputs.clone();
        for name in case.token_params() {
            shorter.insert(name, prefix(&inputs[name], t + 1));
        }
        let after = run(&simulator, &shorter)?;
        wrong.extend(compare(case, (&before, &after), t, &format!("the end of the sequence after {t}")));
    }
    Ok(wrong)
}

fn compare(case: &Case, (before, after): (&Tensors, &Tensors), t: usize, what: &str) -> Vec<String> {
    let outputs = before.iter().filter(|(name, _)| !case.is_state(name));
    let differs = |(name, x): (&str, &Tensor)| rows(x, 1, 0..t + 1) != rows(&after[name], 1, 0..t + 1);
    let names = outputs.filter(|output| differs(*output)).map(|(name, _)| name);
    names.map(|name| format!("{what} changes `{name}` at or before it")).collect()
}

fn is_finite(results: &Tensors) -> bool {
    results.iter().all(|(_, tensor)| tensor.to_f64().iter().all(|x| x.is_finite()))
}

fn is_ranged(case: &Case, name: &str) -> bool {
    case.rule.signature.params.iter().any(|p| p.name == name && p.range.is_some())
}

/// A vector whose range nobody declared.
fn is_free_vector(case: &Case, name: &str) -> bool {
    let param = case.rule.signature.params.iter().find(|p| p.name == name);
    param.is_some_and(|p| p.range.is_none() && p.shape.dims().next().is_some())
}

/// Tokens after `t` from another tensor.
fn replaced(tensor: &Tensor, other: &Tensor, t: usize, scale: f64) -> Tensor {
    let row: usize = tensor.shape()[2..].iter().product();
    let other = other.to_f64();
    changed(tensor, |numbers| {
        numbers.iter_mut().zip(other.iter()).skip((t + 1) * row).for_each(|(x, y)| *x = y * scale);
    })
}

/// The first tokens.
fn prefix(tensor: &Tensor, tokens: usize) -> Tensor {
    let mut shape = tensor.shape().to_vec();
    let row: usize = shape[2..].iter().product();
    shape[1] = tokens;
    let numbers = tensor.to_f64()[..tokens * row].to_vec();
    let exact = Tensor::new(shape, numbers).expect("a prefix has its shape");
    exact.cast(tensor.element()).expect("floats convert into one another")
}

/// The packed sequences; the second is poisoned, its neighbours are not.
const LENGTHS: [usize; 5] = [17, 70, 0, 1, 20];
const POISONED: usize = 1;

/// NaN and infinities in one sequence reach no bit of another, nor does the neighbour's presence.
#[test]
fn containment() {
    let seed = seed();
    all(cases(seed), |case| contained(case, seed).unwrap_or_else(|error| error));
}

pub(crate) fn contained(case: &Case, seed: u64) -> Result<Vec<String>, Vec<String>> {
    let simulator = case.simulator();
    let frame = Frame { initial: true, ..packed(&LENGTHS, 2) };
    let inputs = case.inputs(&frame, seed);
    let before = run(&simulator, &inputs)?;
    let starts: Vec<usize> = (0..LENGTHS.len()).map(|n| LENGTHS[..n].iter().sum()).collect();
    let mut wrong = Vec::new();
    for poison in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut poisoned = inputs.clone();
        let mut spoil = |name: &str, axis: usize, range: std::ops::Range<usize>| {
            let tensor = &inputs[name];
            let row: usize = tensor.shape()[axis + 1..].iter().product();
            let fill = |numbers: &mut [f64]| numbers[range.start * row..range.end * row].fill(poison);
            poisoned.insert(name, changed(tensor, fill));
        };
        // A declared range keeps infinities out, and NaN passes.
        for name in case.token_params().filter(|name| poison.is_nan() || !is_ranged(case, name)) {
            spoil(name, 1, starts[POISONED]..starts[POISONED] + LENGTHS[POISONED]);
        }
        for state in &case.rule.signature.states {
            spoil(&format!("{}0", state.name), 0, POISONED..POISONED + 1);
        }
        let after = run(&simulator, &poisoned)?;
        for n in (0..LENGTHS.len()).filter(|n| *n != POISONED) {
            for (name, x) in before.iter() {
                let (axis, range) = match case.is_state(name) {
                    true => (0, n..n + 1),
                    false => (1, starts[n]..starts[n] + LENGTHS[n]),
                };
                if rows(x, axis, range.clone()) != rows(&after[name], axis, range) {
                    wrong.push(format!("{poison} in sequence {POISONED} reaches `{name}` of sequence {n}"));
                }
            }
        }
    }
    Ok(wrong)
}
