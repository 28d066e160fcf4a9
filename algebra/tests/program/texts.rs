//! Golden texts of chunk programs. `INSTA_UPDATE=always cargo test -p chunkwise-algebra --test program` renews them.

use crate::rules;
use chunkwise_algebra::program::{Program, derive, print, simplify};
use chunkwise_dsl::rule::Rule;
use std::fmt::Write;

/// Rules that between them have every kind of decay, read, write and feedback.
const CATALOGUE: [&str; 14] = [
    "linear_attention",
    "linear_attention_normalised",
    "retnet",
    "mamba2",
    "gla",
    "deltanet",
    "gated_deltanet",
    "kda",
    "comba",
    "rwkv7",
    "deltaproduct2",
    "longhorn",
    "momentum_delta",
    "hgrn",
];
/// Rules that a rule of simplification fits.
const SIMPLIFIED: [&str; 4] = ["gated_deltanet", "comba", "deltaproduct2", "momentum_delta"];
const OTHERS: [&str; 6] =
    ["two_sided", "value_between", "tanh_feedback", "row_mixing", "two_states", "exchange"];

fn text<'a>(
    rules: &[Rule],
    names: impl IntoIterator<Item = &'a str>,
    pass: fn(&Program) -> Program,
) -> String {
    let mut text = String::new();
    for name in names {
        let rule =
            rules.iter().find(|r| r.signature.name == name).unwrap_or_else(|| panic!("no rule {name}"));
        let timeline = rule.timeline.as_ref().unwrap_or_else(|why| panic!("{name}: {why}"));
        let program = derive(timeline).unwrap_or_else(|why| panic!("{name}: {why}"));
        let _ = writeln!(text, "== {name}\n{}", print(&pass(&program)));
    }
    text
}

#[test]
fn simplified_texts() {
    insta::assert_snapshot!(text(&rules::catalogue(), SIMPLIFIED, simplify));
}

#[test]
fn texts_of_the_catalogue() {
    insta::assert_snapshot!(text(&rules::catalogue(), CATALOGUE, Program::clone));
}

#[test]
fn texts_of_every_class() {
    insta::assert_snapshot!(text(&rules::others(), OTHERS, Program::clone));
}
