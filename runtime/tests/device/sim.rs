//! The simulator as a device: it computes what the CPU does, counts, and says what kernels do wrong.

use crate::common::*;
use chunkwise_codegen::recurrent::{Spec, emit};
use chunkwise_codegen::{Arch, DType};
use chunkwise_dsl::rule::Rule;
use chunkwise_runtime::cache::Cache;
use chunkwise_runtime::jit::Jit;
use chunkwise_runtime::nvrtc::Nvrtc;
use chunkwise_runtime::{
    Bind, Device, Element, Error, Executable, Options, PlanChoice, Precision, RuleExt, Tensors,
};
use std::sync::Arc;

/// A rule in the simulator, its kernels in memory alone.
fn simulated(rule: &Rule) -> Executable {
    let nvrtc = Nvrtc::find().unwrap_or_else(|error| panic!("{error}"));
    let jit = Arc::new(Jit::new(nvrtc, Cache::in_memory()));
    rule.on(&Device::sim(Arch::Sm80)).unwrap().with_jit(jit)
}

/// Inputs of [`DELTA`] with grouped heads and `sequences` initial states; K = 24, V = 40.
fn inputs(batch: usize, tokens: usize, sequences: usize) -> Tensors {
    println!("seed 31");
    let mut r = Random(31);
    let (b, t) = (batch, tokens);
    [
        ("q", r.tensor(&[b, t, 2, 24])),
        ("k", r.between(&[b, t, 2, 24], -0.2, 0.2)),
        ("v", r.tensor(&[b, t, 4, 40])),
        ("g", r.between(&[b, t, 4], -1.0, 0.0)),
        ("beta", r.between(&[b, t, 1], 0.0, 1.0)),
        ("s0", r.tensor(&[sequences, 4, 24, 40])),
    ]
    .into_iter()
    .map(|(name, tensor)| (name, tensor.cast(Element::F32).unwrap()))
    .collect()
}

fn options(dtype: Element) -> Options {
    Options { plan: PlanChoice::Recurrent, dtype: Some(dtype), ..Options::default() }
}

#[test]
fn the_simulator_computes_what_the_cpu_does() {
    let rule = rule(DELTA);
    let (sim, cpu) = (simulated(&rule), rule.on(&Device::cpu()).unwrap());
    let packed = cuts(&[0, 5, 5, 6, 9]);
    for (element, limit) in [(Element::F32, 1e-5), (Element::F16, 4e-3), (Element::BF16, 3e-2)] {
        let (sim, cpu) =
            (sim.clone().with_options(options(element)), cpu.clone().with_options(options(element)));
        let (dense, long) = (inputs(2, 4, 2), inputs(1, 9, 4));
        let pairs = [
            (sim.forward(&dense).unwrap(), cpu.forward(&dense).unwrap()),
            (
                sim.forward((&long).with("cu_seqlens", &packed)).unwrap(),
                cpu.forward((&long).with("cu_seqlens", &packed)).unwrap(),
            ),
        ];
        for (got, expected) in pairs {
            assert_eq!(got.names().collect::<Vec<_>>(), expected.names().collect::<Vec<_>>());
            for (name, tensor) in got.iter() {
                let off = difference(tensor, &expected[name]);
                assert!(off < limit, "{element}: `{name}` is off by {off}");
            }
        }
    }
}

#[test]
fn nothing_to_do_is_done() {
    let sim = simulated(&rule(DELTA));
    // No token: the states stay as they were. No sequence: nothing is launched.
    let still = inputs(2, 0, 2);
    let results = sim.forward(&still).unwrap();
    assert_eq!((results["o"].shape(), &results["s"]), (&[2, 0, 4, 40][..], &still["s0"]));
    assert_eq!(sim.counters().len(), 1);
    let results = sim.forward(&inputs(0, 3, 0)).unwrap();
    assert!(results["o"].is_empty() && results["s"].is_empty());
    assert!(sim.counters().is_empty());
}

#[test]
fn a_nan_stays_in_its_sequence() {
    let sim = simulated(&rule(DELTA));
    let clean = inputs(3, 4, 3);
    let mut poisoned = clean.clone();
    let mut v = clean["v"].to_f32().into_owned();
    v[4 * 4 * 40 + 7] = f32::NAN;
    poisoned.insert("v", chunkwise_runtime::Tensor::new([3, 4, 4, 40], v).unwrap());
    let (before, after) = (sim.forward(&clean).unwrap(), sim.forward(&poisoned).unwrap());
    for (name, tensor) in after.iter() {
        assert!(tensor.to_f64().iter().any(|x| x.is_nan()), "`{name}` does not show the NaN");
        for other in [0, 2] {
            assert_eq!(select(tensor, 0, &[other]), select(&before[name], 0, &[other]), "{name} {other}");
        }
    }
}

#[test]
fn counts_depend_on_nothing_but_the_kernel_and_its_inputs() {
    let sim = simulated(&rule(DELTA)).with_options(options(Element::BF16));
    assert!(sim.counters().is_empty());
    let inputs = inputs(2, 4, 2);
    sim.forward(&inputs).unwrap();
    let whole = sim.counters();
    let [launched] = whole.as_slice() else { panic!("{} launches", whole.len()) };
    assert_eq!(launched.kernel, "delta_recurrent");
    assert!(launched.report.lines.is_empty() && launched.report.total.instructions > 0);
    // What is stored: outputs in two bytes a number, states in four.
    let stored = 2 * 4 * 4 * 40 * 2 + 2 * 4 * 24 * 40 * 4;
    assert_eq!(launched.report.total.global_store_bytes, stored);
    let lines = sim.clone().counting_lines().unwrap();
    lines.forward(&inputs).unwrap();
    let by_line = lines.counters();
    assert_eq!(by_line[0].report.total, launched.report.total);
    let sum: u64 = by_line[0].report.lines.values().map(|counters| counters.instructions).sum();
    assert!(sum > launched.report.total.instructions / 2 && sum <= launched.report.total.instructions);
    sim.forward(&inputs).unwrap();
    assert_eq!(sim.counters(), whole);
    let cpu = rule(DELTA).on(&Device::cpu()).unwrap();
    assert!(matches!(cpu.counting_lines(), Err(Error::Limitation(_))));
}

#[test]
fn what_the_simulator_does_not_do_is_a_limitation() {
    let sim = simulated(&rule(DELTA));
    let high = Options { precision: Precision::High, ..options(Element::F32) };
    for (what, error) in [
        ("backward", sim.backward(&inputs(1, 2, 1)).unwrap_err()),
        ("f64", sim.clone().with_options(options(Element::F64)).forward(&inputs(1, 2, 1)).unwrap_err()),
        ("high", sim.clone().with_options(high).forward(&inputs(1, 2, 1)).unwrap_err()),
        ("no timeline", rule(SATURATING).on(&Device::sim(Arch::Sm80)).unwrap_err()),
    ] {
        assert!(matches!(error, Error::Limitation(_)), "{what}: {error}");
    }
}

/// The names of the kernels that ran, for a choice of plan and a number of tokens.
fn ran(plan: PlanChoice, tokens: usize, precision: Precision) -> Vec<String> {
    let sim = simulated(&rule(DELTA)).with_options(Options { plan, precision, ..Options::default() });
    sim.forward(&inputs(1, tokens, 1)).unwrap();
    sim.counters().into_iter().map(|launched| launched.kernel).collect()
}

#[test]
fn long_sequences_take_chunks_and_short_ones_the_token_loop() {
    assert_eq!(ran(PlanChoice::Auto, 3, Precision::Fast), ["delta_recurrent"]);
    assert_eq!(ran(PlanChoice::Auto, 40, Precision::Fast), ["delta_fused"]);
    assert_eq!(ran(PlanChoice::Auto, 40, Precision::High), ["delta_fused"]);
    assert_eq!(ran(PlanChoice::Recurrent, 40, Precision::Fast), ["delta_recurrent"]);
    assert_eq!(ran(PlanChoice::Chunkwise, 3, Precision::Fast), ["delta_fused"]);
}

/// What the simulator says of the kernel of [`DELTA`] after an edit.
fn edited(from: &str, to: &str) -> Error {
    let rule = rule(DELTA);
    let spec = Spec::new(vec![24, 40], DType::F32);
    let text = emit(rule.timeline.as_ref().unwrap(), &spec).unwrap().source;
    assert!(text.contains(from), "no `{from}` in\n{text}");
    let sim = simulated(&rule).with_kernel("folder/mine.cu", &text.replace(from, to)).unwrap();
    sim.forward(&inputs(1, 3, 1)).unwrap_err()
}

#[test]
fn a_kernel_that_leaves_a_result_unwritten_is_told_which() {
    let error = edited("store_edge<4, 4>(o_at", "if (t != 1) store_edge<4, 4>(o_at");
    assert!(matches!(error, Error::Kernel(_)), "{error}");
    let text = error.to_string();
    let expected = "error: folder/mine.cu: the kernel `delta_recurrent` never wrote `o` at [0, 1, 0, 0]\n";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn a_kernel_that_reads_beyond_a_tensor_is_told_which() {
    let error = edited("q_at += q_strides.token;", "q_at += 2 * q_strides.token;");
    assert!(matches!(error, Error::Kernel(_)), "{error}");
    let text = error.to_string();
    for part in ["access out of bounds", "line ", " of mine.cu", "`q`"] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
}

#[test]
fn a_kernel_that_does_not_compile_is_not_our_bug() {
    let error = edited("int lane", "integer lane");
    assert!(matches!(error, Error::Kernel(_)), "{error}");
    assert!(error.to_string().contains("integer") && error.exit_code() == 1, "{error}");
}
