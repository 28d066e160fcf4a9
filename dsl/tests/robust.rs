//! No text makes the front end panic, overflow its stack, or run for long.

use chunkwise_dsl::parse_file;
use proptest::prelude::*;

const RULES: [&str; 2] = [
    "/// Docs.
#[rule]
fn gated(mut s: State<K, V>, mut z: State<K>, q: Vector<K>, #[range(-8.0..=0.0)] g: Scalar, k: [Vector<K>; 2], v: Vector<V>) -> (Vector<V>, Scalar) {
    s *= exp(g);
    for j in 0..2 {
        let x = l2norm(k[j]);
        s += outer(0.5 * x, v - s.read(x));
    }
    z = sigmoid(g) * z + k[0];
    (s.read(q) / max(dot(z, q), 1), dot(z, q))
}",
    "#[rule(recurrent)] fn f(mut s: State<K, V>, q: Vector<K>, v: PerHead<Vector<V>>) -> Vector<V> { s = tanh(s + outer(q, v)); s.read(q) }",
];

const WORDS: [&str; 64] = [
    "s", "z", "q", "k", "v", "g", "j", "K", "V", "0", "1", "2", "0.5", "1e999", "7u8", "\"x\"", "'c'",
    "true", "+", "-", "*", "/", "=", "+=", "*=", "-=", "<", ">", "&", "|", "!", "..", "..=", ".", ",", ";",
    ":", "::", "->", "=>", "#", "?", "@", "_", "let", "mut", "for", "in", "if", "else", "match", "fn",
    "return", "as", "read", "outer", "dot", "exp", "dim", "State", "Vector", "Scalar", "PerHead", "self",
];

/// Parses, and holds every message against what a report promises.
fn survives(text: &str) {
    let Err(report) = parse_file(text) else { return };
    assert!(!report.diagnostics.is_empty());
    for d in &report.diagnostics {
        assert!(text.get(d.range.clone()).is_some(), "{:?} is no range of {text:?}", d.range);
        assert!(!d.message.is_empty() && !d.message.contains('\n'), "{:?}", d.message);
        assert!(!d.hint.is_empty() && !d.hint.contains('\n'), "{:?}", d.hint);
        d.position(text);
    }
    let starts: Vec<usize> = report.diagnostics.iter().map(|d| d.range.start).collect();
    assert!(starts.is_sorted(), "{report}");
}

/// Words, and now and then a bracket around more of them.
fn soup() -> impl Strategy<Value = String> {
    let word = prop::sample::select(WORDS.to_vec()).prop_map(str::to_string);
    word.prop_recursive(5, 60, 8, |inner| {
        let bracket = prop::sample::select(vec![("(", ")"), ("[", "]"), ("{", "}"), ("", "")]);
        (prop::collection::vec(inner, 0..8), bracket)
            .prop_map(|(words, (open, close))| format!("{open}{}{close}", words.join(" ")))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn soup_in_a_body(body in prop::collection::vec(soup(), 0..20)) {
        let body = body.join(" ");
        survives(&format!("#[rule] fn f(mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 2], v: Vector<V>, g: Scalar) -> Vector<V> {{ {body} }}"));
        survives(&format!("#[rule] fn f({body}) -> Vector<V> {{ s.read(q) }}"));
        survives(&format!("#[rule({body})] fn f(#[range({body})] q: Scalar) {{ }}"));
    }

    #[test]
    fn a_word_replaced(which in 0..RULES.len(), at in any::<prop::sample::Index>(), by in prop::sample::select(WORDS.to_vec())) {
        let words: Vec<&str> = RULES[which].split_inclusive(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let at = at.index(words.len());
        let changed: String = words.iter().enumerate().map(|(i, w)| if i == at { by } else { w }).collect();
        survives(&changed);
    }
}

#[test]
fn every_beginning_of_a_rule() {
    for text in RULES {
        assert!(parse_file(text).is_ok());
        for (end, _) in text.char_indices() {
            survives(&text[..end]);
        }
    }
}

/// A body that repeats parts `n` times.
fn nested(open: &str, middle: &str, close: &str, n: usize) -> String {
    let (open, close) = (open.repeat(n), close.repeat(n));
    format!(
        "#[rule] fn f(mut s: State<K, V>, q: Vector<K>, v: Vector<V>) -> Vector<V> {{ {open}{middle}{close} }}"
    )
}

#[test]
fn nesting_of_any_depth() {
    let parts = [
        ("(", "q", ")"),
        ("[", "q", "]"),
        ("{", "q", "}"),
        ("-", "q", ""),
        ("!", "q", ""),
        ("&", "q", ""),
        ("*", "q", ""),
        ("&'a ", "q", ""),
        ("exp(", "q", ")"),
        ("q + (", "q", ")"),
        ("q = ", "q", ""),
        ("q += ", "q", ""),
        ("|q| ", "q", ""),
        ("|| ", "q", ""),
        ("return ", "q", ""),
        ("break ", "q", ""),
        ("if q {} else ", "{}", ""),
        ("for j in 0..1 { ", "", " }"),
        ("q.read(", "q", ")"),
        ("", "q", ".read(q)"),
        ("", "q", "[0]"),
        ("", "q", ".q"),
        ("", "q", "?"),
        ("", "q", "(q)"),
        ("", "q", " as f64"),
        ("", "q", " + q"),
        ("", "q", " - q * q"),
        ("", "q", " && q"),
        ("", "q", ".. q"),
        ("let x: A<", "q", ">"),
        ("q::<", "q", ">"),
        ("q as fn() -> ", "q", ""),
        ("q as Fn(A) -> ", "q", ""),
        ("q as &'a ", "q", ""),
        ("q as *const ", "q", ""),
        ("let q @ ", "q", " = q;"),
        ("unsafe { ", "q", "}"),
        ("async move { ", "q", "}"),
        ("q!(", "q", ")"),
        ("#[a(", "q", ")] q;"),
        ("#[a] ", "q", ""),
        ("q; ", "q", ""),
        ("let q = q; ", "q", ""),
        ("match q { q => ", "q", "}"),
    ];
    for (open, middle, close) in parts {
        for n in [30, 300, 3_000, 30_000] {
            survives(&nested(open, middle, close, n));
        }
    }
}

#[test]
fn work_is_bounded() {
    for body in [
        "for a in 0..1000 { for b in 0..1000 { for c in 0..1000 { s *= a + b + c; } } } s.read(q)",
        "for a in 0..9223372036854775807 { s *= a; } s.read(q)",
        "for a in 0..99999999999999999999999999 { s *= a; } s.read(q)",
        "for a in 0..1000 { for b in 0..1000 { } } s.read(q)",
        "for a in 0..1000 { for b in 0..1000 { for c in 0..1000 { for d in 0..1000 { } } } } s.read(q)",
    ] {
        survives(&nested("", body, "", 1));
    }
    let doubling = "let q = q * q; ".repeat(2_000);
    survives(&nested("", &format!("{doubling} s += outer(q, v); s.read(q)"), "", 1));
}
