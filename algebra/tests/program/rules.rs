//! Where the rules come from: the catalogue's files, the rules of this crate's other tests, and the grammar.

use crate::ast;
use crate::problem::Field;
use crate::source::Source;
use crate::statements;
use chunkwise_dsl::parse_file;
use chunkwise_dsl::rule::Rule;
use std::path::{Path, PathBuf};

/// Every rule of a file.
pub(crate) fn parse(text: &str) -> Vec<Rule> {
    match parse_file(text) {
        Ok(rules) => rules,
        Err(report) => panic!("{report:?}\n{text}"),
    }
}

/// Every rule in the files of a folder, in order of their names.
fn folder(path: &str) -> Vec<Rule> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = entries.map(|e| e.expect("a folder can be listed").path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "rs"));
    files.sort();
    let text = |f: &PathBuf| std::fs::read_to_string(f).unwrap_or_else(|e| panic!("{e}"));
    files.iter().map(text).filter(|text| text.contains("\n#[rule")).flat_map(|text| parse(&text)).collect()
}

/// The catalogue.
pub(crate) fn catalogue() -> Vec<Rule> {
    let rules = folder("../src/rules");
    assert!(rules.len() >= 30, "only {} rules in the catalogue", rules.len());
    rules
}

/// Rules of every class, which the other tests of the evaluators use.
pub(crate) fn others() -> Vec<Rule> {
    let mut rules = parse(include_str!("../rules/all.rs"));
    rules.extend(folder("../tests/explain/rules"));
    rules
}

/// A random rule and what values its parameters take.
pub(crate) fn random(source: &mut Source) -> (Rule, Vec<Field>) {
    let tree: ast::Rule = statements::rule(source);
    let (text, fields) = (tree.to_string(), tree.fields.clone());
    let rule = parse(&text).into_iter().next().unwrap_or_else(|| panic!("no rule in {text}"));
    (rule, fields)
}
