//! The project's targets for what kernels of the catalogue move and multiply, by the plans' own counts, which `work` holds to the
//! simulator's: the states aside, at K = V = 64 and 128 in bf16, against each input and output once and the reference work in
//! chunks of 64. Rules whose states are vectors have the token loop, whose bytes the simulator counts.
//!
//! ```text
//! gated_deltanet  1,032 bytes of 1,032   .90 of the reference work
//! ```

use crate::case::{Case, rules, timeline};
use crate::limits::{all, none};
use crate::work;
use chunkwise::Arch;
use chunkwise_algebra::explain::{Setting, least};
use chunkwise_codegen::{DType, Plan, fused};
use chunkwise_dsl::signature::Param;
use chunkwise_runtime::counters::Counters;

/// Sizes of the targets, and where spills are judged too.
const SIZES: [usize; 2] = [64, 128];

/// Rules whose states are vectors: there is nothing to multiply.
const ELEMENTWISE: [&str; 5] = ["longhorn_diagonal", "hgrn", "rg_lru", "mamba", "s4d_real"];

/// Of every rule: bytes over the least, tensor flops over the reference work.
const EVERY: (f64, f64) = (1.3, 1.6);

/// Of gated DeltaNet, by value columns of a block, as a probe by hand reached them.
const PROBE: [(usize, f64, f64); 2] = [(128, 1.005, 0.9), (64, 1.51, 1.05)];

/// Bytes and tensor flops of a token and head over the least.
fn ratios(case: &Case) -> Result<(f64, f64), String> {
    let timeline = timeline(&case.rule);
    let plan = fused::choose(timeline, &case.spec(), case.arch).map_err(|why| why.to_string())?;
    let (work, tokens) = (plan.work(), f64::from(plan.tokens));
    let least = least(timeline, &Setting::square(case.sizes.len(), case.sizes[0]));
    let over = |of_chunk: u64, least: u64| of_chunk as f64 / tokens / least as f64;
    Ok((over(work.bytes(), least.bytes()), over(work.tensor_flops, least.chunkwise_flops)))
}

/// The catalogue's rules of a size: those whose states are vectors, or all others.
fn cases(size: usize, elementwise: bool) -> Vec<Case> {
    let case = |rule: std::sync::Arc<chunkwise::Rule>| {
        let sizes = vec![size; rule.signature.dims.len()];
        Case::new(rule, DType::BF16, sizes)
    };
    let is = |case: &Case| ELEMENTWISE.contains(&case.rule.signature.name.as_str());
    let all = rules().into_iter().map(case).filter(|case| case.is_in_catalogue() && is(case) == elementwise);
    all.collect()
}

#[test]
fn every_rule_moves_and_multiplies_little() {
    let mut wrong = Vec::new();
    for case in SIZES.into_iter().flat_map(|size| cases(size, false)) {
        for arch in Arch::ALL {
            let label = format!("{} for {arch}", case.label());
            match ratios(&Case { arch, ..case.clone() }) {
                Err(why) => wrong.push(format!("{label}: {why}")),
                Ok((bytes, flops)) if bytes > EVERY.0 || flops > EVERY.1 => {
                    wrong.push(format!("{label}: bytes {bytes:.2}, tensor flops {flops:.2}"));
                }
                Ok((bytes, flops)) => println!("{label}: bytes {bytes:.3}, tensor flops {flops:.3}"),
            }
        }
    }
    none(wrong);
}

/// Tokens of two runs that differ by what so many more of them move.
const TOKENS: u64 = 64;

#[test]
fn token_loops_of_vectors_move_little() {
    let cases: Vec<Case> = SIZES.into_iter().flat_map(|size| cases(size, true)).collect();
    assert_eq!(cases.len(), SIZES.len() * ELEMENTWISE.len());
    all(cases, |case| {
        let simulator = Case { plan: Plan::Recurrent, ..case.clone() }.simulator();
        let of = |tokens| work::run(case, &simulator, tokens as usize);
        let (one, two) = match (of(TOKENS), of(2 * TOKENS)) {
            (Ok(one), Ok(two)) => (one, two),
            (Err(error), _) | (_, Err(error)) => return vec![error],
        };
        let bytes = |of: &Counters| of.global_load_bytes + of.global_store_bytes;
        let setting = Setting::square(case.sizes.len(), case.sizes[0]);
        let least = least(timeline(&case.rule), &setting).bytes();
        // Every lane of a warp asks for a number by itself; it comes once.
        let is_number = |p: &&Param| !p.per_head && p.shape.dims().next().is_none();
        let numbers = case.rule.signature.params.iter().filter(is_number).count() as u64;
        let once = (bytes(&two) - bytes(&one)) / TOKENS - 31 * 4 * numbers;
        (once > least).then(|| format!("{once} bytes a token, over {least}")).into_iter().collect()
    });
}

#[test]
fn gated_deltanet_does_what_a_probe_by_hand_did() {
    let case = cases(128, false).into_iter().find(|case| case.rule.signature.name == "gated_deltanet");
    let case = case.expect("in the catalogue");
    for (columns, most_bytes, most_flops) in PROBE {
        let case = Case { columns, ..case.clone() };
        let (bytes, flops) = ratios(&case).unwrap_or_else(|why| panic!("{}: {why}", case.label()));
        assert!(bytes <= most_bytes && flops <= most_flops, "{columns} columns: {bytes:.3}, {flops:.3}");
    }
}
