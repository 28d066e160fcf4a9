//! Decays from 1 down to exactly 0, of either sign and as logarithms; feedback up to 2 on repeated keys: the solve at its
//! worst. All finite, and right.

use crate::case::{Case, KINDS, changed, dense, parse};
use crate::limits::{Limits, all, any, hard, hard_apart, judged};
use crate::own;
use chunkwise::{Arch, Tensor};
use chunkwise_cli::check::cases::Case as Frame;
use chunkwise_codegen::{DType, Plan, Precision};

/// Two chunks and a part of one.
const TOKENS: usize = 130;

/// A rule's kernel where the plan takes it.
pub(crate) fn case(text: &str) -> Option<Case> {
    let rule = parse(&format!("#[rule]\n{text}"));
    let sizes = vec![64, 32];
    let case = Case::new(rule, DType::BF16, sizes);
    case.kernel(Arch::Sm80).is_ok().then_some(case)
}

/// What a number is at each token.
pub(crate) type Pattern = (&'static str, fn(usize) -> f64);

/// Log decays, from none to all at once.
pub(crate) const LOGS: [Pattern; 9] = [
    ("no decay", |_| 0.0),
    ("hardly any", |_| -1e-6),
    ("slow", |_| -0.05),
    ("by e", |_| -1.0),
    ("by e^20", |_| -20.0),
    ("by e^100", |_| -100.0),
    ("-1e4", |_| -1e4),
    ("a reset now and then", |t| if t % 19 == 7 { f64::NEG_INFINITY } else { -0.1 }),
    ("everything from 0 to minus infinity", |t| {
        [0.0, -1e-4, -0.5, -3.0, -40.0, -88.0, -104.0, -1e3, -1e4, f64::NEG_INFINITY][t * 7 % 10]
    }),
];

/// Raw decays of neither sign.
pub(crate) const RAW: [Pattern; 6] = [
    ("1", |_| 1.0),
    ("0.9", |_| 0.9),
    ("1e-3", |_| 1e-3),
    ("1e-30", |_| 1e-30),
    ("0", |_| 0.0),
    ("1 down to 0", |t| [1.0, 0.99, 0.5, 0.1, 1e-3, 1e-10, 1e-38, 0.0, 1.0, 1.0, 0.7][t % 11]),
];

/// Raw decays that change the state's sign.
pub(crate) const NEGATIVE: [Pattern; 4] = [
    ("-1", |_| -1.0),
    ("-0.9", |_| -0.9),
    ("now and then", |t| if t % 5 == 3 { -0.8 } else { 0.95 }),
    ("of both signs, 0 among them", |t| [1.0, -0.5, 0.9, -1.0, 0.0, 0.8, -1e-5][t * 3 % 7]),
];

/// Runs a case with one input by a pattern, and compares.
pub(crate) fn with_pattern(case: &Case, name: &str, (what, pattern): Pattern, limits: Limits) -> Vec<String> {
    let frame = Frame { initial: true, ..dense(1, TOKENS, 2) };
    let mut inputs = case.inputs(&frame, 5);
    inputs.insert(name, by_token(&inputs[name], pattern));
    judged(case, &inputs, limits).into_iter().map(|c| format!("`{name}`, {what}: {c}")).collect()
}

/// Every number of a token by a pattern.
fn by_token(tensor: &Tensor, pattern: fn(usize) -> f64) -> Tensor {
    let row: usize = tensor.shape()[2..].iter().product();
    changed(tensor, |numbers| numbers.iter_mut().enumerate().for_each(|(i, x)| *x = pattern(i / row)))
}

fn patterns(text: &str, name: &str, patterns: &[Pattern]) {
    let case = case(text).unwrap_or_else(|| panic!("no kernel: {text}"));
    all(vec![case], |case| patterns.iter().flat_map(|p| with_pattern(case, name, *p, any(case))).collect());
}

#[test]
fn log_decays_down_to_nothing() {
    patterns(own::DELTA, "g", &LOGS);
    patterns(
        "fn log(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar) -> Vector<V> {
        s *= exp(g); s += outer(k, v); s.read(q) }",
        "g",
        &LOGS,
    );
}

#[test]
fn log_decays_of_keys_down_to_nothing() {
    patterns(
        "fn keys(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Vector<K>) -> Vector<V> {
        s *= exp(g); s += outer(k, v); s.read(q) }",
        "g",
        &LOGS,
    );
}

#[test]
fn log_decays_of_values_down_to_nothing() {
    for feedback in ["", " - s.read(k)"] {
        let text = format!(
            "fn values(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Vector<V>) -> Vector<V> {{
            s *= exp(g); s += outer(0.5 * k, v{feedback}); s.read(q) }}"
        );
        patterns(&text, "g", &LOGS);
    }
}

#[test]
fn raw_decays_down_to_nothing() {
    patterns(own::RAW_VALUES, "d", &RAW);
    patterns(own::RAW_MIX, "d", &RAW);
    patterns(own::RAW_VALUES_DELTA, "d", &RAW);
    patterns(own::RAW, "d", &RAW);
    patterns(own::RAW_DELTA, "d", &RAW);
    patterns(own::RAW_KEYS, "d", &RAW);
}

#[test]
fn raw_decays_of_either_sign() {
    patterns(own::RAW_VALUES, "d", &NEGATIVE);
    patterns(own::RAW_MIX, "d", &NEGATIVE);
    patterns(own::RAW_VALUES_DELTA, "d", &NEGATIVE);
    patterns(own::RAW, "d", &NEGATIVE);
    patterns(own::RAW_DELTA, "d", &NEGATIVE);
    patterns(own::RAW_KEYS, "d", &NEGATIVE);
}

/// Queries and keys that the rule brings to length 1, some of them small: products of two such are smaller than what f16 can tell
/// apart, and a number of each token makes them large again.
#[test]
fn small_queries_and_keys() {
    let rule = |decay, feedback| {
        format!(
            "fn small(
                mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: {decay}, beta: Scalar,
            ) -> Vector<V> {{
                let k = l2norm(k);
                s *= exp(g);
                s += outer(beta * k, v{feedback});
                s.read(l2norm(q))
            }}"
        )
    };
    let texts = [
        rule("Scalar", ""),
        rule("Scalar", " - s.read(k)"),
        rule("Vector<K>", " - s.read(k)"),
        rule("Vector<V>", ""),
        rule("Scalar", " - tanh(s.read(k))"),
    ];
    // All in two parts of f16, of which small numbers have but one; the other types in turn.
    let parts = texts.iter().map(|text| ((DType::F16, Precision::High), text));
    let kinds = parts.chain(KINDS.into_iter().zip(&texts));
    let cases = kinds.map(|((dtype, precision), text)| {
        let case = case(text).expect("the rule has a kernel");
        Case { dtype, precision, arch: Arch::Sm90, ..case }
    });
    all(cases.collect(), |case| {
        let mut inputs = case.inputs(&Frame { initial: true, ..dense(1, TOKENS, 1) }, 5);
        for name in ["q", "k"] {
            let row = case.sizes[0];
            let smaller = |(i, x): (usize, &mut f64)| *x *= [1.0, 0.03, 0.004, 0.002][i / row % 4];
            let small = changed(&inputs[name], |x| x.iter_mut().enumerate().for_each(smaller));
            inputs.insert(name, small);
        }
        judged(case, &inputs, any(case))
    });
}

/// The plans and blocks that the patterns above leave out, each of another type: three kernels, a token loop, and two crews of
/// warps in narrow blocks.
#[test]
fn log_decays_by_other_plans() {
    let keys =
        "fn keys(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Vector<K>) -> Vector<V> {
        s *= exp(g); s += outer(k, v); s.read(q) }";
    let of = |text, dtype, plan| Case { dtype, plan, ..case(text).expect("the rule has a kernel") };
    let crews = Case { columns: 16, arch: Arch::Sm90, ..of(own::DELTA, DType::F16, Plan::Fused) };
    let cases = vec![
        of(own::DELTA, DType::BF16, Plan::Split),
        of(keys, DType::F32, Plan::Split),
        of(own::DELTA, DType::F32, Plan::Recurrent),
        of(keys, DType::BF16, Plan::Recurrent),
        crews,
    ];
    all(cases, |case| LOGS.iter().flat_map(|p| with_pattern(case, "g", *p, any(case))).collect());
}

/// Feedback strengths.
const STRENGTHS: [Pattern; 5] = [
    ("0", |_| 0.0),
    ("1", |_| 1.0),
    ("2", |_| 2.0),
    ("0 and 2 in turns", |t| [0.0, 2.0][t % 2]),
    ("0 to 2", |t| (t * 37 % 64) as f64 / 32.0),
];

/// How many different keys there are, in turns.
const KEYS: [usize; 3] = [1, 2, 5];

#[test]
fn strong_feedback_on_repeated_keys() {
    let mut cases: Vec<Case> = [own::UNDECAYED, own::DELTA].into_iter().filter_map(case).collect();
    assert_eq!(cases.len(), 2, "the delta rule has a kernel");
    let f16 = cases.last().map(|case| Case { dtype: DType::F16, ..case.clone() });
    cases.extend(f16);
    all(cases, |case| strong_feedback(case, hard(case)));
}

/// Keys and values that decay by channel beside the feedback, and two steps a token, on keys of their own.
const OTHER_FEEDBACK: [&str; 3] = [
    "fn keyed(
        mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Vector<K>, beta: Scalar,
    ) -> Vector<V> {
        s *= exp(0.02 * g);
        s += outer(beta * k, v - s.read(k));
        s.read(q)
    }",
    "fn valued(
        mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, h: Vector<V>, beta: Scalar,
    ) -> Vector<V> {
        s *= exp(0.02 * h);
        s += outer(beta * k, v - s.read(k));
        s.read(q)
    }",
    "fn steps(
        mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 2], v: [Vector<V>; 2], beta: [Scalar; 2],
    ) -> Vector<V> {
        for j in 0..2 {
            s += outer(beta[j] * k[j], v[j] - s.read(k[j]));
        }
        s.read(q)
    }",
];

#[test]
fn strong_feedback_of_other_forms() {
    let kinds = [KINDS[0], KINDS[2], KINDS[3]];
    let cases = OTHER_FEEDBACK.into_iter().flat_map(|text| {
        let case = case(text).expect("the rule has a kernel");
        kinds.map(|(dtype, precision)| Case { dtype, precision, ..case.clone() })
    });
    all(cases.collect(), |case| strong_feedback(case, hard_apart(case)));
}

/// What is split in two parts is hardly rounded, and feedback at its worst makes little of it; f32 inputs have all bits where it is
/// solved.
#[test]
fn strong_feedback_in_high_precision() {
    let high = |case: Case| Case { precision: Precision::High, ..case };
    let full = |case: Case| Case { dtype: DType::F32, ..case };
    let cases: Vec<Case> = [own::UNDECAYED, own::DELTA].into_iter().filter_map(case).collect();
    assert_eq!(cases.len(), 2, "the delta rule has a kernel");
    let both = cases.into_iter().flat_map(|case| [high(case.clone()), full(case)]);
    all(both.collect(), |case| strong_feedback(case, hard(case)));
}

/// In f32 a reflection stays one, however the keys come: as they are, computed, decayed by channel of either side (by nothing here);
/// and in pieces.
#[test]
fn reflections_in_f32() {
    let cases = vec![
        reflecting("", &format!("let k = l2norm(silu(k)); {REFLECT}"), 64),
        reflecting(", g: Vector<K>", &format!("s *= exp(g); {REFLECT}"), 64),
        reflecting(BY_VALUE.0, BY_VALUE.1, 64),
        Case { plan: Plan::Segmented, piece: Some(64), ..reflecting("", REFLECT, 64) },
    ];
    all(cases, |case| reflections(case, (TOKENS, 10), |keys| repeated(keys, 1)));
}

/// Nor do many of them add up: what each token leaves of its error stays, where nothing decays. Keys that are almost the same find
/// what is left beside them.
#[test]
fn many_reflections_in_f32() {
    let cases = vec![
        reflecting("", REFLECT, 64),
        reflecting("", REFLECT, 32),
        reflecting(BY_VALUE.0, BY_VALUE.1, 64),
    ];
    let keys: [(usize, Keys); 5] = [
        (MANY, |k| repeated(k, 1)),
        (4 * MANY, |k| repeated(k, 2)),
        (MANY, |k| near(k, 0.1)),
        (MANY, |k| near(k, 0.03)),
        (MANY, |k| near(k, 0.01)),
    ];
    all(cases, |case| {
        keys.iter().flat_map(|(tokens, keys)| reflections(case, (*tokens, 12), keys)).collect()
    });
}

/// What becomes of the keys that were drawn.
type Keys = fn(&Tensor) -> Tensor;

/// Tokens of many chunks.
const MANY: usize = 512;

/// A token that reflects.
const REFLECT: &str = "s += outer(beta * k, v - s.read(k));";

/// The same where value channels decay.
const BY_VALUE: (&str, &str) = (", g: Vector<V>", "s *= exp(g); s += outer(beta * k, v - s.read(k));");

/// A rule of reflections in f32.
fn reflecting(more: &str, body: &str, keys: usize) -> Case {
    let head = "mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, beta: Scalar";
    let text = format!("fn reflects({head}{more}) -> Vector<V> {{ {body} s.read(q) }}");
    Case { dtype: DType::F32, sizes: vec![keys, 16], ..case(&text).expect("the rule has a kernel") }
}

/// Runs a case with a beta of 2, no decay, and such keys, on so many tokens and with a seed.
fn reflections(case: &Case, (tokens, seed): (usize, u64), keys: impl Fn(&Tensor) -> Tensor) -> Vec<String> {
    let mut inputs = case.inputs(&Frame { initial: true, ..dense(1, tokens, 1) }, seed);
    let numbers: [Pattern; 2] = [("beta", |_| 2.0), ("g", |_| 0.0)];
    for (name, pattern) in numbers {
        if let Some(changed) = inputs.get(name).map(|tensor| by_token(tensor, pattern)) {
            inputs.insert(name, changed);
        }
    }
    inputs.insert("k", keys(&inputs["k"]));
    let found = judged(case, &inputs, hard(case));
    found.into_iter().map(|c| format!("{tokens} tokens, seed {seed}: {c}")).collect()
}

/// Runs a case with `beta` and `k` on every combination of strengths and repeated keys.
pub(crate) fn strong_feedback(case: &Case, limits: Limits) -> Vec<String> {
    let mut wrong = Vec::new();
    for different in KEYS {
        for (what, pattern) in STRENGTHS {
            let frame = Frame { initial: true, ..dense(1, TOKENS, 1) };
            let mut inputs = case.inputs(&frame, 9);
            inputs.insert("beta", by_token(&inputs["beta"], pattern));
            inputs.insert("k", repeated(&inputs["k"], different));
            let found = judged(case, &inputs, limits);
            wrong.extend(found.into_iter().map(|c| format!("{different} keys, beta {what}: {c}")));
        }
    }
    wrong
}

/// The first keys again and again.
fn repeated(keys: &Tensor, different: usize) -> Tensor {
    let row: usize = keys.shape()[2..].iter().product();
    changed(keys, |numbers| {
        for i in different * row..numbers.len() {
            numbers[i] = numbers[i - different * row];
        }
    })
}

/// The first key again and again, and a part of each key beside it; of length 1.
fn near(keys: &Tensor, part: f64) -> Tensor {
    let row = keys.shape()[3];
    changed(keys, |numbers| {
        let first = numbers[..row].to_vec();
        for key in numbers.chunks_mut(row) {
            key.iter_mut().zip(&first).for_each(|(x, first)| *x = first + part * *x);
            let length = key.iter().map(|x| x * x).sum::<f64>().sqrt();
            key.iter_mut().for_each(|x| *x /= length);
        }
    })
}
