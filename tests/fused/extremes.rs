//! Decays from 1 down to exactly 0, of either sign and as logarithms; feedback up to 2 on repeated keys: the inverse at its
//! worst. All finite, and right.

use crate::case::{Case, changed, dense, parse};
use crate::limits::{Limits, all, any, complaints, hard};
use crate::own;
use chunkwise::{Arch, Tensor, Tensors};
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

fn judged(case: &Case, inputs: &Tensors, limits: Limits) -> Vec<String> {
    let inputs = case.round(inputs);
    match case.simulator().forward(&inputs) {
        Ok(results) => complaints(case, limits, &results, &case.expected(&inputs)),
        Err(error) => vec![error.to_string()],
    }
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
    all(cases, strong_feedback);
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
    all(both.collect(), strong_feedback);
}

/// In f32 a reflection stays one, however the keys come: as they are, computed, decayed by channel of either side (by nothing here);
/// and in pieces.
#[test]
fn reflections_in_f32() {
    let head = "mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, beta: Scalar";
    let rule = |more: &str, body: &str| {
        let text = format!("fn reflects({head}{more}) -> Vector<V> {{ {body} s.read(q) }}");
        Case { dtype: DType::F32, sizes: vec![64, 16], ..case(&text).expect("the rule has a kernel") }
    };
    let write = "s += outer(beta * k, v - s.read(k));";
    let cases = vec![
        rule("", &format!("let k = l2norm(silu(k)); {write}")),
        rule(", g: Vector<K>", &format!("s *= exp(g); {write}")),
        rule(", g: Vector<V>", &format!("s *= exp(g); {write}")),
        Case { plan: Plan::Segmented, piece: Some(64), ..rule("", write) },
    ];
    all(cases, |case| {
        let mut inputs = case.inputs(&Frame { initial: true, ..dense(1, TOKENS, 1) }, 10);
        let numbers: [Pattern; 2] = [("beta", |_| 2.0), ("g", |_| 0.0)];
        for (name, pattern) in numbers {
            if let Some(changed) = inputs.get(name).map(|tensor| by_token(tensor, pattern)) {
                inputs.insert(name, changed);
            }
        }
        inputs.insert("k", repeated(&inputs["k"], 1));
        judged(case, &inputs, hard(case))
    });
}

/// Runs a case with `beta` and `k` on every combination of strengths and repeated keys.
pub(crate) fn strong_feedback(case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    for different in KEYS {
        for (what, pattern) in STRENGTHS {
            let frame = Frame { initial: true, ..dense(1, TOKENS, 1) };
            let mut inputs = case.inputs(&frame, 9);
            inputs.insert("beta", by_token(&inputs["beta"], pattern));
            inputs.insert("k", repeated(&inputs["k"], different));
            let found = judged(case, &inputs, hard(case));
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
