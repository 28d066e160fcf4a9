//! Random inputs for one head, and a rule run on them: by our evaluators, and by a token loop written from the paper.

use crate::dense::Matrix;
use chunkwise::Rule;
use chunkwise_algebra::{Evaluator, Gradients, Inputs, Outputs, Plan, Rows};
use chunkwise_dsl::graph::Shape;
use std::collections::BTreeMap;

/// Numbers in (0, 1) and normal ones, from a seed: xorshift and the sum of uniforms.
pub(crate) struct Random(u64);

impl Random {
    /// A generator.
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Uniform in (0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Mean 0, variance 1.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// How an input is drawn where neither a range nor the normal distribution will do.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Draw {
    /// A log decay: at most 0, mostly close to it.
    LogDecay,
    /// Normal with variance `1 / K`, so that products of two of them stay below one.
    Small,
}

/// Everything one head sees.
pub(crate) struct Data {
    /// Sizes of K and V.
    pub(crate) k: usize,
    /// Sizes of K and V.
    pub(crate) v: usize,
    /// Tokens.
    pub(crate) tokens: usize,
    values: BTreeMap<String, (Vec<f64>, usize, usize, bool)>,
    states: BTreeMap<String, Vec<f64>>,
}

impl Data {
    /// Random inputs and initial states for a rule.
    pub(crate) fn random(rule: &Rule, draws: &[(&str, Draw)], tokens: usize, seed: u64) -> Data {
        let (k, v) = (5, 7);
        let s = &rule.signature;
        let size =
            |shape: Shape| -> usize { shape.dims().map(|d| if s.dim(d) == "V" { v } else { k }).product() };
        let mut random = Random::new(seed);
        let mut values = BTreeMap::new();
        for p in &s.params {
            let (len, count) = (size(p.shape), p.count.unwrap_or(1) as usize);
            let rows = if p.per_head { 1 } else { tokens };
            let draw = draws.iter().find(|(name, _)| *name == p.name).map(|(_, d)| *d);
            let numbers = (0..rows * count * len)
                .map(|_| match (draw, &p.range) {
                    (Some(Draw::LogDecay), _) => -crate::dense::softplus(-(random.normal() + 3.0)),
                    (Some(Draw::Small), _) => random.normal() / (k as f64).sqrt(),
                    (None, Some(range)) => range.start() + (range.end() - range.start()) * random.uniform(),
                    (None, None) => random.normal(),
                })
                .collect();
            values.insert(p.name.clone(), (numbers, count, len, p.per_head));
        }
        let states = s
            .states
            .iter()
            .map(|state| {
                let numbers = (0..size(state.shape)).map(|_| random.normal().abs() + 0.5).collect();
                (state.name.clone(), numbers)
            })
            .collect();
        Data { k, v, tokens, values, states }
    }

    /// Row of array entry `j` of an input at a token.
    pub(crate) fn entry(&self, name: &str, t: usize, j: usize) -> &[f64] {
        let (numbers, count, len, per_head) = &self.values[name];
        let row = if *per_head { 0 } else { t };
        let at = (row * count + j) * len;
        &numbers[at..at + len]
    }

    /// A vector input at a token.
    pub(crate) fn vector(&self, name: &str, t: usize) -> &[f64] {
        self.entry(name, t, 0)
    }

    /// A scalar input at a token.
    pub(crate) fn number(&self, name: &str, t: usize) -> f64 {
        self.entry(name, t, 0)[0]
    }

    /// The initial matrix of a state, `K x V`.
    pub(crate) fn matrix(&self, state: &str) -> Matrix {
        self.states[state].chunks(self.v).map(<[f64]>::to_vec).collect()
    }

    /// The initial vector of a state.
    pub(crate) fn state(&self, state: &str) -> Vec<f64> {
        self.states[state].clone()
    }

    /// What the evaluators take.
    pub(crate) fn inputs<'a>(&'a self, rule: &Rule, sizes: &'a [usize]) -> Inputs<'a, f64> {
        let s = &rule.signature;
        let params = s.params.iter().map(|p| {
            let (data, count, len, per_head) = &self.values[&p.name];
            let token = if *per_head { 0 } else { count * len };
            Rows { data, start: 0, token, index: *len, len: *len }
        });
        Inputs {
            sizes,
            tokens: self.tokens,
            params: params.collect(),
            states: s.states.iter().map(|x| self.states[&x.name].clone()).collect(),
        }
    }

    /// Sizes by dim.
    pub(crate) fn sizes(&self, rule: &Rule) -> Vec<usize> {
        rule.signature.dims.iter().map(|d| if d == "V" { self.v } else { self.k }).collect()
    }
}

/// Outputs and final states of a token loop, flat: outputs by token, states by rows.
pub(crate) struct Expected {
    /// The one output.
    pub(crate) output: Vec<f64>,
    /// States in the rule's order.
    pub(crate) states: Vec<Vec<f64>>,
}

/// One rule of the catalogue against its paper.
pub(crate) struct Case {
    /// The rule.
    pub(crate) name: &'static str,
    /// Inputs that are drawn in a special way.
    pub(crate) draws: &'static [(&'static str, Draw)],
    /// The paper's equation, token by token.
    pub(crate) paper: fn(&Data) -> Expected,
}

/// The largest difference relative to the largest expected number.
pub(crate) fn error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len(), "lengths differ");
    let largest = expected.iter().fold(1e-30f64, |m, x| m.max(x.abs()));
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let worst = differences.fold(0.0f64, |m, d| if d.is_nan() { f64::INFINITY } else { m.max(d) });
    worst / largest
}

/// Runs a rule forward.
pub(crate) fn forward(rule: &Rule, data: &Data, plan: Plan) -> Outputs<f64> {
    let sizes = data.sizes(rule);
    let inputs = data.inputs(rule, &sizes);
    Evaluator::new(rule).forward(plan, &inputs).expect("the plan exists")
}

/// Runs a rule backward from cotangents that are 1, 2, 3 .. times a small number.
pub(crate) fn backward(rule: &Rule, data: &Data, plan: Plan) -> Gradients<f64> {
    let sizes = data.sizes(rule);
    let inputs = data.inputs(rule, &sizes);
    let evaluator = Evaluator::new(rule);
    let mut d = evaluator.forward(Plan::Recurrent, &inputs).expect("the plan exists");
    for numbers in d.outputs.iter_mut().chain(&mut d.states) {
        numbers.iter_mut().enumerate().for_each(|(i, x)| *x = ((i * 7 + 3) % 11) as f64 / 11.0 - 0.4);
    }
    evaluator.backward(plan, &inputs, &d).expect("the plan exists").1
}
