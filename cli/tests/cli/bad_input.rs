//! Whatever a user gets wrong: exit code 2, a message that names the thing and what was expected, no panic, no output
//! file. One table of cases; all messages together are one golden text (`INSTA_UPDATE=always` renews it).

use crate::binary::{Ended, Folder, numbers, tensor};
use chunkwise::{Tensor, Tensors};
use std::fmt::Write;

/// A rule that is in no catalogue.
const RULE: &str = "#[rule]
fn mine(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    g: Scalar,
    #[range(0.0..=1.0)] beta: Scalar,
) -> Vector<V> {
    s *= exp(g);
    s += outer(beta * k, v - s.read(k));
    s.read(q)
}
";

/// Two rules in a file.
const TWO: &str = "#[rule]
fn first(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s += outer(k, v);
    s.read(q)
}
#[rule]
fn second(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s += outer(k, v - s.read(k));
    s.read(q)
}
";

/// B 1, T 6, two states, K 3, V 2; keys and queries have one head.
fn good() -> Tensors {
    let small = |count, salt| numbers(count, salt).into_iter().map(|x: f64| x.abs()).collect::<Vec<f64>>();
    let negative = |count, salt| small(count, salt).into_iter().map(|x| -x).collect::<Vec<f64>>();
    let mut tensors = Tensors::new();
    tensors.insert("q", tensor(&[1, 6, 1, 3], numbers(18, 1)));
    tensors.insert("k", tensor(&[1, 6, 1, 3], numbers(18, 2)));
    tensors.insert("v", tensor(&[1, 6, 2, 2], numbers(24, 3)));
    tensors.insert("g", tensor(&[1, 6, 2], negative(12, 4)));
    tensors.insert("beta", tensor(&[1, 6, 2], small(12, 5)));
    tensors
}

fn offsets(values: &[i64]) -> Tensor {
    Tensor::new([values.len()], values.to_vec()).unwrap()
}

/// What a case does to good inputs before it runs them.
type Spoil = fn(&mut Tensors);

/// Wrong tensors: name of the case, whether it runs backward, what is wrong.
const TENSORS: &[(&str, bool, Spoil)] = &[
    ("a tensor is missing", false, |t| drop(t.remove("k"))),
    ("a tensor is unknown", false, |t| drop(t.insert("beat", tensor(&[1, 6, 2], numbers(12, 6))))),
    ("integers where floats are wanted", false, |t| {
        drop(t.insert("q", Tensor::new([1, 6, 1, 3], vec![1i32; 18]).unwrap()));
    }),
    ("wrong rank", false, |t| drop(t.insert("q", tensor(&[6, 1, 3], numbers(18, 1))))),
    ("wrong length", false, |t| drop(t.insert("v", tensor(&[1, 5, 2, 2], numbers(20, 3))))),
    ("wrong length of the first one", false, |t| drop(t.insert("q", tensor(&[1, 5, 1, 3], numbers(15, 1))))),
    ("wrong batch", false, |t| drop(t.insert("v", tensor(&[2, 6, 2, 2], numbers(48, 3))))),
    ("wrong dim", false, |t| drop(t.insert("k", tensor(&[1, 6, 1, 4], numbers(24, 2))))),
    ("head counts do not divide", false, |t| {
        drop(t.insert("q", tensor(&[1, 6, 2, 3], numbers(36, 1))));
        drop(t.insert("v", tensor(&[1, 6, 3, 2], numbers(36, 3))));
    }),
    ("no heads", false, |t| drop(t.insert("q", tensor(&[1, 6, 0, 3], vec![])))),
    ("cu_seqlens of floats", false, |t| drop(t.insert("cu_seqlens", tensor(&[2], vec![0.0, 6.0])))),
    ("cu_seqlens of rank 2", false, |t| {
        drop(t.insert("cu_seqlens", Tensor::new([1, 2], vec![0i64, 6]).unwrap()));
    }),
    ("cu_seqlens is empty", false, |t| drop(t.insert("cu_seqlens", offsets(&[])))),
    ("cu_seqlens does not start at 0", false, |t| drop(t.insert("cu_seqlens", offsets(&[1, 6])))),
    ("cu_seqlens does not end at T", false, |t| drop(t.insert("cu_seqlens", offsets(&[0, 5])))),
    ("cu_seqlens falls", false, |t| drop(t.insert("cu_seqlens", offsets(&[0, 4, 2, 6])))),
    ("cu_seqlens with B > 1", false, |t| {
        for (name, shape) in [("q", vec![2, 3, 1, 3]), ("k", vec![2, 3, 1, 3]), ("v", vec![2, 3, 2, 2])] {
            let count = shape.iter().product();
            t.insert(name, tensor(&shape, numbers(count, 7)));
        }
        for name in ["g", "beta"] {
            t.insert(name, tensor(&[2, 3, 2], vec![0.0; 12]));
        }
        t.insert("cu_seqlens", offsets(&[0, 3]));
    }),
    ("initial state of the wrong shape", false, |t| {
        drop(t.insert("s0", tensor(&[1, 2, 2, 3], numbers(12, 8))))
    }),
    ("initial state of another number of sequences", false, |t| {
        t.insert("cu_seqlens", offsets(&[0, 2, 6]));
        t.insert("s0", tensor(&[1, 2, 3, 2], numbers(12, 8)));
    }),
    ("a cotangent of the wrong shape", true, |t| drop(t.insert("do", tensor(&[1, 6, 1, 2], numbers(12, 9))))),
    ("a state's cotangent of the wrong shape", true, |t| {
        drop(t.insert("ds", tensor(&[1, 2, 3], numbers(6, 9))))
    }),
    ("a declared range is violated", false, |t| {
        let mut beta = vec![0.5; 12];
        beta[7] = 1.25;
        t.insert("beta", tensor(&[1, 6, 2], beta));
    }),
    ("several mistakes at once", true, |t| {
        t.remove("q");
        t.insert("qq", tensor(&[1, 6, 1, 3], numbers(18, 1)));
        t.insert("v", tensor(&[6, 2, 2], numbers(24, 3)));
    }),
];

/// Wrong files: name of the case, the bytes of the input file.
fn hostile_files(folder: &Folder) -> Vec<(&'static str, Vec<u8>)> {
    folder.tensors("whole.safetensors", &good());
    let whole = std::fs::read(folder.path("whole.safetensors")).unwrap();
    let header = |text: &str, data: usize| {
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend(text.as_bytes());
        bytes.extend(vec![0; data]);
        bytes
    };
    let one = |dtype: &str, shape: &str, ends: &str| {
        format!(r#"{{"q":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{ends}}}}}"#)
    };
    vec![
        ("an empty file", vec![]),
        ("a file of text", b"these are no tensors, whatever the name says".to_vec()),
        ("a truncated header", whole[..40].to_vec()),
        ("truncated data", whole[..whole.len() - 1].to_vec()),
        ("bytes after the data", [whole.as_slice(), &[0; 3]].concat()),
        ("a header longer than the file", [u64::MAX.to_le_bytes().as_slice(), &[b' '; 64]].concat()),
        ("a header that is no JSON", header("{\"q\": ", 0)),
        ("a shape that overflows", header(&one("F32", "[4294967296,4294967296,2]", "[0,8]"), 8)),
        ("offsets that fall", header(&one("F32", "[2]", "[8,0]"), 8)),
        ("offsets outside the file", header(&one("F32", "[2]", "[0,8]"), 4)),
        ("a shape that does not fit its bytes", header(&one("F32", "[3]", "[0,8]"), 8)),
        ("a type that tensors do not have", header(&one("BOOL", "[8]", "[0,8]"), 8)),
    ]
}

/// Wrong command lines; `{in}` and `{out}` exist and do not exist.
const LINES: &[(&str, &[&str])] = &[
    ("no command", &[]),
    ("an unknown command", &["explian", "gla"]),
    ("an unknown flag", &["explain", "gla", "--chunks", "64"]),
    (
        "a float where an integer is wanted",
        &["run", "rule.rs", "--input", "{in}", "--output", "{out}", "--chunk", "1.5"],
    ),
    ("a chunk of zero", &["run", "rule.rs", "--input", "{in}", "--output", "{out}", "--chunk", "0"]),
    ("an unknown plan", &["run", "rule.rs", "--input", "{in}", "--output", "{out}", "--plan", "magic"]),
    ("an unknown type", &["run", "rule.rs", "--input", "{in}", "--output", "{out}", "--dtype", "fp32"]),
    ("an unknown device", &["run", "rule.rs", "--input", "{in}", "--output", "{out}", "--device", "gpu"]),
    ("no input", &["run", "rule.rs", "--output", "{out}"]),
    (
        "an input that does not exist",
        &["run", "rule.rs", "--input", "nowhere.safetensors", "--output", "{out}"],
    ),
    ("an input that is a folder", &["run", "rule.rs", "--input", "folder", "--output", "{out}"]),
    (
        "an output in a folder that does not exist",
        &["run", "rule.rs", "--input", "{in}", "--output", "nowhere/out"],
    ),
    ("an output that is a folder", &["run", "rule.rs", "--input", "{in}", "--output", "folder"]),
    ("an output that is the input", &["run", "rule.rs", "--input", "{in}", "--output", "{in}"]),
    (
        "an output that is the input in other words",
        &["run", "rule.rs", "--input", "{in}", "--output", "folder/../{in}"],
    ),
    ("an output that is the rule", &["run", "rule.rs", "--input", "{in}", "--output", "rule.rs"]),
    ("a rule that is not in the catalogue", &["explain", "gated_deltanett"]),
    ("a name like nothing in the catalogue", &["explain", "transformer"]),
    ("a rule file that does not exist", &["explain", "nowhere.rs"]),
    ("a rule file that is a folder", &["explain", "folder/"]),
    ("a rule file that is not text", &["explain", "binary.rs"]),
    ("a rule file without rules", &["explain", "empty.rs"]),
    ("a rule file that is no Rust", &["explain", "broken.rs"]),
    ("a rule file with several mistakes", &["check", "wrong.rs"]),
    ("a file of several rules and no name", &["explain", "two.rs"]),
    ("a file of several rules and a wrong name", &["explain", "two.rs::secnod"]),
    ("a size that is too large for a kernel", &["emit", "rule.rs", "-k", "512"]),
    ("a size that is not a number", &["emit", "rule.rs", "-k", "many"]),
    ("a dim that the rule does not have", &["emit", "rule.rs", "--dim", "M=64"]),
    ("a dim with two sizes", &["emit", "rule.rs", "-k", "64", "--dim", "K=32"]),
    ("a dim without a size", &["emit", "rule.rs", "--dim", "K"]),
    ("an unknown architecture", &["emit", "rule.rs", "--arch", "sm_70"]),
    ("two results at once", &["emit", "rule.rs", "--ptx", "--log"]),
    ("an odd number of heads to share", &["check", "rule.rs", "--heads", "3"]),
];

/// A folder with everything that the command lines name.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("rule.rs", RULE);
    folder.write("two.rs", TWO);
    folder.write("empty.rs", "fn helper() -> u32 { 1 }\n");
    folder.write("broken.rs", "#[rule]\nfn half(mut s: State<K, V>, q: Vector<K>\n");
    folder.write("wrong.rs", RULE.replace("beta * k, v", "beta * kk, w").replace("s.read(q)", "s.read(v)"));
    folder.write("binary.rs", [0xff, 0xfe, 0x00]);
    std::fs::create_dir(folder.path("folder")).unwrap();
    folder.tensors("in.safetensors", &good());
    folder
}

/// Checks what every mistake has in common, and adds its message to the golden text.
fn record(text: &mut String, folder: &Folder, name: &str, ended: &Ended) {
    assert_eq!(ended.code, Some(2), "{name}: {ended:?}");
    assert_eq!(ended.stdout, "", "{name}");
    assert!(ended.stderr.starts_with("error: ") || name == "no command", "{name}: {}", ended.stderr);
    assert!(!folder.path("out.safetensors").exists(), "{name}: there is an output file");
    let strays = std::fs::read_dir(folder.path("")).unwrap().flatten().map(|entry| entry.file_name());
    let strays: Vec<_> = strays.filter(|file| file.to_string_lossy().contains("tmp")).collect();
    assert!(strays.is_empty(), "{name}: partial files are left: {strays:?}");
    writeln!(text, "== {name}\n{}", ended.stderr).unwrap();
}

const RUN: [&str; 6] = ["run", "rule.rs", "--input", "in.safetensors", "--output", "out.safetensors"];

#[test]
fn wrong_tensors() {
    let mut text = String::new();
    for (name, backward, spoil) in TENSORS {
        let folder = folder();
        let mut tensors = good();
        spoil(&mut tensors);
        folder.tensors("in.safetensors", &tensors);
        let arguments: Vec<&str> = RUN.into_iter().chain(backward.then_some("--backward")).collect();
        record(&mut text, &folder, name, &folder.run(&arguments));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn hostile_input_files() {
    let mut text = String::new();
    let folder = folder();
    for (name, bytes) in hostile_files(&folder) {
        folder.write("in.safetensors", bytes);
        record(&mut text, &folder, name, &folder.run(&RUN));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn wrong_command_lines() {
    let mut text = String::new();
    let folder = folder();
    for (name, line) in LINES {
        let line: Vec<String> = line
            .iter()
            .map(|part| part.replace("{in}", "in.safetensors").replace("{out}", "out.safetensors"))
            .collect();
        let before = std::fs::read(folder.path("in.safetensors")).unwrap();
        record(&mut text, &folder, name, &folder.run(&line.iter().map(String::as_str).collect::<Vec<_>>()));
        assert_eq!(
            std::fs::read(folder.path("in.safetensors")).unwrap(),
            before,
            "{name}: the input was changed"
        );
        assert_eq!(
            std::fs::read_to_string(folder.path("rule.rs")).unwrap(),
            RULE,
            "{name}: the rule was changed"
        );
    }
    insta::assert_snapshot!(text);
}

#[test]
fn good_inputs_are_good() {
    let folder = folder();
    folder.succeed(&RUN);
    assert_eq!(folder.read("out.safetensors").names().collect::<Vec<_>>(), ["o", "s"]);
}
