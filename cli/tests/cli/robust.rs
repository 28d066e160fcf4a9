//! Nothing a user can hand over makes the program panic, hang or blame itself: damaged tensor files, damaged rule texts,
//! texts and shapes made to exhaust it. [`Folder::run`] fails where a run ends with "our bug" or by a signal.

use crate::binary::{Folder, numbers, tensor};
use chunkwise::Tensors;
use chunkwise_cli::check::random::Random;

const RULE: &str = "#[rule]
fn mine(mut s: State<K, V>, mut z: State<K>, q: Vector<K>, k: [Vector<K>; 2], v: Vector<V>, #[range(-9.0..=0.0)] g: Scalar) -> (Vector<V>, Scalar) {
    let key = l2norm(k[0]) + k[1];
    s *= exp(g);
    for j in 0..2 { s += outer(key, tanh(v - s.read(k[j]))); }
    z += key;
    (s.read(q) / max(abs(dot(z, q)), 1.0), sum(v))
}
";

const RUN: [&str; 7] =
    ["run", "rule.rs", "--input", "in.safetensors", "--output", "out.safetensors", "--backward"];

/// A folder with the rule and inputs for it.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("rule.rs", RULE);
    let mut tensors = Tensors::new();
    tensors.insert("q", tensor(&[1, 3, 1, 2], numbers(6, 1)));
    tensors.insert("k", tensor(&[1, 3, 2, 1, 2], numbers(12, 2)));
    tensors.insert("v", tensor(&[1, 3, 1, 2], numbers(6, 3)));
    tensors.insert("g", tensor(&[1, 3, 1], vec![-0.5; 3]));
    folder.tensors("in.safetensors", &tensors);
    folder
}

#[test]
fn damaged_tensor_files_are_refused_or_read() {
    let folder = folder();
    folder.succeed(&RUN);
    let whole = std::fs::read(folder.path("in.safetensors")).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for seed in 0..150 {
        let mut random = Random::new(seed);
        let mut bytes = whole.clone();
        // Mostly in the header, which is where structure is.
        for _ in 0..1 + random.bits() % 3 {
            let within = if random.bits().is_multiple_of(8) { bytes.len() } else { header };
            let at = random.bits() as usize % within;
            bytes[at] = if random.bits().is_multiple_of(2) {
                b'0' + (random.bits() % 10) as u8
            } else {
                random.bits() as u8
            };
        }
        folder.write("in.safetensors", &bytes);
        let ended = folder.run(&RUN);
        assert!(matches!(ended.code, Some(0 | 2)), "seed {seed}: {ended:?}");
    }
}

#[test]
fn damaged_rule_texts_are_refused_or_explained() {
    let folder = folder();
    let pieces: Vec<&str> =
        RULE.split_inclusive([' ', '(', ')', ',', ';', '<', '>', '.', '[', ']']).collect();
    for seed in 0..150 {
        let mut random = Random::new(seed);
        let mut text = pieces.clone();
        for _ in 0..1 + random.bits() % 2 {
            let at = random.bits() as usize % text.len();
            let other = random.bits() as usize % text.len();
            match random.bits() % 3 {
                0 => drop(text.remove(at)),
                1 => text.insert(at, pieces[other % pieces.len()]),
                _ => text.swap(at, other),
            }
        }
        let text = text.concat();
        folder.write("rule.rs", &text);
        let ended = folder.run(&["explain", "rule.rs"]);
        assert!(matches!(ended.code, Some(0 | 2 | 3)), "seed {seed}: {ended:?}\n{text}");
        assert_eq!(ended.code == Some(0), ended.stderr.is_empty(), "seed {seed}: {ended:?}\n{text}");
    }
}

#[test]
fn texts_made_to_exhaust_the_parser_are_refused() {
    let folder = folder();
    let with = |body: &str| {
        format!(
            "#[rule]\nfn mine(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {{\n    {body}\n    \
             s.read(q)\n}}\n"
        )
    };
    let texts = [
        (
            "brackets in brackets",
            with(&format!("s += outer(k, {}v{});", "(".repeat(50_000), ")".repeat(50_000))),
        ),
        ("calls in calls", with(&format!("s += outer(k, {}v{});", "tanh(".repeat(5_000), ")".repeat(5_000)))),
        ("a long row of signs", with(&format!("s += outer(k, {}v);", "-".repeat(50_000)))),
        ("a long sum", with(&format!("s += outer(k, v{});", " + v".repeat(50_000)))),
        ("a long loop", with("for j in 0..1000000000 { s += outer(k, v); }")),
        (
            "loops in loops",
            with(&format!("{}s += outer(k, v);{}", "for j in 0..1000 { ".repeat(6), "}".repeat(6))),
        ),
        ("many statements", with(&"s += outer(k, v); ".repeat(20_000))),
        ("open braces", "{".repeat(100_000)),
        (
            "types in types",
            with("").replace("q: Vector<K>", &format!("q: {}K{}", "A<".repeat(20_000), ">".repeat(20_000))),
        ),
        ("a long name", with(&format!("s += outer(k, {});", "v".repeat(1 << 20)))),
        ("too long a file", format!("{}//{}", with("s += outer(k, v);"), " ".repeat(5 << 20))),
    ];
    for (name, text) in texts {
        folder.write("rule.rs", text);
        let ended = folder.run(&["explain", "rule.rs"]);
        assert!(matches!(ended.code, Some(2 | 3)), "{name}: {:?}", ended.code);
        assert!(ended.stderr.starts_with("error: "), "{name}");
    }
}

#[test]
fn shapes_made_to_exhaust_memory_are_refused() {
    let folder = folder();
    folder.write(
        "rule.rs",
        RULE.replace("[Vector<K>; 2]", "Vector<K>")
            .replace("k[0]", "k")
            .replace("k[1]", "k")
            .replace("k[j]", "k"),
    );
    let huge = 1usize << 40;
    // Without tokens no number is stored, whatever else the shapes claim.
    let shapes: [[usize; 3]; 4] = [[1, 1, huge], [huge, 1, 2], [1, huge, 2], [1, 1, 1 << 32]];
    for [batch, heads, size] in shapes {
        let mut tensors = Tensors::new();
        for name in ["q", "k", "v"] {
            tensors.insert(name, tensor(&[batch, 0, heads, size], vec![]));
        }
        tensors.insert("g", tensor(&[batch, 0, heads], vec![]));
        folder.tensors("in.safetensors", &tensors);
        for line in [&RUN[..6], &RUN] {
            let ended = folder.run(line);
            assert_eq!(ended.code, Some(2), "{batch} {heads} {size}: {ended:?}");
            assert!(!folder.path("out.safetensors").exists());
        }
    }
    let ended = folder.run(&["check", "gla", "-k", "65536", "-v", "65536"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("[2, 1, 65536, 65536]"), "{ended:?}");
}
