//! Golden texts of chunk programs. `INSTA_UPDATE=always cargo test -p chunkwise-algebra --test program` renews them.

use crate::agree::contractive;
use crate::case::Case;
use crate::reader::{Data, compute};
use crate::rules;
use chunkwise_algebra::program::{Phase, Program, derive, print, print_phases, simplify};
use chunkwise_algebra::{Evaluator, Plan, adjoint::adjoint};
use chunkwise_dsl::rule::Rule;
use std::collections::BTreeMap;
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
fn text_of_a_dual() {
    let rules = rules::catalogue();
    let rule =
        rules.iter().find(|r| r.signature.name == "gated_deltanet").expect("the catalogue has the rule");
    let dual = adjoint(rule.timeline.as_ref().unwrap_or_else(|why| panic!("{why}"))).dual;
    let program = derive(&dual).unwrap_or_else(|why| panic!("{why}"));
    insta::assert_snapshot!(print(&simplify(&program)));
}

#[test]
fn texts_of_the_catalogue() {
    insta::assert_snapshot!(text(&rules::catalogue(), CATALOGUE, Program::clone));
}

#[test]
fn texts_of_every_class() {
    insta::assert_snapshot!(text(&rules::others(), OTHERS, Program::clone));
}

/// The tensors of a case by the names that a text uses.
fn data(rule: &Rule, case: &Case) -> Data {
    let inputs = case.inputs(rule);
    let s = &rule.signature;
    let mut rows = BTreeMap::new();
    for (n, p) in s.params.iter().enumerate() {
        for j in 0..p.count.unwrap_or(1) as usize {
            let name = if p.count.is_some() { format!("{}[{j}]", p.name) } else { p.name.clone() };
            rows.insert(name, (0..case.tokens).map(|t| inputs.params[n].row(t, j).to_vec()).collect());
        }
    }
    let timeline = rule.timeline.as_ref().unwrap_or_else(|why| panic!("{why}"));
    let states = s.state_ids().map(|id| {
        let columns = timeline.form(id).value.map_or(1, |d| case.sizes[d.index()]);
        let matrix = case.states[id.index()].chunks(columns).map(<[f64]>::to_vec).collect();
        (s.state(id).name.clone(), matrix)
    });
    let sizes = s.dims.iter().cloned().zip(case.sizes.iter().copied()).collect();
    Data { inputs: rows, states: states.collect(), sizes, tokens: case.tokens }
}

/// The token of a text, and what the texts of its phases say of the chunk, each name once.
fn in_phases(program: &Program) -> String {
    let whole = print(program);
    let lines: Vec<&str> = whole.lines().collect();
    let token = lines.iter().position(|line| line.starts_with("token ")).expect("the text has a token");
    let chunk = lines[token + 1..].iter().position(|line| !line.starts_with(' ')).expect("and a chunk");
    let mut text: Vec<String> = lines[..=token + chunk].iter().map(|line| (*line).to_owned()).collect();
    let name = |line: &str| line.split_once(" = ").map_or(String::new(), |(name, _)| name.trim().to_owned());
    let mut names: Vec<String> = lines[..token].iter().map(|line| name(line)).collect();
    for phase in [Phase::Before, Phase::Carry, Phase::After] {
        let mut is_new = false;
        for line in print_phases(program, &[phase]).lines() {
            if !line.starts_with(' ') {
                is_new = !names.contains(&name(line));
                names.push(name(line));
            }
            if is_new {
                text.push(line.to_owned());
            }
        }
    }
    text.join("\n")
}

/// What a text says is the rule: one that knows the operations' meanings and reads the text alone gets the token loop's numbers.
#[test]
fn texts_compute_their_rules() {
    let mut computed = 0;
    for rule in rules::catalogue().iter().chain(&rules::others()) {
        let name = &rule.signature.name;
        let Ok(timeline) = &rule.timeline else { continue };
        let Ok(program) = derive(timeline) else { continue };
        let sizes = (0..rule.signature.dims.len()).map(|d| [5, 7, 4][d]).collect();
        let case = Case::new(rule, sizes, 5, 3, contractive(rule, timeline));
        let expected =
            Evaluator::new(rule).forward(Plan::Recurrent, &case.inputs(rule)).expect("a token loop");
        let simple = simplify(&program);
        for text in [print(&program), print(&simple), in_phases(&simple)] {
            // The reader of expressions does not know these functions.
            if ["silu(", "gelu(", "relu("].iter().any(|f| text.contains(f)) {
                continue;
            }
            let ends = compute(&text, &data(rule, &case));
            let outputs = rule.signature.outputs.iter().map(|o| &o.name).zip(&expected.outputs);
            let states = rule.signature.states.iter().map(|s| &s.name).zip(&expected.states);
            for (what, numbers) in outputs.chain(states) {
                let found =
                    ends.get(what).unwrap_or_else(|| panic!("{name} has no `{what}`:\n{text}")).concat();
                assert_eq!(found.len(), numbers.len(), "{name}: `{what}` has another size\n{text}");
                let largest = numbers.iter().fold(1e-3f64, |m, x| m.max(x.abs()));
                for (a, b) in found.iter().zip(numbers) {
                    let wrong = (a - b).abs() > 1e-10 * largest || a.is_nan();
                    assert!(!wrong, "{name}: `{what}` is {a}, not {b} (seed 3)\n{text}");
                }
            }
            computed += 1;
        }
    }
    assert!(computed >= 135, "only {computed} texts");
}
