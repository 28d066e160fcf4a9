//! Lowering to the timeline, line by line: a body on the left, the events it must become on the right; and what has none.

use chunkwise_dsl::class::{Decay, Feedback, classify};
use chunkwise_dsl::{parse_file, print};

const PARAMS: &str =
    "q: Vector<K>, k: Vector<K>, v: Vector<V>, w: Vector<K>, e: Vector<V>, g: Scalar, b: Scalar";

/// A rule over one matrix state `s` whose unused inputs are used in a second output.
fn text(body: &str, tail: &str) -> String {
    format!(
        "#[rule]\nfn f(mut s: State<K, V>, {PARAMS}) -> (Vector<V>, Scalar) {{ {body} ({tail}, dot(q, k) + dot(w, k) + dot(v, e) + g + b) }}"
    )
}

fn timeline(body: &str, tail: &str) -> String {
    let text = text(body, tail);
    match parse_file(&text) {
        Ok(rules) => match &rules[0].timeline {
            Ok(t) => {
                print::timeline(t).lines().filter(|l| !l.starts_with("o1")).collect::<Vec<_>>().join("; ")
            }
            Err(why) => panic!("{text}\n{why}"),
        },
        Err(report) => panic!("{text}\n{report:?}"),
    }
}

#[test]
fn events_of_statements() {
    let table: &[(&str, &str, &str)] = &[
        ("s += outer(k, v);", "s.read(q)", "write(s, k, v); p0 = read(s, q); o0 = p0"),
        // Equal reads are one, unless an event on the state lies between.
        (
            "s += outer(k, v - s.read(k) - s.read(k));",
            "s.read(q)",
            "p0 = read(s, k); write(s, k, v - p0 - p0); p1 = read(s, q); o0 = p1",
        ),
        (
            "let p = s.read(q); s += outer(k, v);",
            "p + s.read(q)",
            "p0 = read(s, q); write(s, k, v); p1 = read(s, q); o0 = p0 + p1",
        ),
        // Decays stay in log space; sides follow from shapes; scalars join the vector's side.
        (
            "s *= exp(g); s += outer(k, v);",
            "s.read(q)",
            "decay(s, exp(g)); write(s, k, v); p0 = read(s, q); o0 = p0",
        ),
        (
            "s *= exp(g) * sigmoid(w); s += outer(k, v);",
            "s.read(q)",
            "decay(s, exp(g + log_sigmoid(w))); write(s, k, v); p0 = read(s, q); o0 = p0",
        ),
        ("s *= b * exp(w) * e; s += outer(k, v);", "s.read(q)", ""),
        (
            "s *= -exp(g); s += outer(k, v);",
            "s.read(q)",
            "decay(s, exp(g)); decay(s, -1); write(s, k, v); p0 = read(s, q); o0 = p0",
        ),
        (
            "s *= w; s *= e; s += outer(k, v);",
            "s.read(q)",
            "decay(s, w); decay(s, e); write(s, k, v); p0 = read(s, q); o0 = p0",
        ),
        // An assignment is read, decay, write: its right side sees the state before it.
        (
            "s = b * s + outer(k, s.read(w));",
            "s.read(q)",
            "p0 = read(s, w); decay(s, b); write(s, k, p0); p1 = read(s, q); o0 = p1",
        ),
        ("s = s - b * s;", "s.read(q)", "decay(s, 1 - b); p0 = read(s, q); o0 = p0"),
        ("s = outer(k, v);", "s.read(q)", "decay(s, 0); write(s, k, v); p0 = read(s, q); o0 = p0"),
        ("s = s / b;", "s.read(q)", "decay(s, 1 / b); p0 = read(s, q); o0 = p0"),
        // Scalars of a write belong to the value; those that depend on a read may stand on the key.
        (
            "s -= b * outer(k, v) - outer(w, e);",
            "s.read(q)",
            "write(s, k, -b * v); write(s, w, e); p0 = read(s, q); o0 = p0",
        ),
        (
            "s += outer(sum(s.read(k)) * k, v);",
            "s.read(q)",
            "p0 = read(s, k); write(s, k, sum(p0) * v); p1 = read(s, q); o0 = p1",
        ),
    ];
    for (body, tail, expected) in table {
        if expected.is_empty() {
            assert!(parse_file(&text(body, tail)).is_err(), "{body}");
            continue;
        }
        assert_eq!(&timeline(body, tail), expected, "{body}");
    }
}

fn class(rule: &str) -> (Decay, Feedback, usize) {
    let rules = parse_file(rule).unwrap_or_else(|e| panic!("{rule}\n{e:?}"));
    let c = classify(rules[0].timeline.as_ref().unwrap());
    (c.decay, c.feedback, c.rank)
}

#[test]
fn classes() {
    let head = "#[rule]\nfn f(mut s: State<K, V>, k: Vector<K>, v: Vector<V>, g: Scalar, h: PerHead<Scalar>) -> Vector<V>";
    let table = [
        ("s += outer(k, v) * (g + h);", (Decay::None, Feedback::None, 0)),
        ("s *= 0.9; s += outer(k, v) * (g + h);", (Decay::Constant, Feedback::None, 0)),
        ("s *= sigmoid(h); s += outer(k, v) * g;", (Decay::Constant, Feedback::None, 0)),
        ("s *= sigmoid(g) * h; s += outer(k, v);", (Decay::Scalar, Feedback::None, 0)),
        ("s *= sigmoid(g * k) * h; s += outer(k, v);", (Decay::Key, Feedback::None, 0)),
        ("s *= sigmoid(g * v) * h; s += outer(k, v);", (Decay::Value, Feedback::None, 0)),
        ("s *= sigmoid(v) * h; s *= sigmoid(k * g); s += outer(k, v);", (Decay::Both, Feedback::None, 0)),
        ("s += outer(k, g * v - h * s.read(k));", (Decay::None, Feedback::Linear, 1)),
        ("s += outer(k, g * v - v * s.read(k) * h);", (Decay::None, Feedback::PerChannel, 1)),
        ("s += outer(k, g * v - tanh(s.read(k)) * h);", (Decay::None, Feedback::PerChannel, 1)),
        ("let p = s.read(k); s *= v; s += outer(k, g * p * h);", (Decay::Value, Feedback::PerChannel, 1)),
        ("s += outer(k, g * v - l2norm(s.read(k)) * h);", (Decay::None, Feedback::RowMixing, 1)),
        ("s += outer(k, v - dot(s.read(k), v) * g * v * h);", (Decay::None, Feedback::RowMixing, 1)),
    ];
    for (body, expected) in table {
        assert_eq!(class(&format!("{head} {{ {body} s.read(k) }}")), expected, "{body}");
    }
}

#[test]
fn vector_states_take_the_form_that_their_uses_need() {
    let form = |body: &str, tail: &str| {
        let text = format!(
            "#[rule]\nfn f(mut z: State<K>, k: Vector<K>, x: Scalar) -> Scalar {{ {body} {tail} + x }}"
        );
        let rules = parse_file(&text).unwrap_or_else(|e| panic!("{text}\n{e:?}"));
        print::timeline(rules[0].timeline.as_ref().unwrap()).trim().replace('\n', "; ")
    };
    assert_eq!(form("z += k;", "dot(z, k)"), "write(z, k, 1); p0 = read(z, k); o = p0 + x");
    assert_eq!(
        form("z += k * (x - dot(z, k));", "dot(z, k)"),
        "p0 = read(z, k); write(z, k, x - p0); p1 = read(z, k); o = p1 + x"
    );
    assert_eq!(form("z += k;", "sum(z)"), "write(z, 1, k); p0 = read(z, 1); o = sum(p0) + x");
    assert_eq!(
        form("z = max(z, k);", "dot(z, k)"),
        "p0 = read(z, 1); decay(z, 0); write(z, 1, max(p0, k)); p1 = read(z, 1); o = dot(p1, k) + x"
    );
}
