//! Good rules: everything that the language has, and the body that each comes to.
//!
//! Bodies are printed here as nested calls: `s` is a state at the token's start, `s'n` after update `n`, `k[1]` an element.

use chunkwise_dsl::graph::{Expr, Shape, Value};
use chunkwise_dsl::parse_file;
use chunkwise_dsl::rule::Rule;

fn rule(text: &str) -> Rule {
    let mut rules = parse_file(text).unwrap_or_else(|report| panic!("{report}\n{text}"));
    assert_eq!(rules.len(), 1);
    rules.remove(0)
}

/// A rule with the usual parameters, the state `s: State<K, V>`, and this body.
fn with_body(attribute: &str, body: &str) -> Rule {
    let params = [
        ("mut s", "State<K, V>"),
        ("mut m", "State<K, V>"),
        ("mut z", "State<K>"),
        ("q", "Vector<K>"),
        ("k", "Vector<K>"),
        ("v", "Vector<V>"),
        ("e", "Vector<V>"),
        ("g", "Scalar"),
        ("beta", "Scalar"),
        ("ks", "[Vector<K>; 2]"),
        ("bs", "[Scalar; 2]"),
        ("u", "PerHead<Vector<K>>"),
        ("a", "PerHead<Scalar>"),
    ];
    let is_used = |name: &str| {
        let name = name.trim_start_matches("mut ");
        body.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
    };
    let params: Vec<String> =
        params.iter().filter(|(name, _)| is_used(name)).map(|(name, ty)| format!("{name}: {ty}")).collect();
    rule(&format!("#[rule{attribute}] fn f({}) -> Vector<V> {{ {body} }}", params.join(", ")))
}

fn show(rule: &Rule, v: Value) -> String {
    let graph = &rule.body.graph;
    match graph.expr(v) {
        Expr::Const(c) => format!("{:?}", c.0),
        Expr::Size(d) => format!("dim({})", rule.signature.dim(d)),
        Expr::Param(p, None) => rule.signature.param(p).name.clone(),
        Expr::Param(p, Some(i)) => format!("{}[{i}]", rule.signature.param(p).name),
        Expr::State(s) => rule.signature.state(s).name.clone(),
        Expr::Updated(n) => {
            format!("{}'{n}", rule.signature.state(rule.body.updates[n as usize].state).name)
        }
        other => {
            let name = match other {
                Expr::Unary(op, _) => format!("{op:?}"),
                Expr::Binary(op, ..) => format!("{op:?}"),
                Expr::Contract(..) => "Contract".into(),
                Expr::Sum(_) => "Sum".into(),
                Expr::Softmax(_) => "Softmax".into(),
                Expr::L2norm(_) => "L2norm".into(),
                leaf => format!("{leaf:?}"),
            };
            let operands: Vec<String> = other.operands().map(|o| show(rule, o)).collect();
            format!("{}({})", name.to_lowercase(), operands.join(", "))
        }
    }
}

/// Every update, then every output, one a line.
fn body(rule: &Rule) -> Vec<String> {
    let updates = rule
        .body
        .updates
        .iter()
        .map(|u| format!("{} <- {}", rule.signature.state(u.state).name, show(rule, u.value)));
    updates.chain(rule.body.outputs.iter().map(|&o| show(rule, o))).collect()
}

#[track_caller]
fn becomes(text: &str, expected: &[&str]) {
    let rule = with_body("", text);
    assert_eq!(body(&rule), expected, "{text}");
    assert!(rule.timeline.is_ok());
}

#[test]
fn gated_deltanet() {
    let text = "
/// Gated DeltaNet. Yang, Kautz, Hatamizadeh 2024, arXiv 2412.06464.
///
/// Second paragraph.
#[rule]
fn gated_deltanet(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, beta: Scalar) -> Vector<V> {
    s *= exp(g);                              // decay: g is a log decay
    s += outer(beta * k, v - s.read(k));      // delta rule: s.read(k) = S^T k
    s.read(q)
}";
    let rule = rule(text);
    let expected = [
        "s <- mul(s, exp(g))",
        "s <- add(s'0, mul(mul(beta, k), sub(v, contract(s'0, k))))",
        "contract(s'1, q)",
    ];
    assert_eq!(body(&rule), expected);
    assert_eq!(rule.signature.name, "gated_deltanet");
    let docs = "Gated DeltaNet. Yang, Kautz, Hatamizadeh 2024, arXiv 2412.06464.\n\nSecond paragraph.";
    assert_eq!(rule.signature.docs, docs);
    assert_eq!(rule.signature.dims, ["K", "V"]);
    assert_eq!(rule.source, text.trim_start());
    assert!(rule.timeline.is_ok());
}

#[test]
fn assignments() {
    becomes(
        "s *= g; s += outer(k, v); s.read(q)",
        &["s <- mul(s, g)", "s <- add(s'0, mul(k, v))", "contract(s'1, q)"],
    );
    becomes("s *= sigmoid(k); s.read(q)", &["s <- mul(s, sigmoid(k))", "contract(s'0, q)"]);
    becomes("s *= e; s.read(q)", &["s <- mul(s, e)", "contract(s'0, q)"]);
    becomes("s -= outer(k, v); s.read(q)", &["s <- sub(s, mul(k, v))", "contract(s'0, q)"]);
    becomes(
        "s = g * s + outer(k, s.read(q)); s.read(q)",
        &["s <- add(mul(g, s), mul(k, contract(s, q)))", "contract(s'0, q)"],
    );
    becomes(
        "s = (s * e - outer(k, v)) * g; s.read(q)",
        &["s <- mul(sub(mul(s, e), mul(k, v)), g)", "contract(s'0, q)"],
    );
    becomes("s = q * s / beta; s.read(q)", &["s <- div(mul(q, s), beta)", "contract(s'0, q)"]);
    becomes(
        "s += g * outer(k, v) + outer(q, e); s.read(q)",
        &["s <- add(s, add(mul(g, mul(k, v)), mul(q, e)))", "contract(s'0, q)"],
    );
    becomes("s = outer(k, v); s.read(q)", &["s <- mul(k, v)", "contract(s'0, q)"]);
}

#[test]
fn coupled_states() {
    let expected = [
        "m <- add(mul(g, m), mul(k, sub(v, contract(s, k))))",
        "s <- add(mul(beta, s), m'0)",
        "contract(s'1, q)",
    ];
    becomes("m = g * m + outer(k, v - s.read(k)); s = beta * s + m; s.read(q)", &expected);
    becomes(
        "m += outer(k, v); s += m; s.read(q)",
        &["m <- add(m, mul(k, v))", "s <- add(s, m'0)", "contract(s'1, q)"],
    );
}

#[test]
fn vector_states() {
    becomes(
        "z += k; s += outer(k, v); s.read(q) / max(abs(dot(z, q)), 1)",
        &[
            "z <- add(z, k)",
            "s <- add(s, mul(k, v))",
            "div(contract(s'1, q), max(abs(contract(z'0, q)), 1.0))",
        ],
    );
    becomes(
        "z *= k; z -= k; s += outer(k, v); s.read(q * z)",
        &["z <- mul(z, k)", "z <- sub(z'0, k)", "s <- add(s, mul(k, v))", "contract(s'2, mul(q, z'1))"],
    );
    becomes(
        "z = sigmoid(k) * z + (1 - sigmoid(k)) * q; s += outer(k, v); s.read(z)",
        &[
            "z <- add(mul(sigmoid(k), z), mul(sub(1.0, sigmoid(k)), q))",
            "s <- add(s, mul(k, v))",
            "contract(s'1, z'0)",
        ],
    );
}

#[test]
fn a_name_keeps_the_value_it_was_given() {
    becomes(
        "let old = s.read(k); let before = z; s *= g; z *= k; z += before; s += outer(k, old); s.read(q * z)",
        &[
            "s <- mul(s, g)",
            "z <- mul(z, k)",
            "z <- add(z'1, z)",
            "s <- add(s'0, mul(k, contract(s, k)))",
            "contract(s'3, mul(q, z'2))",
        ],
    );
}

#[test]
fn loops_are_unrolled() {
    let turn = ["s <- add(s, mul(mul(bs[0], ks[0]), sub(v, contract(s, ks[0]))))"];
    let second = "s <- add(s'0, mul(mul(bs[1], ks[1]), sub(v, contract(s'0, ks[1]))))";
    becomes(
        "for j in 0..2 { s += outer(bs[j] * ks[j], v - s.read(ks[j])); } s.read(q)",
        &[turn[0], second, "contract(s'1, q)"],
    );
    becomes(
        "for j in 0..=1 { for i in j..1 { s += outer(ks[1 - i], (i + 2 * j) * v); } } s.read(ks[0])",
        &["s <- add(s, mul(ks[1], mul(0.0, v)))", "contract(s'0, ks[0])"],
    );
    becomes(
        "let n = 2; for _ in 0..n { s *= 0.5; } s += outer(k, v); s.read(q)",
        &["s <- mul(s, 0.5)", "s <- mul(s'0, 0.5)", "s <- add(s'1, mul(k, v))", "contract(s'2, q)"],
    );
}

#[test]
fn locals_shadow_and_end_with_their_block() {
    let expected = ["s <- add(s, mul(mul(k, 2.0), v))", "contract(s'0, mul(mul(k, 2.0), 3.0))"];
    becomes(
        "let k = k * 2; for _j in 0..1 { s += outer(k, v); let _k = k; } let k = k * 3; s.read(k)",
        &expected,
    );
    let rule = with_body("", "let x = q * 2; let x = x * 3; let q = x; s += outer(k, v); s.read(q)");
    let names: Vec<&str> = rule.body.graph.names.values().map(String::as_str).collect();
    assert_eq!(names, ["x", "x_1"]);
}

#[test]
fn numbers() {
    becomes(
        "s *= -0.5; s += outer(2 * k, v * 1e-3); -s.read(q)",
        &["s <- mul(s, -0.5)", "s <- add(s'0, mul(mul(2.0, k), mul(v, 0.001)))", "neg(contract(s'1, q))"],
    );
    becomes(
        "s += outer(k, v / 0x10); s.read(q * 1_000.0)",
        &["s <- add(s, mul(k, div(v, 16.0)))", "contract(s'0, mul(q, 1000.0))"],
    );
}

#[test]
fn functions() {
    for name in [
        "exp",
        "log",
        "sigmoid",
        "log_sigmoid",
        "softplus",
        "silu",
        "elu",
        "gelu",
        "relu",
        "tanh",
        "sqrt",
        "rsqrt",
        "square",
        "abs",
    ] {
        let update = format!("s <- add(s, mul({}(k), v))", name.replace('_', ""));
        becomes(&format!("s += outer({name}(k), v); s.read(q)"), &[&update, "contract(s'0, q)"]);
    }
    becomes(
        "s += outer(min(k, q), max(v, 0)); s.read(softmax(q) + l2norm(k))",
        &["s <- add(s, mul(min(k, q), max(v, 0.0)))", "contract(s'0, add(softmax(q), l2norm(k)))"],
    );
    becomes(
        "s += outer(k * sum(k) / dim(K), v * rsqrt(dim(V))); s.read(dot(q, k) * q)",
        &[
            "s <- add(s, mul(div(mul(k, sum(k)), dim(K)), mul(v, rsqrt(dim(V)))))",
            "contract(s'0, mul(contract(q, k), q))",
        ],
    );
}

#[test]
fn parameters() {
    let rule = rule(
        "#[rule] pub(crate) fn f(
        /// The memory.
        mut s: State<K, V>,
        #[range(-8..=-0.5)] g: Scalar,
        q: [Vector<K>; 3],
        a: PerHead<Scalar>,
        u: PerHead<Vector<V>>,
        r#in: [Scalar; 2],
        k: Vector<K>,
    ) -> (Vector<V>, Scalar) {
        s *= exp(a * g);
        s += outer(q[0] + q[1] + q[2], u * r#in[0] * r#in[1]);
        (s.read(k), dot(q[0], k))
    }",
    );
    let names: Vec<_> =
        rule.signature.params.iter().map(|p| (p.name.as_str(), p.count, p.per_head)).collect();
    let expected = [
        ("g", None, false),
        ("q", Some(3), false),
        ("a", None, true),
        ("u", None, true),
        ("in", Some(2), false),
        ("k", None, false),
    ];
    assert_eq!(names, expected);
    assert_eq!(rule.signature.params[0].range, Some(-8.0..=-0.5));
    let outputs: Vec<_> = rule.signature.outputs.iter().map(|o| (o.name.as_str(), o.shape)).collect();
    let value_dim = chunkwise_dsl::graph::Dim(1);
    assert_eq!(outputs, [("o0", Shape::Vector(value_dim)), ("o1", Shape::Scalar)]);
}

#[test]
fn a_recurrent_rule_may_do_anything_to_its_state() {
    let squashed = with_body("(recurrent)", "s = tanh(s + outer(k, v)) * m + 1; m *= s; s.read(q)");
    let expected = ["s <- add(mul(tanh(add(s, mul(k, v))), m), 1.0)", "m <- mul(m, s'0)", "contract(s'0, q)"];
    assert_eq!(body(&squashed), expected);
    assert!(squashed.timeline.is_err());
    let gated = with_body("(recurrent)", "s *= sigmoid(s.read(k)); s += outer(k, v); s.read(q)");
    assert!(gated.timeline.is_err());
    let plain = with_body("(recurrent)", "s += outer(k, v); s.read(q)");
    assert!(plain.timeline.is_ok());
}

#[test]
fn a_file_may_hold_other_items_and_several_rules() {
    let text = "\u{feff}#!/usr/bin/env chunkwise
#![allow(dead_code)]
use chunkwise::prelude::*;

#[chunkwise::rule]
fn one(mut s: State<K, V>, q: Vector<K>, v: Vector<V>) -> Vector<V> { s += outer(q, v); s.read(q) }

struct Other;
fn helper(x: f64) -> f64 { x + 1.0 }

#[rule(recurrent)]
fn two(mut s: State<K, V>, q: Vector<K>, v: Vector<V>) -> Vector<V> { s = tanh(s) + outer(q, v); s.read(q) }
";
    let rules = parse_file(text).unwrap_or_else(|report| panic!("{report}"));
    let names: Vec<&str> = rules.iter().map(|r| r.signature.name.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    assert!(rules[0].source.starts_with("#[chunkwise::rule]\nfn one") && rules[0].source.ends_with('}'));
}

#[test]
fn every_node_has_an_origin() {
    let rule = with_body(
        "",
        "let x = l2norm(k) * 2; for j in 0..2 { s += outer(x + ks[j], v - s.read(x)); } s.read(q)",
    );
    for v in rule.body.graph.values() {
        assert!(rule.body.origins.contains_key(&v), "{} has no origin", show(&rule, v));
    }
}
