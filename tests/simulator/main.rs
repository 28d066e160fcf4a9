//! Every kernel that the project can generate, in the simulator, against the token loop in f64.
//!
//! A test run takes some kernels of each rule; `cargo xtask prove --all` takes all of them, with a bar and a table.
//!
//! | variable | set by | |
//! |---|---|---|
//! | `CHUNKWISE_PROVE=all` | `--all` | the whole product of rules, element types and sizes |
//! | `CHUNKWISE_SEED` | `--seed N` | which kernels and numbers are drawn, 1 by default |
//! | `CHUNKWISE_RULE` | `--rule NAME` | this rule alone |
//! | `CHUNKWISE_CASE` | `--case LABEL` | this kernel alone, as failures name it |

mod case;
mod report;
mod run;

use case::{Case, product, rules, sample};
use chunkwise::{Rule, Tensor};
use chunkwise_codegen::DType;
use chunkwise_dsl::class::{Feedback, classify};
use chunkwise_runtime::nvrtc::Nvrtc;
use rayon::prelude::*;
use run::Verdict;

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// The kernels that the environment asks for.
fn asked() -> Vec<Case> {
    if let Some(label) = variable("CHUNKWISE_CASE") {
        return vec![label.parse().unwrap_or_else(|error| panic!("{error}"))];
    }
    let seed = variable("CHUNKWISE_SEED").map_or(1, |text| text.parse().expect("CHUNKWISE_SEED is a number"));
    let mut rules: Vec<&Rule> = rules();
    assert!(rules.len() >= 30, "only {} rules", rules.len());
    if let Some(name) = variable("CHUNKWISE_RULE") {
        rules.retain(|rule| rule.signature.name == name);
        assert!(!rules.is_empty(), "there is no rule `{name}` that works");
    }
    match variable("CHUNKWISE_PROVE").as_deref() {
        None => sample(&rules, seed),
        Some("all") => product(&rules, seed),
        Some(other) => panic!("CHUNKWISE_PROVE={other}: it is `all`, or not set"),
    }
}

#[test]
fn every_kernel() {
    let nvrtc = Nvrtc::find().unwrap_or_else(|error| panic!("{error}"));
    let cases = asked();
    let bar = report::bar(cases.len());
    let prove = |case: &Case| {
        bar.set_message(case.to_string());
        let verdict = run::run(case, &nvrtc);
        bar.inc(1);
        (case.clone(), verdict)
    };
    let verdicts: Vec<(Case, Verdict)> = cases.par_iter().map(prove).collect();
    bar.finish_and_clear();
    println!("{}", report::table(&verdicts));
    for (reason, count) in report::refusals(&verdicts) {
        println!("no kernel for {count}: {reason}");
    }
    let failures = report::failures(&verdicts);
    assert!(failures.is_empty(), "\n{failures}");
    refusals_are_known(&verdicts);
}

/// A kernel is missing only where rows of the state mix and the state is too large for one block.
fn refusals_are_known(verdicts: &[(Case, Verdict)]) {
    for (case, verdict) in verdicts {
        let Verdict::Refused(why) = verdict else { continue };
        let timeline = case::rule(&case.rule).and_then(|rule| rule.timeline.as_ref().ok());
        let mixes = timeline.is_some_and(|timeline| classify(timeline).feedback == Feedback::RowMixing);
        let numbers: usize = case.sizes.iter().product();
        assert!(mixes && numbers > 128 * 128, "{case} has no kernel: {why}");
    }
}

#[test]
fn labels_parse_back() {
    let rules = rules();
    for case in sample(&rules, 3) {
        assert_eq!(case.to_string().parse(), Ok(case));
    }
    for wrong in ["", "gla/bf16/K=64,V=100", "nothing/bf16/K=1,V=1/1", "gla/f64/K=1,V=1/1", "gla/f32/K=1/1"] {
        assert!(wrong.parse::<Case>().is_err(), "{wrong}");
    }
}

#[test]
fn a_sample_has_every_size_and_type() {
    let cases = sample(&rules(), 1);
    for size in case::SIZES {
        let count = cases.iter().flat_map(|case| &case.sizes).filter(|&&s| s == size).count();
        assert!(count >= 30, "{count} dims of size {size}");
    }
    assert_eq!(product(&rules()[..1], 1).len(), 300);
}

/// The judge itself: rounding passes, one wrong number among many does not.
#[test]
fn one_wrong_number_is_found() {
    let numbers: Vec<f64> = (0..4096).map(|i| (f64::from(i) * 0.7).sin()).collect();
    let exact = Tensor::new([64, 64], numbers.clone()).unwrap();
    for dtype in [DType::F32, DType::F16, DType::BF16] {
        let rounded = exact.cast(chunkwise_cli::check::element(dtype)).unwrap();
        assert_eq!(run::worst_number(&rounded, &exact, dtype), None);
        let mut wrong = rounded.to_f64().into_owned();
        wrong[77] += 0.02;
        let wrong = Tensor::new([64, 64], wrong).unwrap();
        assert!(run::worst_number(&wrong, &exact, dtype).is_some_and(|text| text.contains("number 77")));
    }
    let mut lost = numbers;
    lost[5] = f64::NAN;
    let lost = Tensor::new([64, 64], lost).unwrap();
    assert!(run::worst_number(&lost, &exact, DType::BF16).is_some());
}
