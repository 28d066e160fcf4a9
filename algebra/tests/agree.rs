//! The token loop and the chunkwise evaluation agree on rules of every class, forward and backward, and gradients agree
//! with finite differences of the token loop.

use chunkwise_algebra::{Cotangents, Evaluator, Gradients, Inputs, Outputs, Plan, Real, Rows};
use chunkwise_algebra::{adjoint, events};
use chunkwise_dsl::rule::Rule;
use chunkwise_dsl::{parse_file, print, verify};

const RULES: &str = include_str!("rules/all.rs");

/// A small generator (SplitMix64): tests need no more.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn vector(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.next() * 2.0 - 1.0).collect()
    }
}

struct Case {
    sizes: Vec<usize>,
    tokens: usize,
    params: Vec<Vec<f64>>,
    states: Vec<Vec<f64>>,
    d: Cotangents<f64>,
}

fn len(shape: chunkwise_dsl::graph::Shape, sizes: &[usize]) -> usize {
    shape.dims().map(|d| sizes[d.index()]).product()
}

impl Case {
    fn new(rule: &Rule, tokens: usize, seed: u64) -> Self {
        let mut r = Random(seed);
        let sizes: Vec<usize> = (0..rule.signature.dims.len()).map(|d| 3 + 2 * d).collect();
        let params = rule.signature.params.iter().map(|p| {
            let rows = if p.per_head { 1 } else { tokens } * p.count.unwrap_or(1) as usize;
            r.vector(rows * len(p.shape, &sizes))
        });
        let params = params.collect();
        let states: Vec<Vec<f64>> =
            rule.signature.states.iter().map(|s| r.vector(len(s.shape, &sizes))).collect();
        let outputs =
            rule.signature.outputs.iter().map(|o| r.vector(tokens * len(o.shape, &sizes))).collect();
        let d_states = states.iter().map(|s| r.vector(s.len())).collect();
        Case { sizes, tokens, params, states, d: Cotangents { outputs, states: d_states } }
    }

    fn inputs<'a, R: Real>(&'a self, rule: &Rule, params: &'a [Vec<R>]) -> Inputs<'a, R> {
        let rows = rule.signature.params.iter().zip(params).map(|(p, data)| {
            let n = len(p.shape, &self.sizes);
            let count = p.count.unwrap_or(1) as usize;
            Rows { data, start: 0, token: if p.per_head { 0 } else { n * count }, index: n, len: n }
        });
        let states = self.states.iter().map(|s| s.iter().map(|&x| R::of(x)).collect()).collect();
        Inputs { sizes: &self.sizes, tokens: self.tokens, params: rows.collect(), states }
    }
}

fn error<R: Real>(a: &[Vec<R>], b: &[Vec<f64>]) -> f64 {
    let mut worst: f64 = 0.0;
    for (x, y) in a.iter().zip(b) {
        assert_eq!(x.len(), y.len());
        let norm = y.iter().map(|y| y * y).sum::<f64>().sqrt().max(1e-3);
        let diff = x.iter().zip(y).map(|(x, y)| (x.wide() - y).powi(2)).sum::<f64>().sqrt();
        assert!(!diff.is_nan(), "NaN");
        worst = worst.max(diff / norm);
    }
    worst
}

fn rules() -> Vec<Rule> {
    match parse_file(RULES) {
        Ok(rules) => rules,
        Err(report) => panic!("{report:?}"),
    }
}

fn loss(out: &Outputs<f64>, d: &Cotangents<f64>) -> f64 {
    let dot = |a: &[Vec<f64>], b: &[Vec<f64>]| -> f64 {
        a.iter().zip(b).flat_map(|(a, b)| a.iter().zip(b)).map(|(a, b)| a * b).sum()
    };
    dot(&out.outputs, &d.outputs) + dot(&out.states, &d.states)
}

#[test]
fn plans_agree() {
    for rule in rules() {
        let name = &rule.signature.name;
        verify::body(&rule).unwrap();
        let e = Evaluator::new(&rule);
        if let Ok(t) = &rule.timeline {
            verify::timeline(t).unwrap();
        }
        for tokens in [0, 1, 7, 37] {
            let case = Case::new(&rule, tokens, 7 + tokens as u64);
            let inputs = case.inputs(&rule, &case.params);
            let (out, grad) = e.backward(Plan::Recurrent, &inputs, &case.d).unwrap();
            for chunk in [1, 4, 16, 64] {
                let plan = Plan::Chunkwise { chunk };
                let shown = || format!("{name}, {tokens} tokens, chunk {chunk}\n{}", print::rule(&rule));
                let Ok((out2, grad2)) = e.backward(plan, &inputs, &case.d) else {
                    assert!(["two_passes", "squashed"].contains(&name.as_str()), "{:?}", e.chunkwise());
                    continue;
                };
                let forward = e.forward(plan, &inputs).unwrap();
                assert_eq!(forward, out2);
                for (what, err) in [
                    ("outputs", error(&out2.outputs, &out.outputs)),
                    ("states", error(&out2.states, &out.states)),
                    ("params", error(&grad2.params, &grad.params)),
                    ("initial states", error(&grad2.states, &grad.states)),
                ] {
                    assert!(err < 1e-10, "{what}: {err:.1e}, {}", shown());
                }
            }
        }
    }
}

/// The timeline means what the body means, and the dual timeline's final state is the gradient of the initial state.
#[test]
fn timelines_mean_their_rules() {
    for rule in rules() {
        let (Ok(t), e) = (&rule.timeline, Evaluator::new(&rule)) else { continue };
        let case = Case::new(&rule, 11, 5);
        let inputs = case.inputs(&rule, &case.params);
        let (out, grad) = e.backward(Plan::Recurrent, &inputs, &case.d).unwrap();
        let mut reads = vec![vec![Vec::new(); t.reads.len()]; case.tokens];
        let walked = events::run(
            t,
            &inputs,
            0..case.tokens,
            |_, _, _| {},
            |token, r, p| reads[token][r.index()] = p.to_vec(),
        );
        assert!(error(&walked.outputs, &out.outputs) < 1e-12, "{}", print::timeline(t));
        assert!(error(&walked.states, &out.states) < 1e-12, "{}", print::timeline(t));
        if e.chunkwise().is_err() {
            continue;
        }
        let adjoint = adjoint::adjoint(t);
        verify::timeline(&adjoint.dual).unwrap();
        let given = |n: u32, token: usize, out: &mut [f64]| match adjoint.givens[n as usize] {
            adjoint::Meaning::Read(r) => out.copy_from_slice(&reads[token][r.index()]),
            adjoint::Meaning::Output(i) => {
                let n = out.len();
                out.copy_from_slice(&case.d.outputs[i][token * n..(token + 1) * n]);
            }
            _ => {}
        };
        let start = Inputs { states: case.d.states.clone(), ..inputs.clone() };
        let back = events::run(&adjoint.dual, &start, (0..case.tokens).rev(), given, |_, _, _| {});
        assert!(error(&back.states, &grad.states) < 1e-12, "{}", print::timeline(&adjoint.dual));
    }
}

#[test]
fn gradients_are_finite_differences() {
    for rule in rules() {
        let e = Evaluator::new(&rule);
        let case = Case::new(&rule, 9, 3);
        let (_, grad) = e.backward(Plan::Recurrent, &case.inputs(&rule, &case.params), &case.d).unwrap();
        let Gradients { params, states } = grad;
        let mut r = Random(11);
        for (p, g) in params.iter().enumerate() {
            let direction = r.vector(g.len());
            let h = 1e-6;
            let at = |sign: f64| {
                let mut moved = case.params.clone();
                moved[p].iter_mut().zip(&direction).for_each(|(x, d)| *x += sign * h * d);
                loss(&e.forward(Plan::Recurrent, &case.inputs(&rule, &moved)).unwrap(), &case.d)
            };
            let difference = (at(1.0) - at(-1.0)) / (2.0 * h);
            let exact: f64 = g.iter().zip(&direction).map(|(a, b)| a * b).sum();
            let err = (difference - exact).abs() / (1.0 + exact.abs());
            assert!(
                err < 1e-6,
                "{} d{}: {exact} against {difference}",
                rule.signature.name,
                rule.signature.params[p].name
            );
        }
        for (s, g) in states.iter().enumerate() {
            let direction = r.vector(g.len());
            let at = |sign: f64| {
                let mut inputs = case.inputs(&rule, &case.params);
                inputs.states[s].iter_mut().zip(&direction).for_each(|(x, d)| *x += sign * 1e-6 * d);
                loss(&e.forward(Plan::Recurrent, &inputs).unwrap(), &case.d)
            };
            let difference = (at(1.0) - at(-1.0)) / 2e-6;
            let exact: f64 = g.iter().zip(&direction).map(|(a, b)| a * b).sum();
            assert!(
                (difference - exact).abs() / (1.0 + exact.abs()) < 1e-6,
                "{} dstate",
                rule.signature.name
            );
        }
    }
}
