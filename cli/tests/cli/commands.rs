//! `list`, `explain`, `emit`, `check`, `cache`, `doctor`, and how rule files and closed pipes are met. Whole golden texts
//! where they depend on nothing but the rule (`INSTA_UPDATE=always` renews them).

use crate::binary::Folder;
use std::io::Read;
use std::process::Stdio;

/// A rule with dims of unusual names, two states, and a normaliser: nothing here is in the catalogue.
const RULE: &str = "/// A decaying memory with a normaliser.
#[rule]
fn average(
    mut sum: State<M, C>,
    mut weight: State<M>,
    q: Vector<M>,
    k: Vector<M>,
    v: Vector<C>,
    g: Scalar,
) -> Vector<C> {
    let q = softplus(q);
    let k = softplus(k);
    sum *= exp(g);
    weight *= exp(g);
    sum += outer(k, v);
    weight += k;
    sum.read(q) / dot(weight, q)
}
";

/// Feedback through tanh, which no catalogue rule has.
const BOUNDED: &str = "#[rule]
fn bounded(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, d: Scalar) -> Vector<V> {
    s *= d;
    s += outer(k, tanh(v - s.read(k)));
    s.read(q)
}
";

/// A rule that has no timeline: the token loop alone runs it.
const SQUASHED: &str = "#[rule(recurrent)]
fn squashed(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s = tanh(s);
    s += outer(k, v);
    s.read(q)
}
";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("average.rs", RULE);
    folder.write("bounded.rs", BOUNDED);
    folder.write("squashed.rs", SQUASHED);
    folder
}

#[test]
fn list_shows_every_entry_once() {
    let text = folder().succeed(&["list"]);
    for entry in chunkwise::catalogue() {
        let rows = text.lines().filter(|line| line.split_whitespace().next() == Some(entry.name));
        assert_eq!(rows.count(), 1, "{}:\n{text}", entry.name);
    }
    insta::assert_snapshot!(text);
}

#[test]
fn explain_takes_files_and_sizes() {
    let folder = folder();
    let text = folder.succeed(&["explain", "average.rs", "--dim", "M=32", "--dim", "C=64", "--chunk", "32"]);
    insta::assert_snapshot!(text);
    let named = folder.succeed(&[
        "explain",
        "average.rs::average",
        "--dim",
        "M=32",
        "--dim",
        "C=64",
        "--chunk",
        "32",
    ]);
    assert_eq!(named, text);
    insta::assert_snapshot!("explain_recurrent_only", folder.succeed(&["explain", "squashed.rs"]));
}

#[test]
fn emit_prints_a_kernel() {
    let folder = folder();
    let text = folder.succeed(&["emit", "average.rs", "--arch", "sm_80", "--dim", "M=32", "--dim", "C=64"]);
    assert!(text.contains("extern \"C\"") && text.contains("--gpu-architecture=sm_80"), "{text}");
    assert!(!text.contains("#include"), "{text}");
    assert_eq!(
        text,
        folder.succeed(&["emit", "average.rs", "--arch", "sm_80", "--dim", "M=32", "--dim", "C=64"])
    );
}

#[test]
fn emit_says_what_it_cannot_do() {
    let folder = folder();
    let mut text = String::new();
    let lines: [&[&str]; 6] = [
        &["gla", "--pass", "backward"],
        &["longhorn", "--plan", "segmented"],
        &["hgrn", "--plan", "fused"],
        &["gla", "--dtype", "f64"],
        &["squashed.rs"],
        &["mlstm"],
    ];
    for line in lines {
        let ended = folder.run(&[["emit"].as_slice(), line].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "{line:?}: {ended:?}");
        text.push_str(&format!("== emit {}\n{}\n", line.join(" "), ended.stderr));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn emit_compiles_and_the_cache_keeps_it() {
    let folder = folder();
    assert_eq!(folder.succeed(&["cache", "path"]).trim_end(), folder.path("cache").display().to_string());
    assert!(folder.succeed(&["cache", "list"]).starts_with("no entries in "));
    let line = ["emit", "average.rs", "--arch", "sm_90", "--dim", "M=32", "--dim", "C=64"];
    let ptx = folder.succeed(&[line.as_slice(), &["--ptx"]].concat());
    assert!(ptx.contains(".target sm_90a") && ptx.contains(".entry"), "{ptx}");
    let log = folder.succeed(&[line.as_slice(), &["--log"]].concat());
    assert!(log.contains("registers") && log.contains("0 bytes spill stores"), "{log}");
    let listed = folder.succeed(&["cache", "list"]);
    assert!(
        listed.contains("average") && listed.contains("sm_90") && listed.contains("1 entry,"),
        "{listed}"
    );
    let cleared = folder.succeed(&["cache", "clear"]);
    assert!(cleared.starts_with("1 entry deleted"), "{cleared}");
    assert!(folder.succeed(&["cache", "list"]).starts_with("no entries in "));
}

#[test]
fn a_cache_that_cannot_be_written_is_a_warning() {
    let folder = folder();
    folder.write("cache", "a file where a folder should be");
    let ended = folder.run(&["emit", "bounded.rs", "-k", "32", "-v", "32", "--log"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("WARN") && ended.stdout.contains("registers"), "{ended:?}");
    let doctor = folder.succeed(&["doctor"]);
    assert!(doctor.contains("not writable"), "{doctor}");
}

#[test]
fn a_missing_compiler_says_how_to_get_one() {
    let folder = folder();
    let line = ["emit", "bounded.rs", "--ptx"];
    let output = folder.command(&line).env("CHUNKWISE_NVRTC", folder.path("nowhere")).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("CHUNKWISE_NVRTC"), "{stderr}");
    assert!(output.stdout.is_empty());
}

#[test]
fn check_passes_for_rules_of_every_class() {
    let folder = folder();
    for rule in ["average.rs", "bounded.rs", "squashed.rs", "gla", "rwkv7", "momentum_delta", "mlstm_capped"]
    {
        for dtype in
            ["f64", "f32", "bf16"].into_iter().filter(|dtype| (rule, *dtype) != ("squashed.rs", "f64"))
        {
            let text = folder.succeed(&["check", rule, "--dtype", dtype, "-t", "21", "--seed", "5"]);
            assert!(text.contains("seed 5") && text.ends_with("pass\n"), "{text}");
        }
    }
}

#[test]
fn check_refuses_to_compare_the_reference_with_itself() {
    let folder = folder();
    for line in [
        ["check", "gla", "--plan", "recurrent", "--dtype", "f64"].as_slice(),
        &["check", "squashed.rs", "--dtype", "f64"],
    ] {
        let ended = folder.run(line);
        assert_eq!((ended.code, ended.stdout.contains("pass")), (Some(3), false), "{ended:?}");
    }
}

#[test]
fn check_is_repeatable_and_depends_on_the_seed() {
    let folder = folder();
    let run =
        |seed| folder.succeed(&["check", "average.rs", "--seed", seed, "-t", "9", "--plan", "chunkwise"]);
    assert_eq!(run("1"), run("1"));
    assert_ne!(run("1").replace("seed 1", ""), run("2").replace("seed 2", ""));
}

#[test]
fn doctor_reports_and_exits_with_success() {
    let folder = folder();
    let output = folder.command(&["doctor"]).env_remove("CHUNKWISE_NVRTC").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), [].as_slice()), "{text}");
    for section in [
        "CPU:",
        "GPU:",
        "NVRTC, the CUDA compiler:",
        "  CHUNKWISE_NVRTC: not set",
        "Kernel cache:",
        "  writable",
    ] {
        assert!(text.lines().any(|line| line.starts_with(section)), "no `{section}` in\n{text}");
    }
}

#[test]
fn doctor_says_what_is_missing() {
    let folder = folder();
    let output = folder.command(&["doctor"]).env("CHUNKWISE_NVRTC", folder.path("nowhere")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("CUDA compiler: not found") && text.contains("help: "), "{text}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = folder();
    for line in [["list"].as_slice(), &["emit", "gla"], &["explain", "gla"], &["run", "--help"]] {
        let mut child = folder.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{line:?}");
    }
}

#[test]
fn rule_files_are_explained_like_rustc_does() {
    let folder = folder();
    let text =
        BOUNDED.replace("tanh(v - s.read(k))", "tanh(q - s.read(kk))").replace("d: Scalar", "d: Skalar");
    folder.write("wrong.rs", text);
    let ended = folder.run(&["explain", "wrong.rs"]);
    assert_eq!(ended.code, Some(2));
    insta::assert_snapshot!(ended.stderr);
}
