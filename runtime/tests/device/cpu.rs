//! The CPU device: layouts, grouped heads, packed sequences, empty ones, element types, threads, and NaNs that stay where
//! they are. Whether the numbers are those of the rule is for the tests of `algebra` and the references to say; here
//! one run is compared with another that must equal it.

use crate::common::*;
use chunkwise_dsl::rule::Rule;
use chunkwise_runtime::{
    Bind, Bindings, Device, Element, Executable, Options, PlanChoice, RuleExt, Tensor, Tensors,
};

/// Every parameter of [`WIDE`], with head counts `q 2, k 1, v 4, beta 4, w 2, bonus 2, gain 1`, and both states.
fn wide_inputs(seed: u64, batch: usize, tokens: usize, sequences: usize) -> Tensors {
    println!("seed {seed}");
    let mut r = Random(seed);
    let (b, t) = (batch, tokens);
    [
        ("q", r.tensor(&[b, t, 2, 3])),
        ("k", r.tensor(&[b, t, 2, 1, 3])),
        ("v", r.tensor(&[b, t, 4, 5])),
        ("beta", r.tensor(&[b, t, 2, 4])),
        ("w", r.tensor(&[b, t, 2, 3])),
        ("bonus", r.tensor(&[2, 5])),
        ("gain", r.tensor(&[1])),
        ("s0", r.tensor(&[sequences, 4, 3, 5])),
        ("z0", r.tensor(&[sequences, 4, 3])),
        ("do0", r.tensor(&[b, t, 4, 5])),
        ("do1", r.tensor(&[b, t, 4])),
        ("ds", r.tensor(&[sequences, 4, 3, 5])),
        ("dz", r.tensor(&[sequences, 4, 3])),
    ]
    .into_iter()
    .collect()
}

/// The axis of heads of each tensor of [`WIDE`].
fn head_axis(name: &str) -> usize {
    match name {
        "k" | "beta" => 3,
        "bonus" | "gain" => 0,
        "s0" | "z0" | "ds" | "dz" => 1,
        _ => 2,
    }
}

fn on_cpu(rule: &Rule, plan: PlanChoice, chunk: usize) -> Executable {
    rule.on(&Device::cpu()).unwrap().with_options(Options { plan, chunk, ..Options::default() })
}

/// Both plans, with a chunk that does not divide the lengths used here.
fn both_plans(rule: &Rule) -> [Executable; 2] {
    [on_cpu(rule, PlanChoice::Recurrent, 64), on_cpu(rule, PlanChoice::Chunkwise, 4)]
}

/// The same tensors, each changed by name.
fn changed(tensors: &Tensors, change: impl Fn(&str, &Tensor) -> Tensor) -> Tensors {
    tensors.iter().map(|(n, t)| (n, change(n, t))).collect()
}

fn assert_close(a: &Tensors, b: &Tensors, limit: f64) {
    assert_eq!(a.names().collect::<Vec<_>>(), b.names().collect::<Vec<_>>());
    for (name, t) in a.iter() {
        let d = difference(t, &b[name]);
        assert!(d <= limit, "{name} differs by {d}");
    }
}

#[test]
fn results_have_the_names_and_shapes_of_the_design() {
    let rule = rule(WIDE);
    for exe in both_plans(&rule) {
        let out = exe.backward(&wide_inputs(1, 2, 7, 2)).unwrap();
        let shapes: Vec<_> = out.iter().map(|(n, t)| format!("{n} {:?}", t.shape())).collect();
        let expected = [
            "o0 [2, 7, 4, 5]",
            "o1 [2, 7, 4]",
            "s [2, 4, 3, 5]",
            "z [2, 4, 3]",
            "dq [2, 7, 2, 3]",
            "dk [2, 7, 2, 1, 3]",
            "dv [2, 7, 4, 5]",
            "dbeta [2, 7, 2, 4]",
            "dw [2, 7, 2, 3]",
            "dbonus [2, 5]",
            "dgain [1]",
            "ds0 [2, 4, 3, 5]",
            "dz0 [2, 4, 3]",
        ];
        assert_eq!(shapes, expected);
        let forward = exe.forward(&wide_inputs(1, 2, 7, 2)).unwrap();
        assert_eq!(forward.names().collect::<Vec<_>>(), ["o0", "o1", "s", "z"]);
        for (name, t) in forward.iter() {
            assert_eq!(t, &out[name], "{name}");
        }
    }
}

#[test]
fn the_two_plans_agree() {
    let rule = rule(WIDE);
    let inputs = wide_inputs(2, 2, 11, 2);
    let [recurrent, chunkwise] = both_plans(&rule).map(|e| e.backward(&inputs).unwrap());
    assert_close(&recurrent, &chunkwise, 1e-11);
    let longer_than_all = on_cpu(&rule, PlanChoice::Chunkwise, usize::MAX).backward(&inputs).unwrap();
    assert_close(&recurrent, &longer_than_all, 1e-11);
}

#[test]
fn grouped_heads_are_repeated_heads() {
    let rule = rule(WIDE);
    let grouped = wide_inputs(3, 2, 6, 2);
    let repeated = changed(&grouped, |name, t| {
        let (axis, heads) = (head_axis(name), t.shape()[head_axis(name)]);
        select(t, axis, &(0..4).map(|h| h * heads / 4).collect::<Vec<_>>())
    });
    for exe in both_plans(&rule) {
        let (a, b) = (exe.backward(&grouped).unwrap(), exe.backward(&repeated).unwrap());
        for (name, t) in a.iter() {
            let input = name.strip_prefix('d').unwrap_or(name);
            let whole = match grouped.get(input) {
                Some(given) if name.starts_with('d') => {
                    sum_groups(&b[name], head_axis(input), 4 / given.shape()[head_axis(input)])
                }
                _ => b[name].clone(),
            };
            let d = difference(t, &whole);
            assert!(d < 1e-13, "{name} differs by {d}");
        }
    }
}

/// Cuts every tensor over tokens to one sequence, and every state to its entry.
fn one_sequence(tensors: &Tensors, tokens: std::ops::Range<usize>, n: usize) -> Tensors {
    changed(tensors, |name, t| match name {
        "bonus" | "gain" => t.clone(),
        "s0" | "z0" | "ds" | "dz" => select(t, 0, &[n]),
        _ => select(t, 1, &tokens.clone().collect::<Vec<_>>()),
    })
}

#[test]
fn packed_sequences_are_separate_runs() {
    let rule = rule(WIDE);
    let boundaries = [0i64, 3, 3, 4, 11, 11];
    let inputs = wide_inputs(4, 1, 11, 5);
    let cu = cuts(&boundaries);
    let cu32 = Tensor::new([6], boundaries.map(|x| x as i32).to_vec()).unwrap();
    for exe in both_plans(&rule) {
        let packed = exe.backward((&inputs).with("cu_seqlens", &cu)).unwrap();
        assert_eq!(packed, exe.backward((&inputs).with("cu_seqlens", &cu32)).unwrap());
        let apart: Vec<Tensors> = boundaries
            .windows(2)
            .enumerate()
            .map(|(n, w)| exe.backward(&one_sequence(&inputs, w[0] as usize..w[1] as usize, n)).unwrap())
            .collect();
        for (name, t) in packed.iter() {
            let parts: Vec<Tensor> = apart.iter().map(|a| a[name].clone()).collect();
            match name {
                "s" | "z" | "ds0" | "dz0" => assert_eq!(t, &join(&parts, 0), "{name}"),
                "dbonus" | "dgain" => {
                    let rows: Vec<Tensor> = parts
                        .iter()
                        .map(|p| Tensor::new([1, p.len()], p.to_f64().into_owned()).unwrap())
                        .collect();
                    let sum = sum_groups(&join(&rows, 0), 0, 5);
                    let sum = Tensor::new(t.shape(), sum.to_f64().into_owned()).unwrap();
                    assert!(difference(t, &sum) < 1e-14, "{name}");
                }
                _ => assert_eq!(t, &join(&parts, 1), "{name}"),
            }
        }
    }
}

#[test]
fn rows_of_a_batch_are_separate_runs() {
    let rule = rule(DELTA);
    let mut r = Random(5);
    let inputs: Tensors = [
        ("q", r.tensor(&[3, 9, 2, 4])),
        ("k", r.tensor(&[3, 9, 2, 4])),
        ("v", r.tensor(&[3, 9, 2, 4])),
        ("g", r.between(&[3, 9, 2], -2.0, 0.0)),
        ("beta", r.between(&[3, 9, 1], 0.0, 1.0)),
    ]
    .into_iter()
    .collect();
    for exe in both_plans(&rule) {
        let whole = exe.forward(&inputs).unwrap();
        for b in 0..3 {
            let row = exe.forward(&changed(&inputs, |_, t| select(t, 0, &[b]))).unwrap();
            for (name, t) in row.iter() {
                assert_eq!(t, &select(&whole[name], 0, &[b]), "{name}");
            }
        }
    }
}

#[test]
fn without_tokens_the_state_stays() {
    let rule = rule(WIDE);
    let empty = wide_inputs(6, 2, 0, 2);
    let packed = wide_inputs(7, 1, 0, 3);
    let none = cuts(&[0, 0, 0, 0]);
    for exe in both_plans(&rule) {
        for (inputs, out) in [
            (&empty, exe.backward(&empty).unwrap()),
            (&packed, exe.backward((&packed).with("cu_seqlens", &none)).unwrap()),
        ] {
            assert_eq!(out["s"], inputs["s0"]);
            assert_eq!(out["z"], inputs["z0"]);
            assert_eq!(out["ds0"], inputs["ds"]);
            assert_eq!(out["dz0"], inputs["dz"]);
            assert_eq!(out["o0"].shape()[1..], [0, 4, 5]);
            assert_eq!(out["dq"].len(), 0);
            assert_eq!(out["dbonus"], zeros(&[2, 5], Element::F64));
        }
    }
    let nothing = wide_inputs(8, 0, 4, 0);
    let out = rule.on(&Device::cpu()).unwrap().forward(&nothing).unwrap();
    assert_eq!((out["o0"].shape(), out["s"].shape()), (&[0, 4, 4, 5][..], &[0, 4, 3, 5][..]));
}

#[test]
fn absent_states_and_cotangents_are_zero() {
    let rule = rule(WIDE);
    let mut with_zeros = wide_inputs(9, 1, 5, 1);
    for name in ["s0", "z0", "do1", "ds", "dz"] {
        let shape = with_zeros[name].shape().to_vec();
        with_zeros.insert(name, zeros(&shape, Element::F64));
    }
    let mut without = with_zeros.clone();
    for name in ["s0", "z0", "do1", "ds", "dz"] {
        without.remove(name);
    }
    for exe in both_plans(&rule) {
        assert_eq!(exe.backward(&with_zeros).unwrap(), exe.backward(&without).unwrap());
    }
}

#[test]
fn the_state_may_have_the_most_heads() {
    let rule = rule(DELTA);
    let mut r = Random(10);
    let (q, v) = (r.tensor(&[1, 3, 1, 2]), r.tensor(&[1, 3, 2, 2]));
    let (g, s0) = (r.between(&[1, 3, 1], 0.0, 1.0), r.tensor(&[1, 4, 2, 2]));
    let inputs = Bindings::new().with("q", &q).with("k", &q).with("v", &v).with("g", &g).with("beta", &g);
    let out = rule.on(&Device::cpu()).unwrap().forward(inputs.with("s0", &s0)).unwrap();
    assert_eq!((out["o"].shape(), out["s"].shape()), (&[1, 3, 4, 2][..], &[1, 4, 2, 2][..]));
}

#[test]
fn a_result_file_may_be_an_input_file() {
    let rule = rule(WIDE);
    let exe = rule.on(&Device::cpu()).unwrap();
    let inputs = wide_inputs(11, 1, 5, 1);
    let first = exe.backward(&inputs).unwrap();
    let mut both = inputs.clone();
    for (name, t) in first.iter() {
        both.insert(name, t.clone());
    }
    assert_eq!(exe.backward(&both).unwrap(), first);
    // Forward ignores cotangents, of whatever shape.
    both.insert("do0", Tensor::new([1], vec![0i32]).unwrap());
    assert_eq!(exe.forward(&both).unwrap()["o0"], first["o0"]);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let rule = rule(WIDE);
    let inputs = wide_inputs(12, 1, 200, 4).clone();
    let inputs = changed(&inputs, |_, t| t.cast(Element::F32).unwrap());
    let cu = cuts(&[0, 70, 71, 130, 200]);
    for exe in both_plans(&rule) {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| exe.backward((&inputs).with("cu_seqlens", &cu)).unwrap())
        };
        let one = run(1);
        for threads in [2, 3, 8] {
            assert_eq!(run(threads), one);
        }
    }
}

#[test]
fn a_nan_stays_in_its_sequence() {
    let rule = rule(WIDE);
    let clean = wide_inputs(13, 1, 12, 3);
    let cu = cuts(&[0, 5, 9, 12]);
    for poisoned in ["q", "k", "v", "beta", "w", "s0", "do0", "ds"] {
        let mut inputs = clean.clone();
        let t = &clean[poisoned];
        let mut data = t.to_f64().into_owned();
        // The middle sequence: tokens 5 to 8, entry 1 of the states.
        let axis = usize::from(!poisoned.starts_with('s') && poisoned != "ds");
        let run: usize = t.shape()[axis + 1..].iter().product();
        let (from, to) = if axis == 0 { (run, 2 * run) } else { (5 * run, 9 * run) };
        data[from..to].fill(f64::NAN);
        inputs.insert(poisoned, Tensor::new(t.shape(), data).unwrap());
        for exe in both_plans(&rule) {
            let a = exe.backward((&clean).with("cu_seqlens", &cu)).unwrap();
            let b = exe.backward((&inputs).with("cu_seqlens", &cu)).unwrap();
            let mut reached = 0;
            for (name, t) in a.iter() {
                let (axis, others) = match name {
                    "dbonus" | "dgain" => continue,
                    "s" | "z" | "ds0" | "dz0" => (0, vec![0, 2]),
                    _ => (1, vec![0, 1, 2, 3, 4, 9, 10, 11]),
                };
                assert_eq!(select(t, axis, &others), select(&b[name], axis, &others), "{poisoned} to {name}");
                reached += usize::from(b[name].to_f64().iter().any(|x| x.is_nan()));
            }
            assert!(reached > 0, "the NaN in {poisoned} was lost");
        }
    }
}

#[test]
fn element_types_follow_the_inputs_or_the_options() {
    use Element::*;
    let rule = rule(WIDE);
    let wide = wide_inputs(14, 1, 4, 1);
    let vectors = ["q", "k", "v"];
    let types = |exe: &Executable, inputs: &Tensors| {
        let out = exe.backward(inputs).unwrap();
        ["o0", "o1", "s", "dq", "dw", "dbeta", "dgain", "ds0"].map(|n| out[n].element())
    };
    let low = |element: Element| [element, element, F32, element, F32, F32, F32, F32];
    for exe in both_plans(&rule) {
        let with = |dtype| exe.clone().with_options(Options { dtype, ..*exe.options() });
        assert_eq!(types(&exe, &wide), [F64; 8]);
        let mixed = |element: Element| {
            changed(&wide, |n, t| t.cast(if vectors.contains(&n) { element } else { F32 }).unwrap())
        };
        for element in [F32, F16, BF16] {
            assert_eq!(types(&exe, &mixed(element)), low(element));
            assert_eq!(types(&with(Some(element)), &wide), low(element));
            // Rounding the inputs beforehand or by the option is one thing.
            assert_eq!(
                with(Some(element)).backward(&wide).unwrap(),
                exe.backward(&changed(&mixed(element), |n, t| {
                    if n == "do0" || n == "do1" { t.cast(element).unwrap() } else { t.clone() }
                }))
                .unwrap()
            );
        }
        assert_eq!(types(&with(Some(F64)), &mixed(BF16)), [F64; 8]);
        let mut two = mixed(BF16);
        two.insert("v", two["v"].cast(F16).unwrap());
        assert_eq!(types(&exe, &two), low(F32));
        // Gates are no token vectors: their type says nothing of the output's.
        let mut gate = mixed(F32);
        gate.insert("w", gate["w"].cast(BF16).unwrap());
        assert_eq!(types(&exe, &gate), low(F32));
        let e = with(Some(I32)).forward(&wide).unwrap_err();
        assert_eq!(e.exit_code(), 2);
    }
}

#[test]
fn single_precision_is_close_to_double() {
    let rule = rule(WIDE);
    let wide = wide_inputs(15, 1, 50, 1);
    for exe in both_plans(&rule) {
        let double = exe.backward(&wide).unwrap();
        let single = exe.backward(&changed(&wide, |_, t| t.cast(Element::F32).unwrap())).unwrap();
        for (name, t) in single.iter() {
            let d = difference(&t.cast(Element::F64).unwrap(), &double[name]);
            assert!(d < 1e-4, "{name} differs by {d}");
        }
    }
}

#[test]
fn the_default_plan_is_the_best_the_rule_has() {
    let rule = rule(SATURATING);
    let mut r = Random(16);
    let (q, k) = (r.tensor(&[1, 6, 1, 2]), r.tensor(&[1, 6, 1, 2]));
    let inputs = Bindings::new().with("q", &q).with("k", &k).with("v", &k);
    let auto = on_cpu(&rule, PlanChoice::Auto, 64).backward(&inputs).unwrap();
    assert_eq!(auto, on_cpu(&rule, PlanChoice::Recurrent, 64).backward(&inputs).unwrap());
    let e = on_cpu(&rule, PlanChoice::Chunkwise, 64).forward(&inputs).unwrap_err();
    assert_eq!(e.exit_code(), 3, "{e}");
}
