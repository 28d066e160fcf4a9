//! The project's targets for what kernels of the catalogue move and multiply, by the plans' own counts, which `work` holds to the
//! simulator's: the states aside, at K = V = 128 in bf16, against each input and output once and the reference work in
//! chunks of 64.
//!
//! ```text
//! gated_deltanet  1,032 bytes of 1,032   .90 of the reference work
//! ```

use crate::case::{Case, rules, timeline};
use crate::limits::none;
use chunkwise::Arch;
use chunkwise_algebra::explain::{Setting, least};
use chunkwise_codegen::{DType, fused};

/// Sizes of the targets, and where spills are judged too.
const SIZE: usize = 128;

/// Of every rule: bytes over the least, tensor flops over the reference work.
const EVERY: (f64, f64) = (1.3, 1.6);

/// Of gated DeltaNet, by value columns of a block, as a probe by hand reached them.
const PROBE: [(usize, f64, f64); 2] = [(128, 1.005, 0.9), (64, 1.51, 1.05)];

/// Bytes and tensor flops of a token and head over the least; `None` where the rule has no fused plan.
fn ratios(case: &Case) -> Option<(f64, f64)> {
    let timeline = timeline(&case.rule);
    let plan = fused::choose(timeline, &case.spec(), case.arch).ok()?;
    let (work, tokens) = (plan.work(), f64::from(plan.tokens));
    let least = least(timeline, &Setting::square(case.sizes.len(), SIZE));
    let over = |of_chunk: u64, least: u64| of_chunk as f64 / tokens / least as f64;
    Some((over(work.bytes(), least.bytes()), over(work.tensor_flops, least.chunkwise_flops)))
}

fn case(rule: std::sync::Arc<chunkwise::Rule>) -> Case {
    let sizes = vec![SIZE; rule.signature.dims.len()];
    Case::new(rule, DType::BF16, sizes)
}

#[test]
fn every_rule_moves_and_multiplies_little() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for case in rules().into_iter().map(case).filter(Case::is_in_catalogue) {
        for arch in [Arch::Sm80, Arch::Sm90] {
            let Some((bytes, flops)) = ratios(&Case { arch, ..case.clone() }) else { continue };
            seen += 1;
            println!("{} for {arch}: bytes {bytes:.3}, tensor flops {flops:.3}", case.label());
            if bytes > EVERY.0 || flops > EVERY.1 {
                wrong.push(format!("{} for {arch}: bytes {bytes:.2}, tensor flops {flops:.2}", case.label()));
            }
        }
    }
    assert!(seen >= 50, "only {seen} kernels");
    none(wrong);
}

#[test]
fn gated_deltanet_does_what_a_probe_by_hand_did() {
    let rule =
        rules().into_iter().find(|rule| rule.signature.name == "gated_deltanet").expect("in the catalogue");
    for (columns, most_bytes, most_flops) in PROBE {
        let case = Case { columns, ..case(rule.clone()) };
        let (bytes, flops) = ratios(&case).unwrap_or_else(|| panic!("no plan: {}", case.label()));
        assert!(bytes <= most_bytes && flops <= most_flops, "{columns} columns: {bytes:.3}, {flops:.3}");
    }
}
