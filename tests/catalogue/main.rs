//! The catalogue: every entry is whole, every rule is classified as its paper says, and computes what its paper says.

mod additive;
mod delta;
mod dense;
mod harness;

use chunkwise::catalogue::Entry;
use chunkwise::{Rule, catalogue};
use chunkwise_algebra::Plan;
use chunkwise_dsl::class::classify;
use harness::{Case, Data, backward, error, forward};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const TOKENS: usize = 37;
const CHUNKS: [usize; 5] = [1, 4, 16, 37, 64];

fn entry(name: &str) -> &'static Entry {
    catalogue().iter().find(|e| e.name == name).unwrap_or_else(|| panic!("`{name}` is not in the catalogue"))
}

fn rule(name: &str) -> &'static Rule {
    entry(name).rule.unwrap_or_else(|| panic!("`{name}` waits"))()
}

fn cases() -> impl Iterator<Item = &'static Case> {
    additive::CASES.iter().chain(delta::CASES)
}

#[test]
fn every_entry_is_whole() {
    let mut names = BTreeSet::new();
    for e in catalogue() {
        assert!(names.insert(e.name), "`{}` is listed twice", e.name);
        assert!(e.paper.contains("arXiv "), "`{}` cites no paper: {}", e.name, e.paper);
        assert_eq!(e.rule.is_some(), e.waiting.is_none(), "`{}` either works or waits", e.name);
        let Some(rule) = e.rule.map(|f| f()) else { continue };
        let docs = &rule.signature.docs;
        let number = e.paper.split("arXiv ").nth(1).unwrap_or_default();
        assert_eq!(rule.signature.name, e.name);
        assert!(
            docs.contains(&format!("arXiv {number}")),
            "the comment of `{}` does not cite {number}",
            e.name
        );
        assert!(docs.contains('`') && docs.contains('='), "the comment of `{}` has no equation", e.name);
    }
}

#[test]
fn every_file_of_rules_is_listed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/rules");
    let list = std::fs::read_to_string(format!("{folder}/mod.rs")).unwrap();
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let paper = name.trim_end_matches(".rs");
        let listed = list.split_whitespace().any(|word| word.trim_end_matches(';') == paper);
        assert!(paper == "mod" || listed, "src/rules/{name} is not in the list of src/rules/mod.rs");
    }
}

/// What derives chunks and what writes kernels knows no rule by its name.
#[test]
fn no_compiler_code_names_a_rule() {
    let names: Vec<&str> = catalogue().iter().filter(|e| e.rule.is_some()).map(|e| e.name).collect();
    let mut folders: Vec<PathBuf> = ["codegen/src", "algebra/src/program"].map(in_repository).into();
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                let code = line.split("//").next().unwrap_or_default().to_lowercase();
                let named = names.iter().find(|name| code.contains(*name));
                assert!(named.is_none(), "{} names a rule: {line}", path.display());
            }
        }
    }
    assert!(files >= 100, "only {files} files");
}

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn every_rule_has_a_paper_loop() {
    let tested: BTreeSet<&str> = cases().map(|c| c.name).collect();
    let working: BTreeSet<&str> = catalogue().iter().filter(|e| e.rule.is_some()).map(|e| e.name).collect();
    assert_eq!(working, tested);
}

/// Name and class, as `list` prints it.
const CLASSES: &[(&str, &str)] = &[
    ("linear_attention", "decay none, rank 0, feedback none"),
    ("linear_attention_elu", "decay none, rank 0, feedback none"),
    ("linear_attention_normalised", "decay none, rank 0, feedback none"),
    ("retnet", "decay constant, rank 0, feedback none"),
    ("lightning_attention", "decay constant, rank 0, feedback none"),
    ("gated_retention", "decay scalar, rank 0, feedback none"),
    ("mamba2", "decay scalar, rank 0, feedback none"),
    ("mlstm_capped", "decay scalar, rank 0, feedback none"),
    ("gla", "decay key, rank 0, feedback none"),
    ("rwkv6", "decay key, rank 0, feedback none"),
    ("hgrn2", "decay key, rank 0, feedback none"),
    ("rodimus", "decay key, rank 0, feedback none"),
    ("decaying_fast_weights", "decay both, rank 0, feedback none"),
    ("deltanet", "decay none, rank 1, feedback linear"),
    ("deltanet_negative", "decay none, rank 1, feedback linear"),
    ("gated_deltanet", "decay scalar, rank 1, feedback linear"),
    ("kda", "decay key, rank 1, feedback linear"),
    ("gdn2", "decay key, rank 1, feedback linear"),
    ("comba", "decay scalar, rank 1, feedback linear"),
    ("rwkv7", "decay key, rank 1, feedback linear"),
    ("dplr", "decay key, rank 1, feedback linear"),
    ("iplr", "decay none, rank 1, feedback linear"),
    ("deltaproduct2", "decay none, rank 2, feedback linear"),
    ("deltaproduct3", "decay none, rank 3, feedback linear"),
    ("gated_deltaproduct2", "decay scalar, rank 2, feedback linear"),
    ("momentum_delta", "decay scalar, rank 1, feedback linear, coupled states"),
    ("longhorn", "decay none, rank 1, feedback per channel"),
    ("longhorn_diagonal", "decay key, rank 0, feedback none"),
    ("ttt_linear_online", "decay none, rank 1, feedback row mixing"),
    ("hgrn", "decay value, rank 0, feedback none"),
    ("rg_lru", "decay value, rank 0, feedback none"),
    ("mamba", "decay key, rank 0, feedback none"),
    ("s4d_real", "decay key, rank 0, feedback none"),
];

#[test]
fn every_rule_is_of_its_class() {
    let found: Vec<(&str, String)> = catalogue()
        .iter()
        .filter_map(|e| e.rule.map(|f| (e.name, f())))
        .map(|(name, rule)| match &rule.timeline {
            Ok(t) => (name, classify(t).to_string()),
            Err(why) => (name, format!("recurrent only: {why}")),
        })
        .collect();
    let found: BTreeSet<(&str, &str)> = found.iter().map(|(n, c)| (*n, c.as_str())).collect();
    assert_eq!(found, CLASSES.iter().copied().collect());
}

#[test]
fn the_token_loop_is_the_papers_equation() {
    for case in cases() {
        for seed in [1, 2] {
            let rule = rule(case.name);
            let data = Data::random(rule, case.draws, TOKENS, seed);
            let expected = (case.paper)(&data);
            let found = forward(rule, &data, Plan::Recurrent);
            let output = error(&found.outputs[0], &expected.output);
            assert!(output < 1e-9, "{}: output differs by {output:.1e} (seed {seed})", case.name);
            for (n, state) in expected.states.iter().enumerate() {
                let e = error(&found.states[n], state);
                assert!(e < 1e-9, "{}: state {n} differs by {e:.1e} (seed {seed})", case.name);
            }
        }
    }
}

#[test]
fn chunks_compute_what_the_token_loop_computes() {
    for case in cases() {
        let rule = rule(case.name);
        let data = Data::random(rule, case.draws, TOKENS, 3);
        let expected = forward(rule, &data, Plan::Recurrent);
        let gradients = backward(rule, &data, Plan::Recurrent);
        for chunk in CHUNKS {
            let found = forward(rule, &data, Plan::Chunkwise { chunk });
            let pairs = found.outputs.iter().zip(&expected.outputs);
            for (a, b) in pairs.chain(found.states.iter().zip(&expected.states)) {
                let e = error(a, b);
                assert!(e < 1e-9, "{}, chunk {chunk}: forward differs by {e:.1e} (seed 3)", case.name);
            }
            let found = backward(rule, &data, Plan::Chunkwise { chunk });
            let pairs = found.params.iter().zip(&gradients.params);
            for (n, (a, b)) in pairs.chain(found.states.iter().zip(&gradients.states)).enumerate() {
                let e = error(a, b);
                assert!(e < 1e-9, "{}, chunk {chunk}: gradient {n} differs by {e:.1e} (seed 3)", case.name);
            }
        }
    }
}
