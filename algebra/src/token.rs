//! The token loop on a rule's body: the definition of every rule, and of its gradients.
//!
//! ```text
//! for each token:  evaluate the body's graph; the states after the last updates are the next token's states
//! ```
//!
//! It knows nothing of timelines, so it runs recurrent-only rules too, and it is what every other path is compared with.
//! The backward pass differentiates the body symbolically ([`crate::vjp`]) and walks the tokens in reverse; states are saved
//! once every [`SEGMENT`] tokens and recomputed in between.

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
    /// Values of the forward pass, operands first.
    forward: Vec<Value>,
    /// The body's graph with the backward pass added.
    dual: Graph,
    /// Values of the backward pass, the forward ones included.
    backward: Vec<Value>,
    /// Gradient of each parameter leaf.
    params: Vec<(ParamId, usize, Value)>,
    /// Cotangent of each state before the token, from that after it.
    states: Vec<Option<Value>>,
    counts: Vec<usize>,
    per_head: Vec<bool>,
}

impl TokenLoop {
    /// Prepares a rule.
    pub fn new(rule: &Rule) -> Self {
        let body = rule.body.clone();
        let n = rule.signature.states.len();
        let mut last = vec![None; n];
        for u in &body.updates {
            last[u.state.index()] = Some(u.value);
        }
        let mut dual = body.graph.clone();
        let mut seeds = Vec::new();
        for (s, value) in last.iter().enumerate() {
            let shape = rule.signature.states[s].shape;
            if let Some(value) = *value {
                seeds.push((value, dual.push(Expr::Given(s as u32), shape)));
            }
        }
        for (i, &o) in body.outputs.iter().enumerate() {
            let shape = dual.shape(o);
            seeds.push((o, dual.push(Expr::Given((n + i) as u32), shape)));
        }
        let updates = body.updates.clone();
        let cotangents = vjp::pull(&mut dual, seeds, |e| match e {
            Expr::Updated(m) => Some(updates[m as usize].value),
            _ => None,
        });
        let (mut params, mut states) = (Vec::new(), vec![None; n]);
        for v in body.graph.values() {
            match (dual.expr(v), cotangents.get(v)) {
                (Expr::Param(p, j), Some(dv)) => params.push((p, j.unwrap_or(0) as usize, dv)),
                (Expr::State(s), Some(dv)) => states[s.index()] = Some(dv),
                _ => {}
            }
        }
        let roots = |v: &[Option<Value>]| v.iter().flatten().copied().collect::<Vec<_>>();
        let forward = order(&body, &body.graph, roots(&last).into_iter().chain(body.outputs.iter().copied()));
        let ends = params.iter().map(|p| p.2).chain(roots(&states));
        let backward = order(&body, &dual, ends.chain(roots(&last)));
        let counts = rule.signature.params.iter().map(|p| p.count.unwrap_or(1) as usize).collect();
        let per_head = rule.signature.params.iter().map(|p| p.per_head).collect();
        TokenLoop { body, last, forward, dual, backward, params, states, counts, per_head }
    }

    /// Runs one sequence.
    pub fn forward<R: Real>(&self, inputs: &Inputs<R>) -> Outputs<R> {
        let mut ws = Workspace::new(&self.body.graph, inputs.sizes, 1, self.forward.iter().copied());
        let mut states = inputs.states.clone();
        let mut outputs: Vec<Vec<R>> = self.body.outputs.iter().map(|_| Vec::new()).collect();
        for t in 0..inputs.tokens {
            self.step(inputs, &mut ws, t, &mut states);
            for (out, &v) in outputs.iter_mut().zip(&self.body.outputs) {
                out.extend_from_slice(ws.row(v, 0));
            }
        }
        Outputs { outputs, states }
    }

    fn step<R: Real>(&self, inputs: &Inputs<R>, ws: &mut Workspace<R>, t: usize, states: &mut [Vec<R>]) {
        let none: &[&[R]] = &[];
        self.run(&self.body.graph, &self.forward, inputs, ws, t, states, none);
        for (state, value) in states.iter_mut().zip(&self.last) {
            if let Some(v) = value {
                state.copy_from_slice(ws.row(*v, 0));
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn run<R: Real>(
        &self,
        graph: &Graph,
        values: &[Value],
        inputs: &Inputs<R>,
        ws: &mut Workspace<R>,
        t: usize,
        states: &[Vec<R>],
        givens: &[&[R]],
    ) {
        evaluate(graph, inputs.sizes, ws, values, 0..1, |done, e, _, out| match e {
            Expr::Param(p, j) => {
                out.copy_from_slice(inputs.params[p.index()].row(t, j.unwrap_or(0) as usize))
            }
            Expr::State(s) => out.copy_from_slice(&states[s.index()]),
            Expr::Updated(n) => out.copy_from_slice(&done[self.body.updates[n as usize].value.index()]),
            Expr::Given(n) => out.copy_from_slice(givens[n as usize]),
            _ => {}
        });
    }

    /// Runs one sequence forward, then backward from the cotangents of its outputs and final states.
    pub fn backward<R: Real>(&self, inputs: &Inputs<R>, d: &Cotangents<R>) -> (Outputs<R>, Gradients<R>) {
        let mut saved = Vec::new();
        let outputs = self.forward_saving(inputs, &mut saved);
        let mut ws = Workspace::new(&self.dual, inputs.sizes, 1, self.backward.iter().copied());
        let mut step = Workspace::new(&self.body.graph, inputs.sizes, 1, self.forward.iter().copied());
        let mut d_states = d.states.clone();
        let mut params = self.zeros(inputs);
        let out_lens: Vec<usize> =
            self.body.outputs.iter().map(|&o| len(self.body.graph.shape(o), inputs.sizes)).collect();
        for (segment, start) in saved.iter().enumerate().rev() {
            let first = segment * SEGMENT;
            let before = self.replay(inputs, &mut step, first, start);
            for t in (first..(first + SEGMENT).min(inputs.tokens)).rev() {
                let d_out = d.outputs.iter().zip(&out_lens).map(|(o, &n)| &o[t * n..(t + 1) * n]);
                let givens: Vec<&[R]> = d_states.iter().map(|s| s.as_slice()).chain(d_out).collect();
                self.run(&self.dual, &self.backward, inputs, &mut ws, t, &before[t - first], &givens);
                self.add_params(&ws, t, inputs, &mut params);
                self.pull_states(&ws, &mut d_states);
            }
        }
        (outputs, Gradients { params, states: d_states })
    }

    fn forward_saving<R: Real>(&self, inputs: &Inputs<R>, saved: &mut Vec<Vec<Vec<R>>>) -> Outputs<R> {
        let mut outputs: Vec<Vec<R>> = self.body.outputs.iter().map(|_| Vec::new()).collect();
        let mut states = inputs.states.clone();
        let mut ws = Workspace::new(&self.body.graph, inputs.sizes, 1, self.forward.iter().copied());
        for t in 0..inputs.tokens {
            if t % SEGMENT == 0 {
                saved.push(states.clone());
            }
            self.step(inputs, &mut ws, t, &mut states);
            for (out, &v) in outputs.iter_mut().zip(&self.body.outputs) {
                out.extend_from_slice(ws.row(v, 0));
            }
        }
        Outputs { outputs, states }
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

/// What the roots need, operands first; a state after an update needs the update.
fn order(body: &Body, graph: &Graph, roots: impl Iterator<Item = Value>) -> Vec<Value> {
    let live = graph.reachable_through(roots, |g, v| match g.expr(v) {
        Expr::Updated(n) => vec![body.updates[n as usize].value],
        e => e.operands().collect(),
    });
    graph.values().filter(|v| live[v.index()]).collect()
}
