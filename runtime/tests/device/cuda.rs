//! The CUDA device: what it says where it cannot run, and, where there is a GPU, that it computes what the CPU does.

use crate::common::*;
use chunkwise_runtime::{Bind, Device, Element, Error, Options, PlanChoice, RuleExt, Tensors};

fn inputs(element: Element) -> Tensors {
    let mut r = Random(21);
    println!("seed 21");
    let float = |t: chunkwise_runtime::Tensor, e| t.cast(e).unwrap();
    [
        ("q", float(r.tensor(&[1, 37, 2, 24]), element)),
        ("k", float(r.between(&[1, 37, 2, 24], -0.2, 0.2), element)),
        ("v", float(r.tensor(&[1, 37, 4, 40]), element)),
        ("g", float(r.between(&[1, 37, 4], -1.0, 0.0), Element::F32)),
        ("beta", float(r.between(&[1, 37, 1], 0.0, 1.0), Element::F32)),
        ("s0", float(r.tensor(&[3, 4, 24, 40]), Element::F32)),
    ]
    .into_iter()
    .collect()
}

/// With a driver and a GPU this compares devices; without, the absence must say what was looked for.
#[test]
fn the_gpu_computes_what_the_cpu_does_or_says_what_is_absent() {
    let rule = rule(DELTA);
    let exe = match rule.on(&Device::parse("cuda:0").unwrap()) {
        Ok(exe) => exe,
        Err(e) => {
            assert!(matches!(e, Error::Absent(_)), "{e}");
            assert_eq!(e.exit_code(), 3);
            let text = e.to_string();
            let names_what = text.contains("looked for libcuda.so") || text.contains("`cuda:0`");
            assert!(names_what && text.contains("run on `cpu`"), "{text}");
            return;
        }
    };
    let cu = cuts(&[0, 20, 20, 37]);
    for (element, limit) in [(Element::F32, 1e-4), (Element::BF16, 2e-2), (Element::F16, 2e-3)] {
        let inputs = inputs(element);
        let cpu = rule.on(&Device::cpu()).unwrap();
        let (a, b) = (
            exe.forward((&inputs).with("cu_seqlens", &cu)).unwrap(),
            cpu.forward((&inputs).with("cu_seqlens", &cu)).unwrap(),
        );
        for (name, t) in a.iter() {
            let d = difference(t, &b[name]);
            assert!(d < limit, "{element} {name} differs by {d}");
        }
    }
    for (what, e) in [
        ("backward", exe.backward(&inputs(Element::F32)).unwrap_err()),
        ("f64", {
            let options = Options { dtype: Some(Element::F64), ..Options::default() };
            exe.clone().with_options(options).forward(&inputs(Element::F32)).unwrap_err()
        }),
        ("chunkwise", {
            let options = Options { plan: PlanChoice::Chunkwise, ..Options::default() };
            exe.clone().with_options(options).forward(&inputs(Element::F32)).unwrap_err()
        }),
    ] {
        assert!(matches!(e, Error::Limitation(_)), "{what}: {e}");
    }
}

#[test]
fn no_machine_has_a_hundred_gpus() {
    let e = rule(DELTA).on(&Device::parse("cuda:100").unwrap()).unwrap_err();
    assert!(matches!(e, Error::Absent(_)), "{e}");
}

#[test]
fn a_rule_without_a_timeline_has_no_kernel() {
    let e = rule(SATURATING).on(&Device::parse("cuda:0").unwrap()).unwrap_err();
    assert!(matches!(e, Error::Limitation(_)), "{e}");
    assert!(e.to_string().contains("`saturating` has no kernel"), "{e}");
}
