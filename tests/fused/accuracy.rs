//! The policy's figures at the policy's sizes: typical inputs, K = V = 128, many numbers.

use crate::case::{Case, dense, fused, variable};
use crate::limits::{all, judged, typical};
use chunkwise_codegen::{DType, Plan, Precision};

/// Four chunks, or 16 of all rules; the policy's figures are those of 4096 tokens, and gated rules forget long before.
fn tokens() -> usize {
    if variable("CHUNKWISE_CASES", 1) > 1 { 1024 } else { 256 }
}

/// A rule for each row of the policy's table, and one whose keys and values are computed; `CHUNKWISE_CASES=2` takes all.
const RULES: [&str; 8] =
    ["linear_attention", "gla", "deltanet", "gated_deltanet", "kda", "rwkv7", "deltaproduct2", "rodimus"];

/// Also with operands in two parts, which are hardly rounded at all, and in f16.
const OTHERWISE: [&str; 2] = ["gated_deltanet", "gla"];

#[test]
fn at_most_the_error_of_the_usual_choices() {
    let wanted = |case: &Case| {
        let name = case.rule.signature.name.as_str();
        case.is_in_catalogue() && (variable("CHUNKWISE_CASES", 1) > 1 || RULES.contains(&name))
    };
    let mut cases: Vec<Case> = fused(128, 128).into_iter().filter(wanted).collect();
    let others = cases.iter().filter(|c| OTHERWISE.contains(&c.rule.signature.name.as_str()));
    let high = |case: &Case| Case { precision: Precision::High, ..case.clone() };
    let f16 = |case: &Case| Case { dtype: DType::F16, ..case.clone() };
    let others: Vec<Case> = others.flat_map(|case| [high(case), f16(case)]).collect();
    assert!(cases.len() >= RULES.len() && others.len() == 2 * OTHERWISE.len(), "{} rules", cases.len());
    cases.extend(others);
    all(cases, |case| of_typical_inputs(case, 3));
}

/// Rules with feedback, linear and not.
const FULL: [&str; 2] = ["kda", NORMALISED];

/// It divides what it reads by its length: from a state of zeros the first token makes a thousand times what others do, and outputs
/// are what little some queries find in that.
const NORMALISED: &str = "ttt_linear_online";

#[test]
fn all_that_f32_inputs_have() {
    let full = |name: &str| {
        let case = fused(128, 128).into_iter().find(|case| case.rule.signature.name.as_str() == name);
        Case { dtype: DType::F32, ..case.expect("the rule has a kernel") }
    };
    let mut cases = FULL.map(full).to_vec();
    cases.push(Case { plan: Plan::Split, ..full(NORMALISED) });
    // The worst of 24 seeds.
    all(cases, |case| of_typical_inputs(case, 13));
}

fn of_typical_inputs(case: &Case, seed: u64) -> Vec<String> {
    judged(case, &case.inputs(&dense(1, tokens(), 1), seed), typical(case))
}
