//! `chunkwise run` on a rule that is in no catalogue, against the same recurrence written out in this file, forward and
//! backward, for both plans and several chunk lengths.

use crate::binary::{Folder, numbers, tensor};
use chunkwise::{Tensor, Tensors};

/// A delta rule with a decay per key channel and a learning rate behind a sigmoid.
const RULE: &str = "#[rule]
fn forgetful_delta(
    mut memory: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    w: Vector<K>,
    beta: Scalar,
) -> Vector<V> {
    memory *= exp(w);
    memory += outer(sigmoid(beta) * k, v - memory.read(k));
    memory.read(q)
}
";

const TOKENS: usize = 37;
const HEADS: usize = 2;
const K: usize = 5;
const V: usize = 3;
/// Packed sequences, one of them empty.
const CUTS: [i64; 4] = [0, 20, 20, TOKENS as i64];

/// Inputs in f64. `q` and `w` have one head for both states.
fn inputs() -> Tensors {
    let keys = numbers(TOKENS * HEADS * K, 2).into_iter().map(|x| 0.6 * x).collect();
    let decays = numbers(TOKENS * K, 4).into_iter().map(|x| -0.1 - 0.2 * (x + 1.0)).collect();
    let mut tensors = Tensors::new();
    tensors.insert("q", tensor(&[1, TOKENS, 1, K], numbers(TOKENS * K, 1)));
    tensors.insert("k", tensor(&[1, TOKENS, HEADS, K], keys));
    tensors.insert("v", tensor(&[1, TOKENS, HEADS, V], numbers(TOKENS * HEADS * V, 3)));
    tensors.insert("w", tensor(&[1, TOKENS, 1, K], decays));
    tensors.insert("beta", tensor(&[1, TOKENS, HEADS], numbers(TOKENS * HEADS, 5)));
    tensors.insert("memory0", tensor(&[3, HEADS, K, V], numbers(3 * HEADS * K * V, 6)));
    tensors.insert("cu_seqlens", Tensor::new([4], CUTS.to_vec()).unwrap());
    tensors.insert("do", tensor(&[1, TOKENS, HEADS, V], numbers(TOKENS * HEADS * V, 7)));
    tensors.insert("dmemory", tensor(&[3, HEADS, K, V], numbers(3 * HEADS * K * V, 8)));
    tensors
}

/// The recurrence, token by token.
fn recurrence(inputs: &Tensors) -> (Vec<f64>, Vec<f64>) {
    let get = |name: &str| inputs[name].to_f64().into_owned();
    let (q, k, v, w, beta, mut memory) =
        (get("q"), get("k"), get("v"), get("w"), get("beta"), get("memory0"));
    let mut o = vec![0.0; TOKENS * HEADS * V];
    for (n, cut) in CUTS.windows(2).enumerate() {
        for t in cut[0] as usize..cut[1] as usize {
            for h in 0..HEADS {
                let s = &mut memory[(n * HEADS + h) * K * V..][..K * V];
                let key = &k[(t * HEADS + h) * K..][..K];
                let rate = 1.0 / (1.0 + (-beta[t * HEADS + h]).exp());
                for i in 0..K * V {
                    s[i] *= w[t * K + i / V].exp();
                }
                for j in 0..V {
                    let recalled: f64 = (0..K).map(|i| key[i] * s[i * V + j]).sum();
                    let error = v[(t * HEADS + h) * V + j] - recalled;
                    (0..K).for_each(|i| s[i * V + j] += rate * key[i] * error);
                    o[(t * HEADS + h) * V + j] = (0..K).map(|i| q[t * K + i] * s[i * V + j]).sum();
                }
            }
        }
    }
    (o, memory)
}

/// What the cotangents make of the results: the number whose gradients are asked for.
fn loss(inputs: &Tensors) -> f64 {
    let (o, memory) = recurrence(inputs);
    let dot =
        |x: &[f64], name: &str| x.iter().zip(inputs[name].to_f64().iter()).map(|(x, y)| x * y).sum::<f64>();
    dot(&o, "do") + dot(&memory, "dmemory")
}

/// RMS(error) / RMS(reference).
fn ratio(result: &[f64], reference: &[f64]) -> f64 {
    assert_eq!(result.len(), reference.len());
    let error: f64 = result.iter().zip(reference).map(|(x, y)| (x - y) * (x - y)).sum();
    (error / reference.iter().map(|y| y * y).sum::<f64>()).sqrt()
}

/// The derivative of the loss by every number of a tensor, by central differences.
fn differences(inputs: &Tensors, name: &str) -> Vec<f64> {
    let step = 1e-5;
    let base = inputs[name].to_f64().into_owned();
    let moved = |at: usize, by: f64| {
        let mut numbers = base.clone();
        numbers[at] += by;
        let mut inputs = inputs.clone();
        inputs.insert(name, tensor(inputs[name].shape(), numbers));
        loss(&inputs)
    };
    (0..base.len()).map(|at| (moved(at, step) - moved(at, -step)) / (2.0 * step)).collect()
}

/// Every plan and chunk length that is run.
const PLANS: [&[&str]; 5] = [
    &["--plan", "recurrent"],
    &["--plan", "chunkwise", "--chunk", "1"],
    &["--plan", "chunkwise", "--chunk", "16"],
    &["--plan", "chunkwise"],
    &["--chunk", "128"],
];

const RUN: [&str; 6] = ["run", "rule.rs", "--input", "in.safetensors", "--output", "out.safetensors"];

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("rule.rs", RULE);
    folder.tensors("in.safetensors", &inputs());
    folder
}

#[test]
fn forward_is_the_recurrence() {
    let folder = folder();
    let (o, memory) = recurrence(&inputs());
    for plan in PLANS {
        for (dtype, tolerance) in [("f64", 1e-12), ("f32", 1e-5), ("bf16", 5e-3), ("f16", 1e-3)] {
            let line = [RUN.as_slice(), plan, &["--dtype", dtype]].concat();
            assert_eq!(folder.succeed(&line), "");
            let results = folder.read("out.safetensors");
            assert_eq!(results.names().collect::<Vec<_>>(), ["memory", "o"], "{line:?}");
            assert_eq!(results["o"].shape(), [1, TOKENS, HEADS, V]);
            assert_eq!(results["o"].element().to_string(), dtype);
            assert_eq!(results["memory"].element().to_string(), if dtype == "f64" { "f64" } else { "f32" });
            // Rounding the inputs to 8 bits moves the results by more than the algorithm does.
            let tolerance = if dtype == "bf16" { 2e-2 } else { tolerance };
            assert!(ratio(&results["o"].to_f64(), &o) < tolerance, "{line:?}");
            assert!(ratio(&results["memory"].to_f64(), &memory) < tolerance, "{line:?}");
        }
    }
}

#[test]
fn backward_is_its_derivative() {
    let folder = folder();
    let inputs = inputs();
    let (o, _) = recurrence(&inputs);
    let names = ["q", "k", "v", "w", "beta", "memory0"];
    let expected: Vec<_> =
        names.iter().map(|name| (format!("d{name}"), differences(&inputs, name))).collect();
    for plan in PLANS {
        for (dtype, tolerance) in [("f64", 1e-7), ("f32", 1e-4)] {
            let line = [RUN.as_slice(), plan, &["--dtype", dtype, "--backward"]].concat();
            folder.succeed(&line);
            let results = folder.read("out.safetensors");
            assert!(ratio(&results["o"].to_f64(), &o) < tolerance, "{line:?}");
            for (name, gradient) in &expected {
                let off = ratio(&results[name].to_f64(), gradient);
                assert!(off < tolerance, "{line:?}: {name} is off by {off:.1e}");
                assert_eq!(results[name].shape(), inputs[&name[1..]].shape());
            }
        }
    }
}

#[test]
fn results_of_a_run_may_stand_in_its_input() {
    let folder = folder();
    folder.succeed(&[RUN.as_slice(), &["--backward"]].concat());
    let mut all = inputs();
    for (name, tensor) in folder.read("out.safetensors") {
        all.insert(name, tensor);
    }
    folder.tensors("in.safetensors", &all);
    folder.succeed(&RUN);
}

#[test]
fn a_nan_stays_in_its_sequence() {
    let folder = folder();
    let mut inputs = inputs();
    let mut v = inputs["v"].to_f64().into_owned();
    v[5 * HEADS * V] = f64::NAN;
    let clean = recurrence(&inputs).0;
    inputs.insert("v", tensor(&[1, TOKENS, HEADS, V], v));
    folder.tensors("in.safetensors", &inputs);
    for plan in PLANS {
        folder.succeed(&[RUN.as_slice(), plan].concat());
        let o = folder.read("out.safetensors")["o"].to_f64().into_owned();
        let (spoiled, others) = o.split_at(20 * HEADS * V);
        assert!(spoiled.iter().any(|x| x.is_nan()), "{plan:?}");
        assert!(ratio(others, &clean[20 * HEADS * V..]) < 1e-12, "{plan:?}");
    }
}

#[test]
fn no_tokens_are_no_error() {
    let folder = folder();
    let mut inputs = inputs();
    for (name, shape) in [("q", vec![1, 0, 1, K]), ("k", vec![1, 0, 2, K]), ("v", vec![1, 0, 2, V])] {
        inputs.insert(name, tensor(&shape, vec![]));
    }
    inputs.insert("w", tensor(&[1, 0, 1, K], vec![]));
    inputs.insert("beta", tensor(&[1, 0, 2], vec![]));
    inputs.insert("do", tensor(&[1, 0, 2, V], vec![]));
    inputs.insert("cu_seqlens", Tensor::new([4], vec![0i64; 4]).unwrap());
    folder.tensors("in.safetensors", &inputs);
    for plan in PLANS {
        folder.succeed(&[RUN.as_slice(), plan, &["--backward"]].concat());
        let results = folder.read("out.safetensors");
        assert_eq!(results["o"].shape(), [1, 0, HEADS, V]);
        assert_eq!(results["memory"], inputs["memory0"]);
        assert_eq!(results["dmemory0"], inputs["dmemory"]);
    }
}

#[test]
fn a_chunk_where_there_are_no_chunks_is_a_note() {
    let folder = folder();
    let loops = ["--plan", "recurrent"];
    folder.succeed(&[RUN.as_slice(), &loops].concat());
    let expected = folder.read("out.safetensors");
    let note = "note: --chunk is not used by `--plan recurrent`, which walks the tokens one by one\n";
    let ended = folder.run(&[RUN.as_slice(), &loops, &["--chunk", "16"]].concat());
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", note));
    assert_eq!(folder.read("out.safetensors")["o"], expected["o"]);
    let ended = folder.run(&["check", "rule.rs", "--plan", "recurrent", "--chunk", "16", "-t", "9"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), note));
    assert!(ended.stdout.contains("\nrecurrent ") && ended.stdout.ends_with("pass\n"), "{ended:?}");
}

#[test]
fn an_output_replaces_an_older_one_whole() {
    let folder = folder();
    folder.write("out.safetensors", "something older");
    folder.succeed(&RUN);
    assert_eq!(folder.read("out.safetensors").len(), 2);
}

#[test]
fn what_is_not_supported_says_so() {
    let folder = folder();
    let mut text = String::new();
    let lines: [&[&str]; 6] = [
        &["--device", "sim"],
        &["--device", "cuda:99"],
        &["--plan", "fused"],
        &["--plan", "split"],
        &["--plan", "segmented"],
        &["--precision", "high"],
    ];
    for extra in lines {
        let ended = folder.run(&[RUN.as_slice(), extra].concat());
        assert_eq!(ended.code, Some(3), "{extra:?}: {ended:?}");
        assert!(!folder.path("out.safetensors").exists(), "{extra:?}");
        // What a machine without that GPU lacks differs from machine to machine.
        if extra[1] != "cuda:99" {
            text.push_str(&format!("== {}\n{}\n", extra.join(" "), ended.stderr));
        }
    }
    insta::assert_snapshot!(text);
}
