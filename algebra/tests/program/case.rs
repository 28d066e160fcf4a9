//! Numbers for a rule, and the comparison of its chunk program with its token loop.

use crate::problem::{Fill, random_array};
use crate::random::Random;
use chunkwise_algebra::program::{Program, forward};
use chunkwise_algebra::{Evaluator, Inputs, Outputs, Plan, Rows};
use chunkwise_dsl::graph::Shape;
use chunkwise_dsl::rule::Rule;

/// Random tensors of one sequence and one head.
pub(crate) struct Case {
    pub(crate) sizes: Vec<usize>,
    pub(crate) tokens: usize,
    pub(crate) params: Vec<Vec<f64>>,
    pub(crate) states: Vec<Vec<f64>>,
}

fn len(shape: Shape, sizes: &[usize]) -> usize {
    shape.dims().map(|d| sizes[d.index()]).product()
}

impl Case {
    /// Tensors of a rule; `fill(n)` says what values parameter `n` takes.
    pub(crate) fn new(
        rule: &Rule,
        sizes: Vec<usize>,
        tokens: usize,
        seed: u64,
        fill: impl Fn(usize) -> Fill,
    ) -> Case {
        let mut random = Random::new(seed);
        let signature = &rule.signature;
        let params = signature.params.iter().enumerate().map(|(n, p)| {
            let rows = if p.per_head { 1 } else { tokens } * p.count.unwrap_or(1) as usize;
            random_array(&mut random, vec![rows, len(p.shape, &sizes)], fill(n)).data
        });
        let params = params.collect();
        let state = |s: &chunkwise_dsl::signature::State| {
            random_array(&mut random, vec![len(s.shape, &sizes)], Fill::Normal).data
        };
        let states = signature.states.iter().map(state).collect();
        Case { sizes, tokens, params, states }
    }

    pub(crate) fn inputs(&self, rule: &Rule) -> Inputs<'_, f64> {
        let rows = rule.signature.params.iter().zip(&self.params).map(|(p, data)| {
            let n = len(p.shape, &self.sizes);
            let count = p.count.unwrap_or(1) as usize;
            Rows { data, start: 0, token: if p.per_head { 0 } else { n * count }, index: n, len: n }
        });
        Inputs {
            sizes: &self.sizes,
            tokens: self.tokens,
            params: rows.collect(),
            states: self.states.clone(),
        }
    }

    /// What differs between the token loop and the program by more than rounding, if anything.
    pub(crate) fn difference(&self, rule: &Rule, program: &Program, chunk: usize) -> Option<String> {
        let inputs = self.inputs(rule);
        let expected = match Evaluator::new(rule).forward(Plan::Recurrent, &inputs) {
            Ok(outputs) => outputs,
            Err(why) => return Some(why.to_string()),
        };
        let found = difference(&forward(program, chunk, &inputs), &expected);
        found.map(|what| format!("{what}; {} tokens, chunk {chunk}, sizes {:?}", self.tokens, self.sizes))
    }
}

/// Names the first tensor that is off by more than rounding, relative to its largest number.
pub(crate) fn difference(found: &Outputs<f64>, expected: &Outputs<f64>) -> Option<String> {
    farther(1e-11, found, expected)
}

/// Names the first tensor that is farther off than a part of its largest number.
pub(crate) fn farther(part: f64, found: &Outputs<f64>, expected: &Outputs<f64>) -> Option<String> {
    let tensors =
        |o: &Outputs<f64>| -> Vec<Vec<f64>> { o.outputs.iter().chain(&o.states).cloned().collect() };
    let (found, expected) = (tensors(found), tensors(expected));
    if found.len() != expected.len() {
        return Some("the number of tensors differs".into());
    }
    for (n, (x, y)) in found.iter().zip(&expected).enumerate() {
        if x.len() != y.len() {
            return Some(format!("tensor {n} has {} numbers, not {}", x.len(), y.len()));
        }
        let size = y.iter().fold(1e-3f64, |m, y| m.max(y.abs()));
        let error =
            x.iter().zip(y).fold(0.0, |m: f64, (x, y)| if (x - y).abs() <= m { m } else { (x - y).abs() });
        if error.is_nan() || error > part * size {
            return Some(format!("tensor {n} (outputs, then states) is off by {:.1e}", error / size));
        }
    }
    None
}
