//! Every kernel that the project can generate, in the simulator, against the token loop in f64: some kernels of each rule
//! here, all of them by `cargo xtask prove --all`. And the judge itself.

use chunkwise::{Device, Tensor};
use chunkwise_codegen::{Arch, DType};
use chunkwise_prove::kernels::case::{self, Case, Way, product, rules, sample};
use chunkwise_prove::kernels::{Asked, prove, report, run, unexpected_refusals};
use chunkwise_runtime::nvrtc::Nvrtc;

#[test]
fn every_kernel() {
    let nvrtc = Nvrtc::find().unwrap_or_else(|error| panic!("{error}"));
    let asked = asked();
    let cases = asked.cases().unwrap();
    assert!(cases.len() >= 90, "only {} kernels", cases.len());
    let verdicts = prove(&asked, &cases, &nvrtc, |_| {});
    println!("{}", report::table(&verdicts));
    let failures = report::failures(&verdicts);
    assert!(failures.is_empty(), "\n{failures}");
    let missing = unexpected_refusals(&verdicts);
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// A sample.
fn asked() -> Asked {
    let device = Device::sim(Arch::Sm80);
    Asked { device, all: false, few: false, seed: 1, rule: None, plan: None, sizes: Vec::new(), case: None }
}

#[test]
fn all_of_a_plan_and_some_sizes() {
    let split = Some(Way::Split);
    let asked =
        Asked { all: true, rule: Some("gla".to_owned()), plan: split, sizes: vec![16, 100], ..asked() };
    let labels: Vec<String> = asked.cases().unwrap().iter().map(|case| case.to_string()).collect();
    assert_eq!(labels.len(), 3 * 4);
    assert!(labels.contains(&"gla/split/f16/K=16,V=100/1".to_owned()), "{labels:?}");
}

/// What a tool that makes everything slow runs: every plan that a rule has, once.
#[test]
fn a_handful_has_every_plan() {
    let asked = Asked { few: true, rule: Some("gla".to_owned()), ..asked() };
    let labels: Vec<String> = asked.cases().unwrap().iter().map(|case| case.to_string()).collect();
    let of = |way: &str| format!("gla{way}/bf16/K=16,V=16/1");
    assert_eq!(labels, ["", "/fused", "/split", "/segmented"].map(of));
}

#[test]
fn labels_parse_back() {
    let rules = rules();
    for case in sample(&rules, 3) {
        assert_eq!(case.to_string().parse(), Ok(case));
    }
    for wrong in [
        "",
        "gla/bf16/K=64,V=100",
        "nothing/bf16/K=1,V=1/1",
        "gla/f64/K=1,V=1/1",
        "gla/f32/K=1/1",
        "gla/quick/f32/K=1,V=1/1",
    ] {
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
    // Sizes of two dims, by each plan in three types, and in two with operands in two parts.
    assert_eq!(product(&rules()[..1], &Way::ALL, &case::SIZES, 1).len(), 100 * (4 * 3 + 2));
    for way in Way::ALL {
        let count = cases.iter().filter(|case| case.way == way).count();
        assert!(count >= 4, "{count} kernels of {}", way.name());
    }
}

/// The judge itself: rounding passes, one wrong number among many does not.
#[test]
fn one_wrong_number_is_found() {
    let numbers: Vec<f64> = (0..4096).map(|i| (f64::from(i) * 0.7).sin()).collect();
    let exact = Tensor::new([64, 64], numbers.clone()).unwrap();
    for dtype in [DType::F32, DType::F16, DType::BF16] {
        let rounded = exact.cast(chunkwise_cli::check::element(dtype)).unwrap();
        assert_eq!(run::worst_number(&rounded, &exact, dtype, 2e-5), None);
        let mut wrong = rounded.to_f64().into_owned();
        wrong[77] += 0.02;
        let wrong = Tensor::new([64, 64], wrong).unwrap();
        assert!(
            run::worst_number(&wrong, &exact, dtype, 2e-5).is_some_and(|text| text.contains("number 77"))
        );
    }
    let mut lost = numbers;
    lost[5] = f64::NAN;
    let lost = Tensor::new([64, 64], lost).unwrap();
    assert!(run::worst_number(&lost, &exact, DType::BF16, 2e-5).is_some());
}
