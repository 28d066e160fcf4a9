//! Inputs that are parts of other tensors, or lie in another order: no device makes anything else of them than of copies.

use crate::common::*;
use chunkwise_codegen::Arch;
use chunkwise_dsl::rule::Rule;
use chunkwise_runtime::cache::Cache;
use chunkwise_runtime::jit::Jit;
use chunkwise_runtime::nvrtc::Nvrtc;
use chunkwise_runtime::{
    Bindings, Device, Element, Executable, Options, PlanChoice, RuleExt, Tensor, Tensors, View,
};
use std::sync::Arc;

const PLANS: [PlanChoice; 4] =
    [PlanChoice::Recurrent, PlanChoice::Fused, PlanChoice::Split, PlanChoice::Segmented];

fn on(rule: &Rule, device: &Device, plan: PlanChoice, dtype: Element) -> Executable {
    let nvrtc = Nvrtc::find().unwrap_or_else(|error| panic!("{error}"));
    let jit = Arc::new(Jit::new(nvrtc, Cache::in_memory()));
    // Several chunks and pieces of the few tokens that there are.
    let options = Options { plan, dtype: Some(dtype), chunk: 16, piece: Some(16), ..Options::default() };
    rule.on(device).unwrap().with_jit(jit).with_options(options)
}

/// The same tensors, each copied into a tensor of its own.
fn copies(bindings: &Bindings<'_>) -> Tensors {
    bindings.iter().map(|(name, view)| (name.to_owned(), view.to_tensor().unwrap())).collect()
}

/// Views and copies of them give the same, to the bit.
fn same(rule: &Rule, plan: PlanChoice, dtype: Element, bindings: &Bindings<'_>) {
    for device in [Device::cpu(), Device::sim(Arch::Sm80)] {
        let plan = if device == Device::cpu() && plan != PlanChoice::Recurrent {
            PlanChoice::Chunkwise
        } else {
            plan
        };
        let executable = on(rule, &device, plan, dtype);
        let (views, copies) = (executable.forward(bindings), executable.forward(&copies(bindings)));
        assert_eq!(views.unwrap(), copies.unwrap(), "{device}, {plan}");
    }
}

fn random(r: &mut Random, shape: &[usize], element: Element) -> Tensor {
    r.between(shape, -0.3, 0.3).cast(element).unwrap()
}

#[test]
fn parts_of_a_packed_tensor() {
    println!("seed 41");
    let mut r = Random(41);
    // One projection: q and k have 2 heads of 32, v has 4 of 16, all in one row of 192 numbers.
    let packed = random(&mut r, &[2, 21, 192], Element::BF16);
    let gates = r.between(&[2, 21, 2, 4], -1.0, 0.0).cast(Element::F32).unwrap();
    let part = |from: usize, to: usize, size: usize| {
        View::from(&packed).slice(2, from..to).and_then(|view| view.split(2, size)).unwrap()
    };
    let beta = r.between(&[2, 21, 1], 0.0, 1.0).cast(Element::F32).unwrap();
    let bindings = Bindings::new()
        .with("q", part(0, 64, 32))
        .with("k", part(64, 128, 32))
        .with("v", part(128, 192, 16))
        .with("g", View::from(&gates).select(2, 1).unwrap())
        .with("beta", &beta);
    for plan in PLANS {
        same(&rule(DELTA), plan, Element::BF16, &bindings);
    }
}

#[test]
fn heads_before_tokens_and_packed_sequences() {
    println!("seed 42");
    let mut r = Random(42);
    let mut of = |heads: usize, size: usize| random(&mut r, &[1, heads, 19, size], Element::F16);
    let (q, k, v) = (of(2, 16), of(2, 16), of(2, 24));
    let g = r.between(&[1, 2, 19], -1.0, 0.0).cast(Element::F32).unwrap();
    let beta = r.between(&[1, 2, 19], 0.0, 1.0).cast(Element::F32).unwrap();
    let (s0, cuts) = (random(&mut r, &[2, 3, 16, 24], Element::F32), cuts(&[0, 5, 5, 19]));
    let mut bindings = Bindings::new();
    for (name, tensor) in [("q", &q), ("k", &k), ("v", &v), ("g", &g), ("beta", &beta)] {
        bindings = bindings.with(name, View::from(tensor).swap(1, 2).unwrap());
    }
    // States and cuts may be views too, by a copy.
    let bindings = bindings.with("s0", View::from(&s0).swap(0, 1).unwrap()).with("cu_seqlens", &cuts);
    for plan in PLANS {
        same(&rule(DELTA), plan, Element::F16, &bindings);
    }
}

#[test]
fn entries_of_arrays_and_what_is_constant_in_time() {
    println!("seed 43");
    let mut r = Random(43);
    let mut f32s = |shape: &[usize]| random(&mut r, shape, Element::F32);
    // Entries outermost; heads of every second row; three tensors in one.
    let (k, beta) = (f32s(&[2, 2, 5, 1, 8]), f32s(&[2, 2, 5, 2]));
    let (bonus, gain, qw) = (f32s(&[4, 12]), f32s(&[6]), f32s(&[2, 5, 2, 2, 8]));
    let v = f32s(&[2, 5, 2, 12]);
    let bindings = Bindings::new()
        .with("q", View::from(&qw).select(2, 0).unwrap())
        .with("k", View::from(&k).swap(0, 1).unwrap().swap(1, 2).unwrap())
        .with("v", &v)
        .with("beta", View::from(&beta).swap(0, 1).unwrap().swap(1, 2).unwrap())
        .with("w", View::from(&qw).select(2, 1).unwrap())
        .with("bonus", View::from(&bonus).split(0, 2).unwrap().select(1, 1).unwrap())
        .with("gain", View::from(&gain).slice(0, 3..5).unwrap());
    same(&rule(WIDE), PlanChoice::Recurrent, Element::F32, &bindings);
}
