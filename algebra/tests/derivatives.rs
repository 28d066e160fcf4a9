//! Every function of the rule language: its value against a formula written here, its derivative against finite differences.

use chunkwise_algebra::{Cotangents, Evaluator, Inputs, Plan, Rows};
use chunkwise_dsl::parse_file;

/// Name in the language, values to try, the function.
type Row = (&'static str, &'static [f64], fn(f64) -> f64);

/// `Phi(x)` by the series of the error function, which is exact enough for |x| < 3.
fn normal(x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > 1e-18 {
        n += 1.0;
        term *= -x * x / (2.0 * n);
        sum += term / (2.0 * n + 1.0);
    }
    0.5 + sum / (2.0 * std::f64::consts::PI).sqrt()
}

const ANY: &[f64] = &[-2.3, -0.7, 0.2, 1.9];
const POSITIVE: &[f64] = &[0.1, 0.9, 2.5];

const FUNCTIONS: &[Row] = &[
    ("exp(x)", ANY, |x| x.exp()),
    ("log(x)", POSITIVE, |x| x.ln()),
    ("sigmoid(x)", ANY, |x| 1.0 / (1.0 + (-x).exp())),
    ("log_sigmoid(x)", ANY, |x| -(1.0 + (-x).exp()).ln()),
    ("softplus(x)", ANY, |x| (1.0 + x.exp()).ln()),
    ("silu(x)", ANY, |x| x / (1.0 + (-x).exp())),
    ("elu(x)", ANY, |x| if x > 0.0 { x } else { x.exp() - 1.0 }),
    ("gelu(x)", ANY, |x| x * normal(x)),
    ("relu(x)", ANY, |x| if x > 0.0 { x } else { 0.0 }),
    ("tanh(x)", ANY, |x| x.tanh()),
    ("sqrt(x)", POSITIVE, |x| x.sqrt()),
    ("rsqrt(x)", POSITIVE, |x| 1.0 / x.sqrt()),
    ("square(x)", ANY, |x| x * x),
    ("abs(x)", ANY, |x| x.abs()),
    ("max(x, 0.3)", ANY, |x| if x > 0.3 { x } else { 0.3 }),
    ("min(0.3 * x, x * x)", ANY, |x| if 0.3 * x < x * x { 0.3 * x } else { x * x }),
    ("-x / (2 + x * x)", ANY, |x| -x / (2.0 + x * x)),
    ("3 - x / 4 + 1 / (x - 5)", ANY, |x| 3.0 - x / 4.0 + 1.0 / (x - 5.0)),
];

/// Value and derivative at `x` of `f(x)`, through a rule that adds it to a state.
fn evaluate(f: &str, x: f64) -> (f64, f64) {
    let text = format!(
        "#[rule]\nfn f(mut z: State<D>, x: Scalar, k: Vector<D>) -> Scalar {{ z += k; {f} + 0 * sum(z) }}"
    );
    let rules = parse_file(&text).unwrap_or_else(|e| panic!("{text}: {e:?}"));
    let data = [vec![x], vec![0.0]];
    let rows = data.iter().map(|d| Rows { data: d, start: 0, token: 1, index: 0, len: 1 }).collect();
    let inputs = Inputs { sizes: &[1], tokens: 1, params: rows, states: vec![vec![0.0]] };
    let d = Cotangents { outputs: vec![vec![1.0]], states: vec![vec![0.0]] };
    let (out, grad) = Evaluator::new(&rules[0]).backward(Plan::Recurrent, &inputs, &d).unwrap();
    (out.outputs[0][0], grad.params[0][0])
}

#[test]
fn functions_and_derivatives() {
    for (name, points, f) in FUNCTIONS {
        for &x in *points {
            let (value, slope) = evaluate(name, x);
            let h = 1e-4;
            let difference = (8.0 * (f(x + h) - f(x - h)) - (f(x + 2.0 * h) - f(x - 2.0 * h))) / (12.0 * h);
            assert!((value - f(x)).abs() < 1e-12, "{name} at {x}: {value}, not {}", f(x));
            assert!((slope - difference).abs() < 1e-8, "d{name} at {x}: {slope}, not {difference}");
        }
    }
}

#[test]
fn limits_are_kept() {
    assert_eq!(evaluate("log_sigmoid(x)", -1e4).0, -1e4);
    assert_eq!(evaluate("softplus(x)", 1e4), (1e4, 1.0));
    assert_eq!(evaluate("sigmoid(x)", -1e4), (0.0, 0.0));
    assert_eq!(evaluate("silu(x)", -1e4).0, 0.0);
    assert!(evaluate("max(x, 1)", f64::NAN).0.is_nan());
    assert!(evaluate("relu(x)", f64::NAN).0.is_nan());
}
