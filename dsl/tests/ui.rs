//! What a user is told: every file of `tests/ui/fail` is a set of mistakes with the messages of the macro beside it
//! (`.stderr`, blessed with `TRYBUILD=overwrite cargo test --test ui`), and reading the same file at run time must give
//! the same messages at the same places.
//!
//! Those files know a stand-in as `chunkwise` (`tests/ui/stand_in`): what they need of it is the macro and the name of a type,
//! and a compiler that has to see all of the facade first takes minutes. What the macro accepts is in the facade's own tests.

use std::fs;
use std::path::{Path, PathBuf};

/// A message as both paths give it: line and column (from 1), the text, the hint.
#[derive(Debug, PartialEq)]
struct Message {
    line: usize,
    column: usize,
    text: String,
    hint: String,
}

#[test]
fn the_macro_refuses() {
    trybuild::TestCases::new().compile_fail("tests/ui/fail/*.rs");
}

#[test]
fn a_file_gives_the_messages_of_the_macro() {
    let files = cases();
    assert!(files.len() >= 70, "the suite has {} files", files.len());
    for file in files {
        let text = read(&file);
        let report = match chunkwise_dsl::parse_file(&text) {
            Ok(rules) => panic!("{} holds {} rules and no mistake", file.display(), rules.len()),
            Err(report) => report,
        };
        let found = report.diagnostics.iter().map(|d| {
            let (line, column) = d.position(&text);
            assert!(
                text.get(d.range.clone()).is_some(),
                "{}: {:?} is no range of the text",
                file.display(),
                d.range
            );
            Message { line, column, text: d.message.clone(), hint: d.hint.clone() }
        });
        let found: Vec<Message> = found.collect();
        assert_eq!(found, from_compiler(&read(&file.with_extension("stderr"))), "{}", file.display());
    }
}

#[test]
fn no_two_files_are_about_the_same_mistake() {
    let mut seen: Vec<(String, PathBuf)> = Vec::new();
    for file in cases() {
        let first = from_compiler(&read(&file.with_extension("stderr")))
            .into_iter()
            .map(|m| m.text)
            .collect::<Vec<_>>();
        let key = first.join("\n");
        if let Some((_, other)) = seen.iter().find(|(k, _)| *k == key) {
            panic!("{} and {} give the same messages", other.display(), file.display());
        }
        seen.push((key, file));
    }
}

/// The files of `tests/ui/fail`, in order.
fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui/fail");
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "rs")).collect();
    files.sort();
    files
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The errors of a compiler's report: `error: text`, `help: hint` indented below it, then ` --> file:line:column`.
fn from_compiler(stderr: &str) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for line in stderr.lines() {
        if let Some(text) = line.strip_prefix("error: ") {
            messages.push(Message { line: 0, column: 0, text: text.into(), hint: String::new() });
        } else if let Some(last) = messages.last_mut().filter(|m| m.line == 0) {
            if let Some(hint) = line.trim_start().strip_prefix("help: ") {
                last.hint = hint.into();
            } else if let Some(place) = line.trim_start().strip_prefix("--> ") {
                let mut parts = place.rsplit(':').map(|n| n.parse().unwrap_or(0));
                (last.column, last.line) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
            }
        }
    }
    messages
}
