//! States that differ by their decays share Gram matrices and inverses, where that is safe and nowhere else.

use crate::case::Case;
use crate::problem::Fill;
use crate::rules;
use chunkwise_algebra::program::{Op, Program, derive, print, simplify, verify};
use chunkwise_dsl::rule::Rule;
use std::fmt::Write;

/// A rule of states that each begin with `s *= decay`, then take in what `write` says of a state called `s`.
struct Text<'a> {
    params: &'a str,
    before: &'a str,
    decays: &'a [&'a str],
    write: &'a str,
}

const WRITE: &str = "s += outer(beta * key, v - s.read(key));";

impl Text<'_> {
    fn rule(&self) -> Rule {
        let states: String = (0..self.decays.len()).map(|n| format!("mut s{n}: State<K, V>, ")).collect();
        let named = |text: &str, n: usize| {
            ["s.", "s +=", "s *="]
                .iter()
                .fold(text.to_owned(), |text, of| text.replace(of, &of.replace('s', &format!("s{n}"))))
        };
        let body: String = (0..self.decays.len())
            .map(|n| {
                let decay = self.decays[n];
                let decay = if decay.is_empty() { String::new() } else { format!("s{n} *= {decay};") };
                format!("{decay} {}", named(self.write, n))
            })
            .collect();
        let reads: Vec<String> = (0..self.decays.len()).map(|n| format!("s{n}.read(q)")).collect();
        let text = format!(
            "#[rule] fn scales({states} q: Vector<K>, k: Vector<K>, v: Vector<V>, {}) -> Vector<V> {{ {} {body} {} }}",
            self.params,
            self.before,
            reads.join(" + ")
        );
        rules::parse(&text).swap_remove(0)
    }
}

/// What is safe: every way to write the bound that the proof knows.
const SAFE: [(&str, Text<'static>); 8] = [
    (
        "two time scales",
        Text {
            params: "f: Scalar, g: Scalar, #[range(0.0..=2.0)] beta: Scalar",
            before: "let key = l2norm(k);",
            decays: &["exp(-softplus(f))", "sigmoid(g)"],
            write: WRITE,
        },
    ),
    (
        "three, one of which never forgets",
        Text {
            params: "#[range(-9.0..=0.0)] f: Scalar, g: Scalar, b: Scalar",
            before: "let key = l2norm(k); let beta = 2 * sigmoid(b);",
            decays: &["exp(f)", "", "0.9 * sigmoid(g)"],
            write: WRITE,
        },
    ),
    (
        "decays of either sign",
        Text {
            params: "#[range(-1.0..=1.0)] f: Scalar, g: Scalar, #[range(0.0..=1.0)] beta: Scalar",
            before: "let key = softmax(k);",
            decays: &["f", "tanh(g)"],
            write: WRITE,
        },
    ),
    (
        "keys divided by their length",
        Text {
            params: "f: Scalar, g: Scalar, b: Scalar",
            before: "let key = k / sqrt(dot(k, k) + 0.01); let beta = sigmoid(b);",
            decays: &["sigmoid(f)", "sigmoid(g)"],
            write: WRITE,
        },
    ),
    (
        "steps bounded by the length",
        Text {
            params: "f: Scalar, g: Scalar, b: Scalar",
            before: "let key = k; let beta = 1 / (dot(k, k) + square(b));",
            decays: &["sigmoid(f)", "sigmoid(g)"],
            write: WRITE,
        },
    ),
    (
        "half of the error",
        Text {
            params: "f: Scalar, g: Scalar, b: Scalar",
            before: "let key = l2norm(k); let beta = sigmoid(b);",
            decays: &["sigmoid(f)", "sigmoid(g)"],
            write: "s += outer(key / 4, beta * (v - s.read(key)) / 0.5);",
        },
    ),
    (
        "two steps with a decay between",
        Text {
            params: "f: Scalar, g: Scalar, b: Scalar",
            before: "let key = l2norm(k); let beta = sigmoid(b);",
            decays: &["sigmoid(f)", "sigmoid(g)"],
            write: "s += outer(beta * key, v - s.read(key)); s *= sigmoid(b); s += outer(beta * key, v - s.read(key));",
        },
    ),
    (
        "read before the decay and written before it",
        Text {
            params: "f: Scalar, g: Scalar, b: Scalar",
            before: "let key = l2norm(k); let beta = sigmoid(b);",
            decays: &["", ""],
            write: "s += outer(beta * key, v - s.read(key)); s *= sigmoid(f + g);",
        },
    ),
];

const GATES: &str = "f: Scalar, g: Scalar, #[range(0.0..=2.0)] beta: Scalar";
const UNIT: &str = "let key = l2norm(k);";
const SIGMOIDS: &[&str] = &["sigmoid(f)", "sigmoid(g)"];

/// What is not: each differs from a safe one by one thing.
const UNSAFE: [(&str, Text<'static>); 11] = [
    ("keys of any length", Text { params: GATES, before: "let key = k;", decays: SIGMOIDS, write: WRITE }),
    (
        "keys of one length, read longer",
        Text {
            params: GATES,
            before: UNIT,
            decays: SIGMOIDS,
            write: "s += outer(beta * key, v - s.read(1.5 * key));",
        },
    ),
    (
        "steps of any size",
        Text { params: "f: Scalar, g: Scalar, beta: Scalar", before: UNIT, decays: SIGMOIDS, write: WRITE },
    ),
    (
        "steps a little too long",
        Text {
            params: "f: Scalar, g: Scalar, #[range(0.0..=2.01)] beta: Scalar",
            before: UNIT,
            decays: SIGMOIDS,
            write: WRITE,
        },
    ),
    (
        "steps the other way",
        Text {
            params: "f: Scalar, g: Scalar, #[range(-0.1..=1.0)] beta: Scalar",
            before: UNIT,
            decays: SIGMOIDS,
            write: WRITE,
        },
    ),
    ("decays of any size", Text { params: GATES, before: UNIT, decays: &["exp(f)", "exp(g)"], write: WRITE }),
    (
        "decays that grow a little",
        Text {
            params: GATES,
            before: UNIT,
            decays: &["1.01 * sigmoid(f)", "1.01 * sigmoid(g)"],
            write: WRITE,
        },
    ),
    (
        "decays by channel",
        Text {
            params: "f: Vector<K>, g: Vector<K>, #[range(0.0..=2.0)] beta: Scalar",
            before: UNIT,
            decays: SIGMOIDS,
            write: WRITE,
        },
    ),
    (
        "a decay between read and write",
        Text {
            params: GATES,
            before: UNIT,
            decays: SIGMOIDS,
            write: "let p = s.read(key); s *= sigmoid(f); s += outer(beta * key, v - p);",
        },
    ),
    (
        "two writes at one time",
        Text {
            params: GATES,
            before: UNIT,
            decays: SIGMOIDS,
            write: "s += outer(beta * key, v - s.read(key)) + outer(beta * l2norm(q), v - s.read(l2norm(q)));",
        },
    ),
    (
        "a key that is not the one read",
        Text {
            params: GATES,
            before: UNIT,
            decays: SIGMOIDS,
            write: "s += outer(beta * key, v - s.read(l2norm(q)));",
        },
    ),
];

/// What has two inverses whatever is proven.
const DIFFERENT: [(&str, &str); 3] = [
    ("other keys", "t += outer(beta * l2norm(q), v - t.read(l2norm(q)));"),
    ("other steps", "t += outer(0.5 * beta * key, v - t.read(key));"),
    ("no feedback on the own state", "t += outer(beta * key, v - 0.5 * t.read(key));"),
];

fn program(rule: &Rule) -> Program {
    let timeline = rule.timeline.as_ref().unwrap_or_else(|why| panic!("{why}"));
    let simpler = simplify(&derive(timeline).unwrap_or_else(|why| panic!("{why}")));
    verify(&simpler).unwrap_or_else(|broken| panic!("{broken}\n{}", print(&simpler)));
    simpler
}

fn inverses(p: &Program) -> usize {
    p.nodes.iter().filter(|n| matches!(n.op, Op::Inverse(_))).count()
}

/// Scalars of both signs, so that sigmoids and the like reach their ends; within ranges.
fn fill(rule: &Rule) -> impl Fn(usize) -> Fill + '_ {
    |n| match &rule.signature.params[n].range {
        Some(range) => Fill::Uniform(*range.start(), *range.end()),
        None => Fill::Uniform(-4.0, 4.0),
    }
}

fn agrees(what: &str, rule: &Rule, p: &Program) {
    for (tokens, chunks) in [(7, [1, 3]), (37, [8, 64])] {
        let case = Case::new(rule, vec![4, 3], tokens, 3, fill(rule));
        for chunk in chunks {
            let wrong = case.difference(rule, p, chunk);
            assert_eq!(wrong, None, "{what}, seed 3\n{}", print(p));
        }
    }
}

#[test]
fn one_inverse_where_it_is_safe() {
    let mut text = String::new();
    for (what, rule) in &SAFE {
        let rule = rule.rule();
        let p = program(&rule);
        assert_eq!(inverses(&p), 1, "{what}\n{}", print(&p));
        agrees(what, &rule, &p);
        let _ = writeln!(text, "== {what}\n{}", print(&p));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn an_inverse_each_where_nothing_is_proven() {
    for (what, rule) in &UNSAFE {
        let p = program(&rule.rule());
        assert_eq!(inverses(&p), 2, "{what}\n{}", print(&p));
    }
}

#[test]
fn an_inverse_each_where_the_states_differ() {
    for (what, write) in DIFFERENT {
        let text = format!(
            "#[rule] fn different(mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, {GATES})
                -> Vector<V> {{
                {UNIT} s *= sigmoid(f); {WRITE} t *= sigmoid(g); {write} s.read(q) + t.read(q)
            }}"
        );
        let rule = rules::parse(&text).swap_remove(0);
        let p = program(&rule);
        assert_eq!(inverses(&p), 2, "{what}\n{}", print(&p));
        agrees(what, &rule, &p);
    }
}
