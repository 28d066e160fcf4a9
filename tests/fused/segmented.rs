//! The segmented plan, from its specification: what one run over all tokens gives, pieces of a sequence side by side give too.

use crate::case::{Case, KINDS, dense, packed, rules, variable};
use crate::exact::{causal, contained};
use crate::limits::{all, any, complaints};
use chunkwise::Arch;
use chunkwise_cli::check::cases::Case as Frame;
use chunkwise_codegen::Plan;

/// Rules that have the plan, in chunks of 16 and pieces of two; a part of them, by the seed, or all. Types take turns.
fn cases(seed: u64, part: u64) -> Vec<Case> {
    let all = rules().into_iter().enumerate().map(|(at, rule)| {
        let sizes = (0..rule.signature.dims.len()).map(|dim| if dim == 0 { 24 } else { 33 }).collect();
        let (dtype, precision) = KINDS[(at + seed as usize) % KINDS.len()];
        let case = Case::new(rule, dtype, sizes);
        Case { precision, chunk: 16, plan: Plan::Segmented, piece: Some(32), ..case }
    });
    let takes = |at: usize| variable("CHUNKWISE_CASES", 1) > 1 || (at as u64 + seed).is_multiple_of(part);
    let mut cases: Vec<Case> = all.filter(|case| case.schedule(Arch::Sm80).is_ok()).collect();
    assert!(cases.len() >= 25, "only {} rules have the plan", cases.len());
    let mut at = 0..;
    cases.retain(|_| at.next().is_some_and(takes));
    cases
}

fn seed() -> u64 {
    let seed = variable("CHUNKWISE_SEED", 1);
    println!("CHUNKWISE_SEED={seed}");
    seed
}

/// Lengths around pieces, empty sequences among them, with and without initial states, in one and several heads.
#[test]
fn pieces_compose() {
    let seed = seed();
    all(cases(seed, 3), |case| {
        let frames = [
            Frame { initial: true, ..dense(2, 70, 1) },
            Frame { initial: seed.is_multiple_of(2), ..packed(&[65, 0, 3, 32], 2) },
        ];
        frames.iter().flat_map(|frame| run(case, frame, seed)).collect()
    });
}

fn run(case: &Case, frame: &Frame, seed: u64) -> Vec<String> {
    let inputs = case.inputs(frame, seed);
    let wrong = match case.simulator().forward(&inputs) {
        Ok(results) => complaints(case, any(case), &results, &case.expected(&inputs)),
        Err(error) => vec![error.to_string()],
    };
    wrong.into_iter().map(|what| format!("{frame:?}, seed {seed}: {what}")).collect()
}

/// Later tokens change no bit of an earlier one, be they in the same piece or in a later one.
#[test]
fn causality() {
    let seed = seed();
    all(cases(seed, 9), |case| causal(case, seed).unwrap_or_else(|error| error));
}

/// What is no number stays in its sequence.
#[test]
fn containment() {
    let seed = seed();
    all(cases(seed + 1, 9), |case| contained(case, seed).unwrap_or_else(|error| error));
}
