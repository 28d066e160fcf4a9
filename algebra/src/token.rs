//! The token loop on a rule's body: the definition of every rule, and of its gradients.
//!
//! ```text
//! for each token:  evaluate the body's graph; the states after the last updates are the next token's states
//! ```
//!
//! It knows nothing of timelines, so it runs recurrent-only rules too, and it is what every other path is compared with.
//! The backward pass differentiates the body symbolically (`vjp`) and walks the tokens in reverse; states are saved
//! once every 32 tokens and recomputed in between.

use crate::data::{Cotangents, Gradients, Inputs, Outputs, Real};
use crate::eval::{Workspace, evaluate, len};
use crate::vjp;
use chunkwise_dsl::graph::{Expr, Graph, ParamId, Value};
use chunkwise_dsl::rule::{Body, Rule};

/// Tokens between two saved states.
const SEGMENT: usize = 32;

/// A rule prepared for the token loop, forward and backward.
#[derive(Clone, Debug)]
pub struct TokenLoop {
    body: Body,
    /// By state: its value after the token, if any update changes it.
    last: Vec<Option<Value>>,
    forward: Pass,
    /// The forward pass with its vector-Jacobian product; givens are the states' cotangents, then the outputs'.
    backward: Pass,
    /// Gradient of each parameter leaf.
    params: Vec<(ParamId, usize, Value)>,
    /// Cotangent of each state before the token, from that after it.
    states: Vec<Option<Value>>,
    counts: Vec<usize>,
    per_head: Vec<bool>,
}

/// A graph and the values of it that one token computes, operands first.
#[derive(Clone, Debug)]
struct Pass {
    graph: Graph,
    values: Vec<Value>,
}

/// What the leaves of a pass stand for.
struct Token<'a, R> {
    inputs: &'a Inputs<'a, R>,
    t: usize,
    states: &'a [Vec<R>],
    givens: &'a [&'a [R]],
}

impl Pass {
    fn new(body: &Body, graph: Graph, roots: impl IntoIterator<Item = Value>) -> Self {
        let live = graph.reachable_through(roots, |g, v| match g.expr(v) {
            Expr::Updated(n) => vec![body.updates[n as usize].value],
            e => e.operands().collect(),
        });
        let values = graph.values().filter(|v| live[v.index()]).collect();
        Pass { graph, values }
    }

    fn workspace<R: Real>(&self, inputs: &Inputs<R>) -> Workspace<R> {
        Workspace::new(&self.graph, inputs.sizes, 1, self.values.iter().copied())
    }

    fn run<R: Real>(&self, body: &Body, ws: &mut Workspace<R>, token: Token<'_, R>) {
        let Token { inputs, t, states, givens } = token;
        evaluate(&self.graph, inputs.sizes, ws, &self.values, 0..1, |done, e, _, out| match e {
            Expr::Param(p, j) => {
                out.copy_from_slice(inputs.params[p.index()].row(t, j.unwrap_or(0) as usize))
            }
            Expr::State(s) => out.copy_from_slice(&states[s.index()]),
            Expr::Updated(n) => out.copy_from_slice(&done[body.updates[n as usize].value.index()]),
            Expr::Given(n) => out.copy_from_slice(givens[n as usize]),
            _ => {}
        });
    }
}

impl TokenLoop {
    /// Prepares a rule.
    pub fn new(rule: &Rule) -> Self {
        let body = rule.body.clone();
        let mut last = vec![None; rule.signature.states.len()];
        for u in &body.updates {
            last[u.state.index()] = Some(u.value);
        }
        let mut dual = body.graph.clone();
        let seeds = seeds(rule, &last, &mut dual);
        let updates = body.updates.clone();
        let cotangents = vjp::pull(&mut dual, seeds, |e| match e {
            Expr::Updated(m) => Some(updates[m as usize].value),
            _ => None,
        });
        let (mut params, mut states) = (Vec::new(), vec![None; last.len()]);
        for v in body.graph.values() {
            match (dual.expr(v), cotangents.get(v)) {
                (Expr::Param(p, j), Some(dv)) => params.push((p, j.unwrap_or(0) as usize, dv)),
                (Expr::State(s), Some(dv)) => states[s.index()] = Some(dv),
                _ => {}
            }
        }
        let ends: Vec<Value> = last.iter().flatten().chain(&body.outputs).copied().collect();
        let pulled: Vec<Value> = params.iter().map(|p| p.2).chain(states.iter().flatten().copied()).collect();
        TokenLoop {
            forward: Pass::new(&body, body.graph.clone(), ends),
            backward: Pass::new(&body, dual, pulled),
            counts: rule.signature.params.iter().map(|p| p.count.unwrap_or(1) as usize).collect(),
            per_head: rule.signature.params.iter().map(|p| p.per_head).collect(),
            body,
            last,
            params,
            states,
        }
    }

    /// Runs one sequence.
    pub fn forward<R: Real>(&self, inputs: &Inputs<R>) -> Outputs<R> {
        self.walk(inputs, |_, _| {})
    }

    /// Runs one sequence, showing each token's states before it.
    fn walk<R: Real>(&self, inputs: &Inputs<R>, mut before: impl FnMut(usize, &[Vec<R>])) -> Outputs<R> {
        let mut ws = self.forward.workspace(inputs);
        let mut states = inputs.states.clone();
        let mut outputs: Vec<Vec<R>> = vec![Vec::new(); self.body.outputs.len()];
        for t in 0..inputs.tokens {
            before(t, &states);
            self.step(inputs, &mut ws, t, &mut states);
            for (out, &v) in outputs.iter_mut().zip(&self.body.outputs) {
                out.extend_from_slice(ws.row(v, 0));
            }
        }
        Outputs { outputs, states }
    }

    fn step<R: Real>(&self, inputs: &Inputs<R>, ws: &mut Workspace<R>, t: usize, states: &mut [Vec<R>]) {
        self.forward.run(&self.body, ws, Token { inputs, t, states, givens: &[] });
        for (state, value) in states.iter_mut().zip(&self.last) {
            if let Some(v) = value {
                state.copy_from_slice(ws.row(*v, 0));
            }
        }
    }

    /// Runs one sequence forward, then backward from the cotangents of its outputs and final states.
    pub fn backward<R: Real>(&self, inputs: &Inputs<R>, d: &Cotangents<R>) -> (Outputs<R>, Gradients<R>) {
        let mut saved: Vec<Vec<Vec<R>>> = Vec::new();
        let outputs = self.walk(inputs, |t, states| {
            if t.is_multiple_of(SEGMENT) {
                saved.push(states.to_vec());
            }
        });
        let (mut ws, mut replayed) = (self.backward.workspace(inputs), self.forward.workspace(inputs));
        let mut d_states = d.states.clone();
        let mut params = self.zeros(inputs);
        let lens: Vec<usize> =
            self.body.outputs.iter().map(|&o| len(self.body.graph.shape(o), inputs.sizes)).collect();
        for (segment, start) in saved.iter().enumerate().rev() {
            let first = segment * SEGMENT;
            let before = self.replay(inputs, &mut replayed, first, start);
            for t in (first..(first + SEGMENT).min(inputs.tokens)).rev() {
                let d_out = d.outputs.iter().zip(&lens).map(|(o, &n)| &o[t * n..(t + 1) * n]);
                let givens: Vec<&[R]> = d_states.iter().map(|s| s.as_slice()).chain(d_out).collect();
                let token = Token { inputs, t, states: &before[t - first], givens: &givens };
                self.backward.run(&self.body, &mut ws, token);
                self.add_params(&ws, t, inputs, &mut params);
                self.pull_states(&ws, &mut d_states);
            }
        }
        (outputs, Gradients { params, states: d_states })
    }

    /// The states before each token of a segment.
    fn replay<R: Real>(
        &self,
        inputs: &Inputs<R>,
        ws: &mut Workspace<R>,
        first: usize,
        start: &[Vec<R>],
    ) -> Vec<Vec<Vec<R>>> {
        let mut states = start.to_vec();
        let mut before = Vec::new();
        for t in first..(first + SEGMENT).min(inputs.tokens) {
            before.push(states.clone());
            self.step(inputs, ws, t, &mut states);
        }
        before
    }

    fn zeros<R: Real>(&self, inputs: &Inputs<R>) -> Vec<Vec<R>> {
        let rows = |p: usize| if self.per_head[p] { 1 } else { inputs.tokens };
        (0..self.counts.len())
            .map(|p| vec![R::zero(); rows(p) * self.counts[p] * inputs.params[p].len])
            .collect()
    }

    fn add_params<R: Real>(&self, ws: &Workspace<R>, t: usize, inputs: &Inputs<R>, params: &mut [Vec<R>]) {
        for &(p, j, v) in &self.params {
            let p = p.index();
            let n = inputs.params[p].len;
            let row = if self.per_head[p] { 0 } else { t };
            let at = (row * self.counts[p] + j) * n;
            params[p][at..at + n].iter_mut().zip(ws.row(v, 0)).for_each(|(d, &x)| *d += x);
        }
    }

    /// A state that the token neither changes nor reads keeps its cotangent; one that is reset has none.
    fn pull_states<R: Real>(&self, ws: &Workspace<R>, d_states: &mut [Vec<R>]) {
        for (s, d) in d_states.iter_mut().enumerate() {
            match (self.states[s], self.last[s]) {
                (Some(v), Some(_)) => d.copy_from_slice(ws.row(v, 0)),
                (Some(v), None) => d.iter_mut().zip(ws.row(v, 0)).for_each(|(d, &x)| *d += x),
                (None, Some(_)) => d.fill(R::zero()),
                (None, None) => {}
            }
        }
    }
}

/// Where cotangents enter: each state's last value (given by state), then the outputs.
fn seeds(rule: &Rule, last: &[Option<Value>], dual: &mut Graph) -> Vec<(Value, Value)> {
    let mut seeds = Vec::new();
    for (s, value) in last.iter().enumerate() {
        if let Some(value) = *value {
            let shape = rule.signature.states[s].shape;
            seeds.push((value, dual.push(Expr::Given(s as u32), shape)));
        }
    }
    for (i, &o) in rule.body.outputs.iter().enumerate() {
        let shape = dual.shape(o);
        seeds.push((o, dual.push(Expr::Given((last.len() + i) as u32), shape)));
    }
    seeds
}
