//! The README is true: its commands are run and what they print is compared, its rules are parsed and checked, its
//! program is the example's, its catalogue is the catalogue, its flags exist.
//!
//! A `console` block shows commands after `$ ` and what they print. In what is shown a line `..` stands for any lines, and
//! `..` at the end of a line for any text. A `rust` block begins with a comment that names its file; the commands find
//! the file under that name, and `in.safetensors` beside it.

mod blocks;

use blocks::{Block, blocks, commands, fits, prose};
use chunkwise::{Tensor, Tensors, catalogue, io};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

const README: &str = include_str!("../../../README.md");
const OWN_RULE: &str = include_str!("../../../examples/own_rule.rs");

/// Runs the binary in a folder; the texts of both streams, and the exit code.
fn run(folder: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chunkwise"));
    command.args(arguments).current_dir(folder).env("CHUNKWISE_CACHE_DIR", folder.join("cache"));
    let Output { status, stdout, stderr } = command.env("NO_COLOR", "1").output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(stdout) + &text(stderr), status.code())
}

/// A folder with every file that the README shows, and inputs for its first rule.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("examples")).unwrap();
    for block in rust_blocks() {
        std::fs::write(folder.path().join(file_name(&block)), &block.text).unwrap();
    }
    let number = |i: usize| (0.7 * i as f64).sin();
    let tensor = |shape: &[usize]| {
        Tensor::new(shape, (0..shape.iter().product()).map(number).collect::<Vec<f64>>()).unwrap()
    };
    let mut inputs = Tensors::new();
    for name in ["q", "k", "v"] {
        inputs.insert(name, tensor(&[1, 50, 2, 8]));
    }
    for name in ["g", "beta"] {
        inputs.insert(name, tensor(&[1, 50, 2]));
    }
    io::write(&folder.path().join("in.safetensors"), &inputs).unwrap();
    folder
}

fn rust_blocks() -> Vec<Block> {
    blocks(README).into_iter().filter(|block| block.language == "rust").collect()
}

/// The file that a block says it is.
fn file_name(block: &Block) -> &str {
    let name = block.text.lines().next().and_then(|line| line.strip_prefix("// "));
    name.unwrap_or_else(|| panic!("a rust block begins with `// file.rs`:\n{}", block.text))
}

#[test]
fn commands_print_what_is_shown() {
    let folder = folder();
    let mut count = 0;
    for block in blocks(README).iter().filter(|block| block.language == "console") {
        for (line, shown) in commands(&block.text) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let arguments = words.strip_prefix(&["chunkwise"]).expect("console blocks run chunkwise");
            let (printed, code) = run(folder.path(), arguments);
            assert_eq!(code, Some(if shown.starts_with("error: ") { 2 } else { 0 }), "{line}\n{printed}");
            assert!(fits(&shown, &printed), "`{line}` is shown as\n{shown}\nbut prints\n{printed}");
            count += 1;
        }
    }
    assert!(count >= 8, "only {count} commands were found");
}

/// Every rule that is shown as right is right, for every plan.
#[test]
fn rules_pass_their_check() {
    let folder = folder();
    let mut checked = Vec::new();
    for block in rust_blocks() {
        let name = file_name(&block).to_owned();
        if name == "wrong.rs" {
            continue;
        }
        let (printed, code) = run(folder.path(), &["check", &name, "-t", "40"]);
        assert_eq!(code, Some(0), "{name}\n{printed}");
        checked.push(name);
    }
    assert_eq!(checked, ["gated.rs", "bounded.rs", "squashed.rs", "examples/own_rule.rs"]);
}

/// The figures under "Accuracy", for every rule of the catalogue.
#[test]
fn the_catalogue_is_as_accurate_as_claimed() {
    let folder = folder();
    let prose = prose(README).split_whitespace().collect::<Vec<_>>().join(" ");
    for dtype in ["f64", "f32", "bf16"] {
        let claim = prose
            .split(&format!(" in {dtype}"))
            .find_map(|text| text.rsplit(' ').next()?.parse::<f64>().ok());
        let claim = claim.unwrap_or_else(|| panic!("the README has no figure for {dtype}"));
        for entry in catalogue().iter().filter(|entry| entry.rule.is_some()) {
            let line = ["check", entry.name, "-t", "130", "--chunk", "64", "--dtype", dtype];
            let (printed, code) = run(folder.path(), &line);
            let worst =
                printed.split("worst ").nth(1).and_then(|text| text.split(',').next()?.parse::<f64>().ok());
            assert!(
                code == Some(0) && worst.is_some_and(|worst| worst < claim),
                "{line:?} claims {claim}\n{printed}"
            );
        }
    }
}

/// The program is the example, which is built and run by tests of its own.
#[test]
fn the_program_is_the_example() {
    let from = OWN_RULE.find("use chunkwise::prelude").unwrap();
    let to = OWN_RULE.find("\n#[cfg(test)]").unwrap();
    let expected = format!("// examples/own_rule.rs\n{}", &OWN_RULE[from..to]);
    assert!(rust_blocks().iter().any(|block| block.text.trim_end() == expected.trim_end()), "{expected}");
}

#[test]
fn the_catalogue_is_whole() {
    let mut rows: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut waiting = Vec::new();
    for entry in catalogue() {
        let name = format!("`{}`", entry.name);
        match entry.rule {
            Some(_) => rows.entry(entry.family.label()).or_default().push(name),
            None => waiting.push(name),
        }
    }
    for (family, rules) in rows {
        let row = format!("| {family} | {} |", rules.join(", "));
        assert!(README.lines().any(|line| line == row), "the README lacks\n{row}");
    }
    // The sentence may be broken anywhere.
    let words: Vec<&str> = README.split_whitespace().collect();
    let waiting = format!("for what: {}.", waiting.join(", "));
    assert!(words.join(" ").contains(&waiting), "the README lacks\n{waiting}");
}

/// Commands and flags in running text are those of the program.
#[test]
fn commands_and_flags_exist() {
    let folder = folder();
    let mut help = String::new();
    for command in ["list", "explain", "emit", "run", "check", "bench", "cache", "doctor"] {
        help.push_str(&run(folder.path(), &[command, "--help"]).0);
    }
    for code in prose(README).split('`').skip(1).step_by(2).filter(|code| !code.contains("cargo")) {
        let words: Vec<&str> = code.split_whitespace().collect();
        if let ["chunkwise", command, ..] = words.as_slice() {
            assert_eq!(run(folder.path(), &[command, "--help"]).1, Some(0), "{code}");
        }
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "no command has `{flag}`");
        }
    }
}

#[test]
fn the_continuous_test_is_the_one_shown() {
    let script = include_str!("../../../.ci/run");
    assert!(README.contains("\ncargo xtask test\n") && script.lines().any(|line| line == "cargo xtask test"));
}
