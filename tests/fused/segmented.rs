//! The segmented plan, from its specification: what one run over all tokens gives, pieces of a sequence side by side give too.

use crate::case::{Case, KINDS, dense, packed, rules, variable};
use crate::exact::{causal, contained};
use crate::extremes::{self, LOGS, NEGATIVE, Pattern, RAW, strong_feedback, with_pattern};
use crate::limits::{all, any, hard, judged};
use crate::own;
use chunkwise::Arch;
use chunkwise_cli::check::cases::Case as Frame;
use chunkwise_cli::check::compare;
use chunkwise_codegen::{DType, Plan};

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
    all(cases(seed, 8), |case| {
        let frames = [
            Frame { initial: true, ..dense(2, 70, 1) },
            Frame { initial: seed.is_multiple_of(2), ..packed(&[65, 0, 3, 32], 2) },
        ];
        frames.iter().flat_map(|frame| run(case, frame, seed)).collect()
    });
}

fn run(case: &Case, frame: &Frame, seed: u64) -> Vec<String> {
    let inputs = case.inputs(frame, seed);
    judged(case, &inputs, any(case))
        .into_iter()
        .map(|what| format!("{frame:?}, seed {seed}: {what}"))
        .collect()
}

/// Later tokens change no bit of an earlier one, be they in the same piece or in a later one.
#[test]
fn causality() {
    let seed = seed();
    all(cases(seed, 24), |case| causal(case, seed).unwrap_or_else(|error| error));
}

/// What is no number stays in its sequence.
#[test]
fn containment() {
    let seed = seed();
    all(cases(seed + 1, 24), |case| contained(case, seed).unwrap_or_else(|error| error));
}

/// Decays of anything from 1 to 0, of either sign, and feedback at its worst: the maps of pieces bear it too.
#[test]
fn extremes() {
    let in_pieces = |text| {
        let case = extremes::case(text).expect("the rule has a kernel");
        Case { chunk: 16, plan: Plan::Segmented, piece: Some(32), ..case }
    };
    let patterns: [(&str, &str, &[Pattern]); 3] =
        [(own::DELTA, "g", &LOGS), (own::RAW_KEYS, "d", &RAW), (own::RAW_DELTA, "d", &NEGATIVE)];
    for (text, name, patterns) in patterns {
        all(vec![in_pieces(text)], |case| {
            patterns.iter().flat_map(|p| with_pattern(case, name, *p, any(case))).collect()
        });
    }
    all(vec![in_pieces(own::UNDECAYED)], |case| strong_feedback(case, hard(case)));
}

/// What a chunk walk rounds is rounded once more in the maps, and nothing grows from piece to piece: final states are as exact as
/// the fused plan's.
#[test]
fn states_are_as_exact_as_in_one_run() {
    let rule = rules().into_iter().find(|rule| rule.signature.name == "deltanet").expect("in the catalogue");
    let fused = Case::new(rule, DType::BF16, vec![64, 64]);
    let pieces = Case { plan: Plan::Segmented, piece: Some(64), ..fused.clone() };
    let inputs = fused.inputs(&Frame { initial: true, ..dense(1, 512, 1) }, 1);
    let expected = fused.expected(&inputs);
    let error = |case: &Case| {
        let got = case.simulator().forward(&inputs).unwrap_or_else(|error| panic!("{error}"));
        compare::ratio(&got["s"], &expected["s"])
    };
    let (whole, cut) = (error(&fused), error(&pieces));
    assert!(cut < 1.25 * whole, "{cut:.2e} in pieces, {whole:.2e} in one run");
}

/// Which rules of the catalogue have the plan, and why the others have not; the kernel that composes, as text.
#[test]
fn golden() {
    let mut list = String::new();
    let case = |rule: &std::sync::Arc<chunkwise::Rule>, size| {
        let sizes = vec![size; rule.signature.dims.len()];
        Case { plan: Plan::Segmented, ..Case::new(rule.clone(), DType::BF16, sizes) }
    };
    for rule in rules().into_iter().filter(|rule| case(rule, 128).is_in_catalogue()) {
        let name = &rule.signature.name;
        match case(&rule, 128).schedule(Arch::Sm80) {
            Ok(schedule) => {
                let kernels = schedule.kernels.iter().map(|k| k.name.trim_start_matches(name.as_str()));
                let kernels: Vec<&str> = kernels.map(|k| k.trim_start_matches('_')).collect();
                list += &format!("{name}: {}\n", kernels.join(", "));
            }
            Err(why) => list += &format!("{name}: {why}\n"),
        }
    }
    let rule =
        rules().into_iter().find(|rule| rule.signature.name == "gated_deltanet").expect("in the catalogue");
    let schedule = case(&rule, 128).schedule(Arch::Sm80).unwrap_or_else(|why| panic!("{why}"));
    let compose = schedule.kernels.iter().find(|k| k.name.contains("compose")).expect("a kernel composes");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("segmented", list);
        insta::assert_snapshot!("compose", compose.source);
    });
}
