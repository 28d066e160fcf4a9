//! Mistakes that only a file can hold, because the compiler sees them before the macro does.

use chunkwise_dsl::diagnostic::Kind;
use chunkwise_dsl::{Report, parse_file};

const GOOD: &str = "#[rule] fn f(mut s: State<K, V>, q: Vector<K>, v: Vector<V>) -> Vector<V> { s += outer(q, v); s.read(q) }";

fn report(text: &str) -> Report {
    match parse_file(text) {
        Ok(rules) => panic!("{} rules and no mistake in {text}", rules.len()),
        Err(report) => report,
    }
}

/// The one message, and the text that it is about.
#[track_caller]
fn tells(text: &str, message: &str, hint: &str, about: &str) {
    let report = report(text);
    let [d] = report.diagnostics.as_slice() else { panic!("{report}") };
    assert_eq!((d.message.as_str(), d.hint.as_str(), &text[d.range.clone()]), (message, hint, about));
}

const NOT_RUST: &str = "a rule file is Rust: `#[rule] fn name(mut s: State<K, V>, ..) -> Vector<V> { .. }`";

#[test]
fn a_file_without_a_rule() {
    let hint = "put `#[rule]` above a function at the top level of the file";
    tells("fn f(q: f64) -> f64 { q }", "this file holds no rule", hint, "f");
    tells("", "this file holds no rule", hint, "");
    tells("// nothing\n", "this file holds no rule", hint, "/");
}

#[test]
fn text_that_is_not_rust() {
    let unknown = "this is not Rust: a token without meaning, or a bracket or quote without its partner";
    tells("#[rule] fn f( { }", unknown, NOT_RUST, "(");
    tells("#[rule] fn f(\u{1f980}) {}", unknown, NOT_RUST, "\u{1f980}");
    tells("#[rule] fn f(mut s State<K, V>) {}", "this is not Rust: expected `:`", NOT_RUST, "State");
    tells("def f(x): return x", "this is not Rust: expected `!`", NOT_RUST, "f");
}

#[test]
fn two_rules_of_one_name() {
    let text = format!("{GOOD}\n{GOOD}");
    tells(&text, "two rules have the name `f`", "rename one of them", "f");
}

#[test]
fn a_rule_attribute_elsewhere() {
    let hint = "write `#[rule] fn name(mut s: State<K, V>, ..) -> Vector<V> { .. }`";
    tells("#[rule]\nconst X: f64 = 0.0;", "`#[rule]` stands on a function", hint, "const X: f64 = 0.0;");
    let text = GOOD.replace("#[rule]", "#[rule = 1]");
    tells(&text, "`#[rule]` takes no value", "write `#[rule]` or `#[rule(recurrent)]`", "#[rule = 1]");
}

#[test]
fn positions_count_characters_and_a_byte_order_mark() {
    let text = format!("\u{feff}// \u{e9}\u{e9}\n{}", GOOD.replace("s.read(q)", "s.read(\u{3b2})"));
    let report = report(&text);
    let d = &report.diagnostics[0];
    assert_eq!(&text[d.range.clone()], "\u{3b2}");
    assert_eq!(d.position(&text), (2, GOOD.find("s.read(q)").map_or(0, |at| at + "s.read(".len() + 1)));
}

#[test]
fn a_limitation_is_not_a_mistake() {
    let text = GOOD.replace("s += outer(q, v);", "for _ in 0..1000000000 { s += outer(q, v); }");
    let report = report(&text);
    assert!(report.is_limitation(), "{report}");
    assert_eq!(report.diagnostics[0].kind, Kind::Limitation);
}

#[test]
fn every_rule_of_a_file_is_checked() {
    let text =
        format!("{}\n{}", GOOD.replace("outer", "otter"), GOOD.replace("fn f", "fn g").replace("(q)", "(p)"));
    let messages: Vec<_> = report(&text).diagnostics.into_iter().map(|d| d.message).collect();
    assert_eq!(messages, ["there is no function `otter`", "there is no `p` here"]);
}
