//! Every mistake in the tensors of a run, with the message a user sees: one golden file of all.

use crate::common::*;
use chunkwise_runtime::{Bindings, Device, Element, Options, PlanChoice, RuleExt, Tensor, Tensors};
use std::fmt::Write;

/// Sound inputs of [`DELTA`]: B 2, T 6, q and k 2 heads, v 4, K 3, V 5.
fn sound() -> Tensors {
    let mut r = Random(1);
    [
        ("q", r.tensor(&[2, 6, 2, 3])),
        ("k", r.tensor(&[2, 6, 2, 3])),
        ("v", r.tensor(&[2, 6, 4, 5])),
        ("g", r.between(&[2, 6, 4], -1.0, 0.0)),
        ("beta", r.between(&[2, 6, 4], 0.0, 1.0)),
    ]
    .into_iter()
    .collect()
}

/// The same for one packed row, T 6.
fn packed(boundaries: &Tensor) -> Tensors {
    let mut tensors: Tensors = sound().iter().map(|(n, t)| (n, select(t, 0, &[0]))).collect();
    tensors.insert("cu_seqlens", boundaries.clone());
    tensors
}

fn with(name: &str, tensor: Tensor) -> Tensors {
    let mut tensors = sound();
    tensors.insert(name, tensor);
    tensors
}

fn floats(shape: &[usize]) -> Tensor {
    zeros(shape, Element::F32)
}

#[test]
fn every_mistake_names_the_tensor_and_what_was_expected() {
    let rule = rule(DELTA);
    let exe = rule.on(&Device::cpu()).unwrap();
    exe.backward(&sound()).unwrap();
    exe.backward(&packed(&cuts(&[0, 2, 6]))).unwrap();
    let mut text = String::new();
    let mut case = |name: &str, inputs: &Tensors| {
        let e = exe.backward(inputs).unwrap_err();
        assert_eq!(e.exit_code(), 2, "{name}: {e}");
        writeln!(text, "--- {name}\n{e}").unwrap();
    };

    let mut missing = sound();
    missing.remove("k");
    case("missing", &missing);
    missing.remove("v");
    missing.insert("V", sound()["v"].clone());
    case("missing, and one of nearly that name", &missing);
    case("nothing at all", &Tensors::new());
    case("unknown", &with("temperature", floats(&[1])));
    case("unknown, near", &with("cu_seqlen", cuts(&[0, 6])));
    case("integers for floats", &with("q", zeros(&[2, 6, 2, 3], Element::I32)));
    case("integers for a state", &with("s0", zeros(&[2, 4, 3, 5], Element::I64)));
    case("floats for integers", &packed(&floats(&[2])));
    case("rank too small", &with("v", floats(&[6, 4, 5])));
    case("rank too large", &with("g", floats(&[2, 6, 4, 1])));
    case("a single number", &with("g", floats(&[])));
    case("rank of cu_seqlens", &packed(&Tensor::new([1, 2], vec![0i32, 6]).unwrap()));
    case("two wrong at once", &{
        let mut two = with("v", floats(&[6, 4, 5]));
        two.insert("g", zeros(&[2, 6, 4], Element::I32));
        two
    });

    case("batch", &with("k", floats(&[1, 6, 2, 3])));
    case("tokens", &with("v", floats(&[2, 7, 4, 5])));
    case("a dim", &with("k", floats(&[2, 6, 2, 4])));
    case("a dim of 0", &with("k", floats(&[2, 6, 2, 0])));
    case("no heads", &with("v", floats(&[2, 6, 0, 5])));
    case("heads that do not divide", &with("k", floats(&[2, 6, 3, 3])));
    case("heads that do not divide those of the state", &with("s0", floats(&[2, 6, 3, 5])));
    case("a state with too few heads", &with("s0", floats(&[2, 2, 3, 5])));
    case("a state of another dim", &with("s0", floats(&[2, 4, 3, 4])));
    case("a state for too many sequences", &with("s0", floats(&[3, 4, 3, 5])));
    case("cotangent of the output: heads", &with("do", floats(&[2, 6, 2, 5])));
    case("cotangent of the output: tokens", &with("do", floats(&[2, 5, 4, 5])));
    case("cotangent of the output: rank", &with("do", floats(&[2, 6, 4])));
    case("cotangent of the state", &with("ds", floats(&[1, 4, 3, 5])));
    case("several sizes at once", &{
        let mut two = with("v", floats(&[2, 7, 4, 5]));
        two.insert("k", floats(&[2, 6, 2, 4]));
        two
    });

    case("cu_seqlens and a batch", &with("cu_seqlens", cuts(&[0, 6])));
    case("cu_seqlens, empty", &packed(&cuts(&[])));
    case("cu_seqlens starts late", &packed(&cuts(&[1, 6])));
    case("cu_seqlens starts below 0", &packed(&cuts(&[-1, 6])));
    case("cu_seqlens falls", &packed(&cuts(&[0, 4, 3, 6])));
    case("cu_seqlens ends early", &packed(&cuts(&[0, 5])));
    case("cu_seqlens ends late", &packed(&cuts(&[0, 7])));
    case("cu_seqlens ends far too late", &packed(&cuts(&[0, i64::MAX])));
    case("a state for other sequences", &{
        let mut t = packed(&cuts(&[0, 2, 6]));
        t.insert("s0", floats(&[1, 4, 3, 5]));
        t
    });

    let above = {
        let mut data = sound()["beta"].to_f64().into_owned();
        data[37] = 1.5;
        Tensor::new([2, 6, 4], data).unwrap()
    };
    case("above a declared range", &with("beta", above));
    let below = Tensor::new([2, 6, 4], vec![-1e-30f32; 48]).unwrap();
    case("below a declared range", &with("beta", below));

    // No memory could hold these, though the files that declare them are small.
    case("a batch past memory", &{
        let of = |rest: &[usize]| floats(&[&[1 << 60, 0], rest].concat());
        [("q", of(&[1, 3])), ("k", of(&[1, 3])), ("v", of(&[1, 5])), ("g", of(&[1])), ("beta", of(&[1]))]
            .into_iter()
            .collect()
    });
    case("heads past memory", &{
        let of = |rest: &[usize]| floats(&[&[1, 0, 1 << 50], rest].concat());
        [("q", of(&[3])), ("k", of(&[3])), ("v", of(&[5])), ("g", of(&[])), ("beta", of(&[]))]
            .into_iter()
            .collect()
    });

    insta::assert_snapshot!(text);
}

#[test]
fn a_tensor_given_twice_is_named() {
    let rule = rule(DELTA);
    let tensors = sound();
    let q = &tensors["q"];
    let inputs = chunkwise_runtime::Bind::bind(&&tensors).with("q", q);
    let e = rule.on(&Device::cpu()).unwrap().forward(inputs).unwrap_err();
    assert_eq!(e.to_string(), "error: tensor `q` is given twice\nhelp: give every tensor once");
}

#[test]
fn a_dim_that_only_states_have_needs_an_initial_state() {
    let rule = rule(
        "#[rule] fn sums(mut s: State<K, V>, k: Vector<K>, x: Scalar) -> Vector<V> { s += outer(k, x * s.read(k)); s.read(k) }",
    );
    let (k, x, s0) = (floats(&[1, 2, 1, 3]), floats(&[1, 2, 1]), floats(&[1, 1, 3, 4]));
    let exe = rule.on(&Device::cpu()).unwrap();
    let inputs = Bindings::new().with("k", &k).with("x", &x);
    let e = exe.forward(&inputs).unwrap_err();
    assert_eq!(
        e.to_string(),
        "error: no tensor says how large V is\nhelp: give the initial state `s0`, whose shape says it"
    );
    assert_eq!(exe.forward(inputs.with("s0", &s0)).unwrap()["o"].shape(), [1, 2, 1, 4]);
}

#[test]
fn a_rule_without_tokens_cannot_run() {
    // The front end refuses such a rule; one that was put together by hand gets here.
    let mut rule = rule(DELTA);
    rule.signature.params.iter_mut().for_each(|p| p.per_head = true);
    let inputs: Tensors = sound().iter().map(|(n, t)| (n, floats(&t.shape()[2..]))).collect();
    let e = rule.on(&Device::cpu()).unwrap().forward(&inputs).unwrap_err();
    assert_eq!(e.exit_code(), 2);
    assert!(e.to_string().contains("no input of `delta` has tokens"), "{e}");
}

#[test]
fn a_bound_of_a_range_is_inside_it_in_every_type() {
    let rule = rule(&DELTA.replace("0.0..=1.0", "-0.1..=0.1"));
    let exe = rule.on(&Device::cpu()).unwrap();
    for element in [Element::F64, Element::F32, Element::F16, Element::BF16] {
        for bound in [0.1, -0.1] {
            let beta = Tensor::new([2, 6, 4], vec![bound; 48]).unwrap().cast(element).unwrap();
            exe.forward(&with("beta", beta)).unwrap();
            let beyond = Tensor::new([2, 6, 4], vec![bound * 1.01; 48]).unwrap().cast(element).unwrap();
            assert_eq!(exe.forward(&with("beta", beyond)).unwrap_err().exit_code(), 2);
        }
    }
    // A NaN violates nothing; it shows in the result as it did in the input.
    let nan = Tensor::new([2, 6, 4], vec![f32::NAN; 48]).unwrap();
    assert!(exe.forward(&with("beta", nan)).unwrap()["o"].to_f64()[0].is_nan());
}

#[test]
fn plans_that_cannot_run_say_which_can() {
    let (delta, saturating) = (rule(DELTA), rule(SATURATING));
    let mut text = String::new();
    for plan in [PlanChoice::Fused, PlanChoice::Split, PlanChoice::Segmented] {
        let exe = delta.on(&Device::cpu()).unwrap().with_options(Options { plan, ..Options::default() });
        let e = exe.forward(&sound()).unwrap_err();
        assert_eq!(e.exit_code(), 3);
        writeln!(text, "--- {plan}\n{e}").unwrap();
    }
    let no_chunk = Options { chunk: 0, ..Options::default() };
    let e = delta.on(&Device::cpu()).unwrap().with_options(no_chunk).forward(&sound()).unwrap_err();
    assert_eq!(e.exit_code(), 2);
    writeln!(text, "--- chunk 0\n{e}").unwrap();
    let integers = Options { dtype: Some(Element::I64), ..Options::default() };
    let e = delta.on(&Device::cpu()).unwrap().with_options(integers).forward(&sound()).unwrap_err();
    assert_eq!(e.exit_code(), 2);
    writeln!(text, "--- dtype i64\n{e}").unwrap();
    let chunkwise = Options { plan: PlanChoice::Chunkwise, ..Options::default() };
    let e = saturating.on(&Device::cpu()).unwrap().with_options(chunkwise).forward(&sound()).unwrap_err();
    assert_eq!(e.exit_code(), 3);
    writeln!(text, "--- chunkwise, of a rule without one\n{e}").unwrap();
    insta::assert_snapshot!(text);
}
