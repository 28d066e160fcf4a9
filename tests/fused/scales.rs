//! Several states with feedback: what their rows are solved with, and what they share where they differ by their decays alone. One
//! square serves two and three time scales, with decays from 1 down to nothing and keys that repeat at full strength.

use crate::case::{Case, parse, timeline};
use crate::extremes::{LOGS, NEGATIVE, Pattern, RAW, case, strong_feedback, with_pattern};
use crate::limits::{all, any, hard_apart};
use chunkwise::Arch;
use chunkwise_codegen::fused;

/// Two delta rules side by side, each on its own keys: rows are solved with two squares in one chunk.
pub(crate) const TWO_DELTAS: &str = "fn two_deltas(
    mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, a: Vector<K>, v: Vector<V>, g: Scalar, beta: Scalar,
) -> Vector<V> {
    s *= exp(g);
    s += outer(beta * k, v - s.read(k));
    t += outer(0.5 * beta * a, v - t.read(a));
    s.read(q) + t.read(q)
}";

/// A delta rule with two time scales.
const TWO_SCALES: &str = "fn two_scales(
    mut fast: State<K, V>, mut slow: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, f: Scalar, g: Scalar,
    #[range(0.0..=2.0)] beta: Scalar,
) -> Vector<V> {
    let key = l2norm(k);
    fast *= exp(min(f, 0));
    fast += outer(beta * key, v - fast.read(key));
    slow *= exp(-0.1 * softplus(g));
    slow += outer(beta * key, v - slow.read(key));
    fast.read(q) + slow.read(q)
}";

/// Three, one of which has a raw decay of either sign, and one none.
const THREE_SCALES: &str = "fn three_scales(
    mut fast: State<K, V>, mut slow: State<K, V>, mut all: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, f: Scalar,
    d: Scalar, #[range(0.0..=2.0)] beta: Scalar,
) -> (Vector<V>, Vector<V>) {
    let key = l2norm(k);
    fast *= sigmoid(f);
    fast += outer(beta * key, v - fast.read(key));
    slow *= max(min(d, 1), -1);
    slow += outer(beta * key, v - slow.read(key));
    all += outer(beta * key, v - all.read(key));
    (fast.read(q) + slow.read(q), all.read(q))
}";

/// Two steps a token with a decay between them.
const SCALED_STEPS: &str = "fn scaled_steps(
    mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: [Vector<K>; 2], v: [Vector<V>; 2], g: [Scalar; 2],
    b: [Scalar; 2],
) -> Vector<V> {
    for j in 0..2 {
        s *= exp(-softplus(g[j]));
        s += outer(2 * sigmoid(b[j]) * l2norm(k[j]), v[j] - s.read(l2norm(k[j])));
        t *= sigmoid(g[j]) * sigmoid(g[j]);
        t += outer(2 * sigmoid(b[j]) * l2norm(k[j]), v[j] - t.read(l2norm(k[j])));
    }
    s.read(q) + t.read(q)
}";

/// Keys of any length: of these the products are shared, and what rows are solved with is not.
const UNPROVEN: &str = "fn unproven_scales(
    mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, f: Scalar, g: Scalar, beta: Scalar,
) -> Vector<V> {
    s *= exp(f);
    s += outer(beta * k, v - s.read(k));
    t *= exp(g);
    t += outer(beta * k, v - t.read(k));
    s.read(q) + t.read(q)
}";

/// All of them.
pub(crate) const SCALES: [&str; 5] = [TWO_DELTAS, TWO_SCALES, THREE_SCALES, SCALED_STEPS, UNPROVEN];

/// The kernel of a text, which has one.
fn kernel(text: &str) -> Case {
    case(text).unwrap_or_else(|| panic!("no kernel: {text}"))
}

/// How many squares are made, those of them that rows are solved with, and how many tiles they go to.
fn squares(text: &str) -> (usize, usize, usize) {
    let rule = parse(&format!("#[rule]\n{text}"));
    let case = kernel(text);
    let plan = fused::choose(timeline(&rule), &case.spec(), case.arch);
    let plan = plan.unwrap_or_else(|why| panic!("{why}"));
    let made = plan.made();
    let solving = made.iter().filter(|group| plan.squares[group[0]].feedback.is_some()).count();
    (made.len(), solving, plan.squares.len())
}

#[test]
fn rows_of_all_scales_are_solved_with_one_square() {
    assert_eq!(squares(TWO_DELTAS), (4, 2, 4));
    assert_eq!(squares(TWO_SCALES), (2, 1, 4));
    assert_eq!(squares(THREE_SCALES), (2, 1, 6));
    assert_eq!(squares(SCALED_STEPS), (2, 1, 4));
    assert_eq!(squares(UNPROVEN), (3, 2, 4));
}

fn patterns(text: &str, name: &str, patterns: &[Pattern]) {
    let run = |case: &Case| patterns.iter().flat_map(|p| with_pattern(case, name, *p, any(case))).collect();
    let whole = kernel(text);
    // Narrow blocks have two crews of warps, which share squares.
    let narrow = Case { columns: 16, arch: Arch::Sm90, ..whole.clone() };
    all(vec![whole, narrow], run);
}

#[test]
fn decays_down_to_nothing() {
    patterns(TWO_SCALES, "f", &LOGS);
    patterns(THREE_SCALES, "d", &RAW);
    patterns(THREE_SCALES, "d", &NEGATIVE);
}

#[test]
fn strong_feedback_on_repeated_keys() {
    // Without feedback a state that halves with every token is nothing after as many, in f32.
    let three =
        THREE_SCALES.replace("max(min(d, 1), -1)", "tanh(3 + d)").replace("sigmoid(f)", "sigmoid(3 + f)");
    all(vec![kernel(TWO_SCALES), kernel(&three)], |case| strong_feedback(case, hard_apart(case)));
}
