//! `chunkwise bench`: its figures against what must hold of them, and what it refuses. The tables' form is a golden text of
//! its own, beside the code that prints them.

use crate::binary::Folder;
use serde_json::Value;
use std::fs;

/// The plans of a bench, as JSON.
fn plans(folder: &Folder, arguments: &[&str]) -> Vec<Value> {
    folder.succeed(&[&["bench", "--json", "bench.json"], arguments].concat());
    let text = fs::read_to_string(folder.path("bench.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    document["plans"].as_array().unwrap().clone()
}

/// A folder with a rule that never has a kernel.
fn with_recurrent_only() -> Folder {
    let folder = Folder::new();
    let rule = "#[rule(recurrent)]\nfn squashed(mut s: State<K, V>, k: Vector<K>, v: Vector<V>) -> Vector<V> {\n    \
                s = tanh(s + outer(k, v));\n    s.read(k)\n}\n";
    folder.write("squashed.rs", rule);
    folder
}

fn figure(kernel: &Value, path: &str) -> f64 {
    let value = path.split('/').fold(kernel, |value, key| &value[key]);
    value.as_f64().unwrap_or_else(|| panic!("`{path}` is no number in {kernel:#}"))
}

#[test]
fn ratios_and_times_are_what_they_must_be() {
    let folder = Folder::new();
    let rules = ["gated_deltanet", "gla"];
    let all = plans(&folder, &[rules.as_slice(), &["-k", "64", "-v", "64", "-t", "2048"]].concat());
    assert_eq!(all.len(), 4 * rules.len());
    for kernel in &all {
        let name = format!("{} {}", kernel["rule"], kernel["plan"]);
        // Nothing moves fewer bytes than there are, and outputs are written once, by the simulator's count of every store.
        assert!(figure(kernel, "byte_ratio") >= 1.0, "{name}: {kernel:#}");
        assert!(figure(kernel, "sector_ratio") >= 1.0, "{name}: {kernel:#}");
        // What kernels hand to one another is written besides.
        let several = kernel["kernels"].as_array().unwrap().len() > 1;
        let (stored, hands_on) = (figure(kernel, "per_token/store_bytes"), several);
        assert_eq!((stored == 128.0, stored >= 128.0), (!hands_on, true), "{name}: {stored}");
        let chunkwise = kernel["plan"] != "recurrent";
        assert_eq!(figure(kernel, "per_token/tensor_flops") > 0.0, chunkwise, "{name}");
        assert_eq!(kernel["flop_ratio"].is_null(), !chunkwise, "{name}");
        // Above half of the dense work even where every block above the diagonals is left out.
        assert!(!chunkwise || figure(kernel, "flop_ratio") > 0.5, "{name}: {kernel:#}");
        assert!(figure(kernel, "per_token/conflicts") <= figure(kernel, "per_token/wavefronts"), "{name}");
        let mut predicted = 0.0;
        for kernel in kernel["kernels"].as_array().unwrap() {
            assert!(figure(kernel, "registers") >= 16.0 && figure(kernel, "registers") <= 255.0, "{name}");
            assert!(figure(kernel, "blocks_per_multiprocessor") >= 1.0, "{name}");
            let alone = kernel["predicted_ms_alone"].as_object().unwrap();
            let most = alone.values().filter_map(Value::as_f64).fold(0.0, f64::max);
            assert_eq!(figure(kernel, "predicted_ms"), most, "{name}");
            assert_eq!(alone[kernel["predicted_bound"].as_str().unwrap()].as_f64(), Some(most), "{name}");
            predicted += most;
        }
        assert!((figure(kernel, "predicted_ms") / predicted - 1.0).abs() < 1e-12, "{name}");
        // 64 heads of 2048 tokens, each byte once, at 4.8 TB/s.
        let floor = 1e3 * 64.0 * 2048.0 * figure(kernel, "least_bytes") / 4.8e12;
        assert!(predicted >= floor, "{name}: {floor} in {kernel:#}");
    }
}

#[test]
fn split_operands_cost_more_products() {
    let folder = Folder::new();
    let of = |more: &[&str]| {
        let call = ["gla", "--plan", "fused", "-k", "32", "-v", "32", "-t", "128"];
        let all = plans(&folder, &[call.as_slice(), more].concat());
        all.iter().map(|kernel| figure(kernel, "per_token/tensor_flops")).collect::<Vec<_>>()
    };
    let (fast, high) = (of(&[]), of(&["--precision", "high"]));
    assert!(fast.len() == 1 && high.len() == 1 && high[0] > 1.5 * fast[0], "{fast:?} {high:?}");
}

#[test]
fn the_same_call_prints_the_same() {
    let folder = Folder::new();
    let call =
        ["bench", "retnet", "-k", "32", "-v", "16", "--detail", "--targets", "-t", "100", "--gpu", "a100"];
    let text = folder.succeed(&call);
    assert_eq!(folder.succeed(&call), text);
    assert!(text.starts_with("bf16 kernels for sm_80, counted in the simulator"), "{text}");
    assert!(
        text.contains("a model of the A100 SXM 80 GB for B = 1, T = 100, HV = 64, not a measurement"),
        "{text}"
    );
    for plan in ["recurrent", "fused", "split", "segmented"] {
        assert!(text.contains(&format!("\nretnet, {plan}, K = 32, V = 16")), "{text}");
    }
}

#[test]
fn a_rule_without_a_kernel_of_a_plan_does_not_stop_the_others() {
    // Its dims are its own, and sizes of the others are none of its business.
    let folder = with_recurrent_only();
    let rules = ["bench", "squashed.rs", "hgrn", "retnet", "-k", "16", "-v", "16"];
    let text = folder.succeed(&rules);
    let has_row = |rule: &str, plan: &str| {
        let starts = |line: &str| line.split_whitespace().take(2).eq([rule, plan]);
        text.lines().any(starts)
    };
    for (rule, plan) in
        [("retnet", "fused"), ("retnet", "split"), ("retnet", "segmented"), ("hgrn", "recurrent")]
    {
        assert!(has_row(rule, plan), "{rule}, {plan}: {text}");
    }
    assert!(text.contains("\nnot benched:\n") && text.contains("\n  squashed, fused  "), "{text}");
}

#[test]
fn what_it_cannot_do_is_said() {
    let folder = with_recurrent_only();
    let calls: [&[&str]; 12] = [
        &["bench"],
        &["bench", "gla", "--all"],
        &["bench", "glaa"],
        &["bench", "gla", "hgrn", "--dim", "M=8"],
        &["bench", "gla", "--gpu", "v100"],
        &["bench", "gla", "--gpu", "a100", "--arch", "sm_90"],
        &["bench", "gla", "--arch", "sm_86"],
        &["bench", "gla", "--device", "cpu"],
        &["bench", "gla", "--device", "sim:sm_80"],
        &["bench", "gla", "--plan", "sideways"],
        &["bench", "squashed.rs", "--plan", "fused"],
        &["bench", "gla", "--plan", "recurrent", "--precision", "high"],
    ];
    let ends = calls.map(|call| {
        let ended = folder.run(call);
        assert_eq!(ended.stdout, "", "{call:?}");
        format!("$ chunkwise {}\n{}exit {}\n", call.join(" "), ended.stderr, ended.code.unwrap_or(-1))
    });
    insta::assert_snapshot!(ends.join("\n"));
}

#[test]
fn a_gpu_that_is_not_there_is_said_before_anything_is_printed() {
    // Where there is a GPU, an ordinal that no machine has.
    let folder = Folder::new();
    let call = ["bench", "retnet", "-k", "16", "-v", "16", "-t", "64", "--device", "cuda:99"];
    let ended = folder.run(&call);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "{}", ended.stderr);
}

/// What lies on disk is not compiled, which takes longer than all the rest; by how much is nobody's promise.
#[test]
fn first_results_come_sooner_from_disk() {
    let text =
        Folder::new().succeed(&["bench", "--first", "gla", "--plan", "recurrent", "-k", "16", "-v", "16"]);
    let row = text.lines().find(|line| line.starts_with("gla ")).expect("the rule has a row");
    let row: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(row[..9], ["gla", "recurrent", "K", "=", "16,", "V", "=", "16", "1"], "{text}");
    let times: Vec<f64> = row[9..].iter().map(|ms| ms.parse().unwrap()).collect();
    let [emit, compile, ready, disk, run] = times[..] else { panic!("{text}") };
    assert!((emit + compile - ready).abs() < 0.16 && emit <= disk && run > 0.0, "{text}");
    assert!(text.contains("target of what lies on disk     5 ms  met by "), "{text}");
}

/// The times of others, as the GPU bundle writes them.
#[test]
fn times_of_others_stand_beside() {
    let folder = Folder::new();
    let peers = r#"{"gpu": "NVIDIA H200", "torch": "2.9", "fla": "0.6.0", "cases": [
        {"case": "gla-bf16-B1-T64-H2-D16", "rule": "gla", "peer": "chunk_gla", "dtype": "bf16", "B": 1, "T": 64, "H": 2, "D": 16,
         "o_against_ours": 0.001, "ms": 0.875, "ms_least": 0.75}]}"#;
    folder.write("peers.json", peers);
    let call = ["gla", "--plan", "recurrent", "-k", "16", "-v", "16", "-t", "64", "--beside", "peers.json"];
    let here = [call.as_slice(), &["--heads", "2"]].concat();
    let [plan] = &plans(&folder, &here)[..] else { panic!("one plan") };
    assert_eq!((figure(plan, "beside_ms"), plan["beside_by"].as_str()), (0.875, Some("chunk_gla")));
    assert!(plan["beside_ratio"].is_null());
    let text = folder.succeed(&[&["bench"], here.as_slice()].concat());
    assert!(text.contains("peers.json, the fastest of each rule, measured on NVIDIA H200"), "{text}");
    let lines: Vec<&str> =
        text.lines().filter(|line| line.ends_with("beside") || line.ends_with("0.875")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    let other = folder.run(&[&["bench"], call.as_slice(), &["--heads", "4"]].concat());
    assert_eq!((other.code, other.stdout.as_str()), (Some(2), ""));
    assert!(
        other.stderr.contains("--batch 1 --tokens 64 --heads 2 -k 16 -v 16 --dtype bf16"),
        "{}",
        other.stderr
    );
}
