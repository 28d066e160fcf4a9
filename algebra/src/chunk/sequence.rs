//! A whole sequence, chunk after chunk; and back.
//!
//! Forward keeps nothing but the carried state. Backward saves the state at each chunk's start, then takes the chunks from the
//! last: the chunk again (its `U` and `P`), the dual chunk from the state's cotangent (`dU`, `dP`), the operands' cotangents,
//! and with all of these as givens, the gradients of the parameters, token by token.

use super::backward::{Ends, Operands, operands};
use super::forward::{Chunk, Span, copy_read, run};
use super::program::Program;
use crate::adjoint::{Adjoint, Meaning, adjoint};
use crate::data::{Cotangents, Gradients, Inputs, Outputs, Real};
use crate::eval::evaluate;
use chunkwise_dsl::graph::{Expr, ReadId, Value};
use chunkwise_dsl::timeline::{Event, Timeline};
use ndarray::Array2;
use std::collections::HashMap;

/// A timeline prepared for chunkwise evaluation, forward and backward.
#[derive(Clone, Debug)]
pub(crate) struct Chunkwise {
    forward: Program,
    dual: Program,
    adjoint: Adjoint,
    counts: Vec<usize>,
    per_head: Vec<bool>,
}

/// The cotangents of one chunk's operands, by what a given of the dual asks for.
type Table<R> = HashMap<(Meaning, usize), Vec<R>>;

impl Chunkwise {
    pub(crate) fn new(timeline: &Timeline) -> Self {
        let adjoint = adjoint(timeline);
        let roots: Vec<Value> = adjoint.params.iter().map(|p| p.2).collect();
        let dual = Program::new(&adjoint.dual, &roots);
        let params = &timeline.signature.params;
        Chunkwise {
            forward: Program::new(timeline, &[]),
            dual,
            adjoint,
            counts: params.iter().map(|p| p.count.unwrap_or(1) as usize).collect(),
            per_head: params.iter().map(|p| p.per_head).collect(),
        }
    }

    pub(crate) fn forward<R: Real>(&self, chunk: usize, inputs: &Inputs<R>) -> Outputs<R> {
        let mut states = inputs.states.clone();
        let mut outputs = vec![Vec::new(); self.forward.timeline.outputs.len()];
        for first in (0..inputs.tokens).step_by(chunk.max(1)) {
            let span = Span { tokens: chunk.max(1).min(inputs.tokens - first), reversed: false };
            let done = self.chunk(inputs, first, span, &mut states);
            self.collect(&done, span, &mut outputs);
        }
        Outputs { outputs, states }
    }

    fn chunk<R: Real>(
        &self,
        inputs: &Inputs<R>,
        first: usize,
        span: Span,
        states: &mut [Vec<R>],
    ) -> Chunk<R> {
        run(&self.forward, inputs.sizes, span, states, &|e, row, out| param(inputs, first, e, row, out))
    }

    fn collect<R: Real>(&self, done: &Chunk<R>, span: Span, outputs: &mut [Vec<R>]) {
        for row in 0..span.tokens {
            for (out, &v) in outputs.iter_mut().zip(&self.forward.timeline.outputs) {
                out.extend_from_slice(done.ws.row(v, row));
            }
        }
    }

    pub(crate) fn backward<R: Real>(
        &self,
        chunk: usize,
        inputs: &Inputs<R>,
        d: &Cotangents<R>,
    ) -> (Outputs<R>, Gradients<R>) {
        let chunk = chunk.max(1);
        let mut states = inputs.states.clone();
        let mut outputs = vec![Vec::new(); self.forward.timeline.outputs.len()];
        let mut starts = Vec::new();
        for first in (0..inputs.tokens).step_by(chunk) {
            let span = Span { tokens: chunk.min(inputs.tokens - first), reversed: false };
            starts.push((first, span, states.clone()));
            let done = self.chunk(inputs, first, span, &mut states);
            self.collect(&done, span, &mut outputs);
        }
        let mut d_states = d.states.clone();
        let mut params = self.zeros(inputs);
        for (first, span, start) in starts.iter().rev() {
            self.pull_chunk(inputs, d, (*first, *span, start), &mut d_states, &mut params);
        }
        (Outputs { outputs, states }, Gradients { params, states: d_states })
    }

    fn zeros<R: Real>(&self, inputs: &Inputs<R>) -> Vec<Vec<R>> {
        let rows = |p: usize| if self.per_head[p] { 1 } else { inputs.tokens };
        (0..self.counts.len())
            .map(|p| vec![R::zero(); rows(p) * self.counts[p] * inputs.params[p].len])
            .collect()
    }

    /// One chunk backward: `d_states` come in at its end and leave at its start.
    fn pull_chunk<R: Real>(
        &self,
        inputs: &Inputs<R>,
        d: &Cotangents<R>,
        (first, span, start): (usize, Span, &[Vec<R>]),
        d_states: &mut [Vec<R>],
        params: &mut [Vec<R>],
    ) {
        let mut end = start.to_vec();
        let primal = self.chunk(inputs, first, span, &mut end);
        let known = |e: Expr, row: usize, out: &mut [R]| match e {
            Expr::Given(n) => match self.adjoint.givens[n as usize] {
                Meaning::Read(r) => copy_read(&self.forward, span, &primal.groups, Expr::Read(r), row, out),
                Meaning::Output(i) => {
                    let at = (first + row) * out.len();
                    out.copy_from_slice(&d.outputs[i][at..at + out.len()]);
                }
                _ => {}
            },
            e => param(inputs, first, e, row, out),
        };
        let d_end = d_states.to_vec();
        let back = Span { reversed: true, ..span };
        let mut dual = run(&self.dual, inputs.sizes, back, d_states, &known);
        let ends = Ends { start, d_end: &d_end, sizes: inputs.sizes };
        let table = self.table(span, &primal, &dual, ends);
        let graph = &self.dual.timeline.graph;
        let Chunk { ws, groups } = &mut dual;
        evaluate(graph, inputs.sizes, ws, &self.dual.extra, 0..span.tokens, |_, e, row, out| match e {
            Expr::Read(_) => copy_read(&self.dual, back, groups, e, row, out),
            Expr::Given(n) => match table.get(&(self.adjoint.givens[n as usize], row)) {
                Some(d) => out.copy_from_slice(d),
                None => known(e, row, out),
            },
            e => known(e, row, out),
        });
        for &(p, j, v) in &self.adjoint.params {
            let (p, n) = (p.index(), inputs.params[p.index()].len);
            for row in 0..span.tokens {
                let token = if self.per_head[p] { 0 } else { first + row };
                let at = (token * self.counts[p] + j) * n;
                params[p][at..at + n].iter_mut().zip(dual.ws.row(v, row)).for_each(|(d, &x)| *d += x);
            }
        }
    }

    /// Cotangents of every operand of a chunk, by meaning and row.
    fn table<R: Real>(&self, span: Span, primal: &Chunk<R>, dual: &Chunk<R>, ends: Ends<'_, R>) -> Table<R> {
        let mut table = Table::new();
        for (g, (group, e)) in self.forward.groups.iter().zip(&primal.groups).enumerate() {
            let dp = self.dp(g, span, dual, e.p.raw_dim());
            let Operands { a, b, factors } = operands(group, e, ends, &dp);
            for (slot, &event) in group.writes.iter().enumerate() {
                for row in 0..span.tokens {
                    table.insert((Meaning::Key(event), row), a.row(row * group.writes.len() + slot).to_vec());
                }
            }
            for (slot, &r) in group.reads.iter().enumerate() {
                let event = self.read_event(r);
                for row in 0..span.tokens {
                    table.insert((Meaning::Key(event), row), b.row(row * group.reads.len() + slot).to_vec());
                }
            }
            for ((event, row, entry), d) in factors {
                table.insert((self.factor_meaning(event, entry, group.states.len()), row), d);
            }
        }
        table
    }

    fn read_event(&self, r: ReadId) -> usize {
        self.forward.timeline.events.iter().position(|e| *e == Event::Read(r)).unwrap_or(0)
    }

    /// Entries are numbered by the group's slots; the mix event lists states in its own order.
    fn factor_meaning(&self, event: usize, entry: usize, m: usize) -> Meaning {
        match &self.forward.timeline.events[event] {
            Event::Mix { states, .. } => {
                let listed =
                    |slot: usize| states.iter().position(|s| self.forward.home(*s).1 == slot).unwrap_or(m);
                Meaning::Entry(event, listed(entry / m), listed(entry % m))
            }
            _ => Meaning::Factor(event),
        }
    }

    /// `dP` in the forward walk's order: what the dual writes where the forward pass reads.
    fn dp<R: Real>(&self, g: usize, span: Span, dual: &Chunk<R>, shape: ndarray::Ix2) -> Array2<R> {
        let group = &self.forward.groups[g];
        let mut dp = Array2::zeros(shape);
        let written: Vec<usize> = (0..group.reads.len())
            .filter(|&slot| self.adjoint.dp[group.reads[slot].index()].is_some())
            .collect();
        let back = Span { reversed: true, ..span };
        for row in 0..span.tokens {
            for (n, slot) in written.iter().rev().enumerate() {
                let from = dual.groups[g].u.row(back.row(row) * written.len() + n);
                dp.row_mut(row * group.reads.len() + slot).assign(&from);
            }
        }
        dp
    }
}

fn param<R: Real>(inputs: &Inputs<R>, first: usize, e: Expr, row: usize, out: &mut [R]) {
    if let Expr::Param(p, j) = e {
        out.copy_from_slice(inputs.params[p.index()].row(first + row, j.unwrap_or(0) as usize));
    }
}
