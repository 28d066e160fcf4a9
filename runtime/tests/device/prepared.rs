//! Prepared launches in the simulator: what a run gives, for the lengths and batches that follow, with nothing compiled again.

use crate::common::*;
use chunkwise_codegen::Arch;
use chunkwise_runtime::cache::Cache;
use chunkwise_runtime::jit::Jit;
use chunkwise_runtime::nvrtc::Nvrtc;
use chunkwise_runtime::{
    Bindings, Device, Element, Error, Executable, Options, PlanChoice, Prepared, Queue, RuleExt, Tensor,
    Tensors, View,
};
use std::sync::Arc;

const INPUTS: [&str; 5] = ["q", "k", "v", "g", "beta"];

fn simulated(plan: PlanChoice) -> (Executable, Arc<Jit>) {
    let nvrtc = Nvrtc::find().unwrap_or_else(|error| panic!("{error}"));
    let jit = Arc::new(Jit::new(nvrtc, Cache::in_memory()));
    let options =
        Options { plan, dtype: Some(Element::BF16), piece: Some(16), chunk: 16, ..Options::default() };
    let executable = rule(DELTA).on(&Device::sim(Arch::Sm80)).unwrap().with_jit(jit.clone());
    (executable.with_options(options), jit)
}

/// Inputs as kernels read them, K = 16, V = 32, 4 heads.
fn inputs(seed: u64, batch: usize, tokens: usize) -> Tensors {
    println!("seed {seed}");
    let (mut r, b, t) = (Random(seed), batch, tokens);
    let bf16 = |tensor: Tensor| tensor.cast(Element::BF16).unwrap();
    let f32s = |tensor: Tensor| tensor.cast(Element::F32).unwrap();
    [
        ("q", bf16(r.tensor(&[b, t, 2, 16]))),
        ("k", bf16(r.between(&[b, t, 2, 16], -0.3, 0.3))),
        ("v", bf16(r.tensor(&[b, t, 4, 32]))),
        ("g", f32s(r.between(&[b, t, 4], -1.0, 0.0))),
        ("beta", f32s(r.between(&[b, t, 1], 0.0, 1.0))),
    ]
    .into_iter()
    .collect()
}

/// What the tensors will be like, and no number of them.
fn like(inputs: &Tensors) -> Bindings<'static> {
    inputs.iter().fold(Bindings::new(), |bindings, (name, tensor)| {
        bindings.with(name.to_owned(), View::elsewhere(tensor.element(), tensor.shape()).unwrap())
    })
}

/// Uploads the inputs, launches, and brings back what a run would.
fn launch(prepared: &mut Prepared, queue: &mut Queue, inputs: &Tensors, sequences: usize) -> Tensors {
    for (name, tensor) in inputs.iter() {
        let address = queue.upload(name, tensor).unwrap();
        prepared.point(prepared.slot(name).unwrap(), address).unwrap();
    }
    let v = inputs["v"].shape();
    let results =
        [("o", vec![v[0], v[1], 4, 32], Element::BF16), ("s", vec![sequences, 4, 16, 32], Element::F32)];
    let results = results.map(|(name, shape, element)| {
        let address = queue.allocate(name, &shape, element).unwrap();
        prepared.point(prepared.slot(name).unwrap(), address).unwrap();
        (name, address, shape, element)
    });
    // SAFETY: the tensors lie in the queue's memory, with the shapes that the launch was last resized to.
    unsafe { prepared.launch(queue) }.unwrap();
    queue.wait().unwrap();
    let bring = |(name, address, shape, element): (&str, u64, Vec<usize>, Element)| {
        (name.to_owned(), queue.download(address, &shape, element).unwrap())
    };
    results.map(bring).into_iter().collect()
}

#[test]
fn other_lengths_and_batches_run_the_same_kernels() {
    for plan in [PlanChoice::Recurrent, PlanChoice::Fused, PlanChoice::Split, PlanChoice::Segmented] {
        let (executable, jit) = simulated(plan);
        let mut queue = executable.queue().unwrap();
        let mut prepared = executable.prepare(like(&inputs(51, 2, 40)), &mut queue).unwrap();
        let compiled = jit.compilations();
        assert!(compiled > 0);
        for (batch, tokens) in [(2, 19), (1, 40), (2, 0), (0, 5)] {
            let inputs = inputs(52, batch, tokens);
            prepared.resize(batch, tokens).unwrap();
            let found = launch(&mut prepared, &mut queue, &inputs, batch);
            assert_eq!(jit.compilations(), compiled, "{plan}: compiled again");
            assert_eq!(found, executable.forward(&inputs).unwrap(), "{plan}: B = {batch}, T = {tokens}");
        }
        // Memory between kernels is not taken again; a plan without any takes all lengths.
        let larger = prepared.resize(3, 400);
        let has_memory = [PlanChoice::Split, PlanChoice::Segmented].contains(&plan);
        assert_eq!(larger.is_err(), has_memory, "{plan}: {larger:?}");
    }
}

#[test]
fn packed_sequences_change_their_cuts() {
    for plan in [PlanChoice::Fused, PlanChoice::Split, PlanChoice::Segmented] {
        let (executable, jit) = simulated(plan);
        let mut queue = executable.queue().unwrap();
        let cu = View::elsewhere(Element::I64, [4]).unwrap();
        let mut prepared =
            executable.prepare(like(&inputs(53, 1, 30)).with("cu_seqlens", cu), &mut queue).unwrap();
        let compiled = jit.compilations();
        for cuts in [&[0, 11, 11, 30][..], &[0, 25], &[0, 3, 5, 5, 9]] {
            let (sequences, tokens) = (cuts.len() - 1, cuts[cuts.len() - 1] as usize);
            let mut inputs = inputs(54, 1, tokens);
            inputs.insert("cu_seqlens", crate::common::cuts(cuts));
            prepared.resize(sequences, tokens).unwrap();
            let found = launch(&mut prepared, &mut queue, &inputs, sequences);
            assert_eq!(found, executable.forward(&inputs).unwrap(), "{plan}: {cuts:?}");
        }
        assert_eq!(jit.compilations(), compiled, "{plan}: compiled again");
    }
}

/// One token after the other, the state in one buffer, is the whole sequence, to the bit; and q, k and v are parts of one
/// tensor of the device's.
#[test]
fn decoding_keeps_the_state_where_it_is() {
    println!("seed 55");
    let (executable, _) = simulated(PlanChoice::Recurrent);
    let mut queue = executable.queue().unwrap();
    let mut r = Random(55);
    let packed = r.between(&[1, 6, 3, 4, 16], -0.3, 0.3).cast(Element::BF16).unwrap();
    let g = r.between(&[1, 6, 4], -1.0, 0.0).cast(Element::F32).unwrap();
    let beta = r.between(&[1, 6, 4], 0.0, 1.0).cast(Element::F32).unwrap();
    let part = |i| View::from(&packed).select(2, i).unwrap();
    let whole = Bindings::new().with("q", part(0)).with("k", part(1)).with("v", part(2));
    let whole = whole.with("g", &g).with("beta", &beta);
    let expected = executable.forward(&whole).unwrap();

    let row = View::elsewhere(Element::BF16, [1, 1, 3, 4, 16]).unwrap();
    let number = || View::elsewhere(Element::F32, [1, 1, 4]).unwrap();
    let like = ["q", "k", "v"]
        .into_iter()
        .enumerate()
        .fold(Bindings::new(), |bindings, (i, name)| bindings.with(name, row.clone().select(2, i).unwrap()));
    let like = like.with("g", number()).with("beta", number());
    let mut step = executable.prepare(&like, &mut queue).unwrap();
    let [q, k, v, g_at, beta_at] = step.slots(INPUTS).unwrap();
    let [o, before, after] = step.slots(["o", "s0", "s"]).unwrap();
    let base = queue.upload("qkv", &packed).unwrap();
    let (gs, betas) = (queue.upload("g", &g).unwrap(), queue.upload("beta", &beta).unwrap());
    let os = queue.allocate("o", &[1, 6, 4, 16], Element::BF16).unwrap();
    let state = queue.upload("s", &zeros(&[1, 4, 16, 16], Element::F32)).unwrap();
    step.point(before, state).unwrap();
    step.point(after, state).unwrap();
    for t in 0..6 {
        let token = base + t * 3 * 4 * 16 * 2;
        for (slot, address) in [(q, token), (k, token + 128), (v, token + 256), (o, os + t * 128)] {
            step.point(slot, address).unwrap();
        }
        step.point(g_at, gs + t * 16).unwrap();
        step.point(beta_at, betas + t * 16).unwrap();
        // SAFETY: the addresses are those of token `t` of tensors in the queue's memory.
        unsafe { step.launch(&mut queue) }.unwrap();
    }
    assert_eq!(queue.download(os, &[1, 6, 4, 16], Element::BF16).unwrap(), expected["o"]);
    assert_eq!(queue.download(state, &[1, 4, 16, 16], Element::F32).unwrap(), expected["s"]);
}

#[test]
fn mistakes_are_told_before_the_launch() {
    let (executable, _) = simulated(PlanChoice::Recurrent);
    let mut queue = executable.queue().unwrap();
    let inputs = inputs(56, 1, 3);
    let mut prepared = executable.prepare(like(&inputs), &mut queue).unwrap();
    let [q, s0, s] = prepared.slots(["q", "s0", "s"]).unwrap();
    let mut texts = Vec::new();
    let mut told = |error: Error| texts.push(error.to_string());
    told(prepared.slot("qq").unwrap_err());
    told(prepared.point(q, 6).unwrap_err());
    told(prepared.set_strides(q, &[32, 32, 15, 1]).unwrap_err());
    told(prepared.set_strides(q, &[32, 16, 1]).unwrap_err());
    told(prepared.set_strides(s, &[1, 1, 1, 1]).unwrap_err());
    prepared.point(s0, 0).unwrap();
    // SAFETY: nothing is launched, since no input has an address.
    told(unsafe { prepared.launch(&mut queue) }.unwrap_err());
    told(prepared.resize(usize::MAX, 2).unwrap_err());
    let cu = View::elsewhere(Element::I32, [3]).unwrap();
    let mut types = inputs.clone();
    types.insert("g", inputs["g"].cast(Element::BF16).unwrap());
    told(executable.prepare(like(&types), &mut queue).unwrap_err());
    told(executable.prepare(like(&inputs).with("cu_seqlens", cu), &mut queue).unwrap_err());
    told(executable.forward(like(&inputs)).unwrap_err());
    told(rule(DELTA).on(&Device::cpu()).unwrap().queue().unwrap_err());
    let mut other = rule(DELTA).on(&Device::null(Arch::Sm80)).unwrap().queue().unwrap();
    told(executable.prepare(like(&inputs), &mut other).unwrap_err());
    // SAFETY: the queue is refused.
    told(unsafe { prepared.launch(&mut other) }.unwrap_err());
    insta::assert_snapshot!(texts.join("\n"));
}
