//! Outputs, and the states at the chunk's end.
//!
//! ```text
//! O = reads of the outputs, or an expression of them row by row
//! S = e^(G_C) S0 + sum_w (A_w ⊙ e^(G_C - G))ᵀ diag(alpha) U_w
//! ```

use super::super::formula::Formula;
use super::super::names::capital;
use super::{Derivation, Equation, Terms, join_scales};
use chunkwise_dsl::class::Feedback;
use chunkwise_dsl::graph::{Expr, ReadId, StateId};

impl Derivation<'_, '_> {
    pub(super) fn outputs(&mut self) {
        let outputs = &self.s.t.outputs;
        let substituted = self.s.writes.iter().any(|w| w.feedback > Feedback::Linear);
        let known = if substituted { self.s.feedback_reads() } else { Vec::new() };
        for r in self.s.output_reads() {
            if known.contains(&r) {
                continue;
            }
            let direct = outputs.iter().position(|&o| self.s.t.graph.expr(o) == Expr::Read(r));
            let name = match direct {
                Some(n) => capital(&self.s.t.signature.outputs[n].name),
                None => format!("P{}", r.0),
            };
            let f = self.read_formula(r, true);
            self.steps.push(Equation::matrix(name, f));
        }
        for (n, &o) in outputs.iter().enumerate() {
            if matches!(self.s.t.graph.expr(o), Expr::Read(r) if !known.contains(&r)) {
                continue;
            }
            let live = self.s.t.graph.reachable([o]);
            let uses: Vec<String> =
                (0..self.s.reads.len())
                    .filter(|&r| {
                        self.s.t.graph.values().any(|v| {
                            live[v.index()] && self.s.t.graph.expr(v) == Expr::Read(ReadId(r as u32))
                        })
                    })
                    .map(|r| {
                        if known.contains(&ReadId(r as u32)) {
                            self.name_of(self.s.feedback_writes()[0])
                        } else {
                            format!("P{r}")
                        }
                    })
                    .collect();
            let uses: Vec<&str> = uses.iter().map(String::as_str).collect();
            let name = self.s.t.signature.outputs[n].name.clone();
            self.steps.push(
                Equation::text(name, self.printer.show(o), &uses)
                    .note("row by row: p is a row of P, fused as epilogue"),
            );
        }
    }

    pub(super) fn states(&mut self) -> Vec<(String, String)> {
        let mut carried = Vec::new();
        for state in self.s.t.signature.state_ids() {
            let name = self.stacks.state(state).to_string();
            let mut terms = self.kept(state);
            let lanes = self.lanes.clone();
            for w in 0..self.s.writes.len() {
                let repeated = lanes.as_ref().is_some_and(|l| l[1..].iter().any(|&(_, x)| x == w));
                let from = self.s.writes[w].tap.state;
                if !repeated && self.s.reach[state.index()][from.index()] {
                    terms.push(self.end_term(state, w));
                }
            }
            let sum = Formula::sum(terms).unwrap_or(Formula::Identity);
            let value_clock = self.s.clock_of[state.index()].1;
            let f = match value_clock {
                Some(c) => Formula::hadamard([Formula::Exp(format!("{}_C", self.clock_names[c])), sum]),
                None => sum,
            };
            self.steps.push(Equation::matrix(name.clone(), f));
            carried.push((format!("{name}0"), name));
        }
        carried
    }

    /// What a state keeps of the chunk's start.
    pub(super) fn kept(&mut self, state: StateId) -> Terms {
        let mut terms = Vec::new();
        for from in self.s.t.signature.state_ids() {
            if !self.s.reach[state.index()][from.index()] {
                continue;
            }
            let start = Formula::symbol(format!("{}0", self.stacks.state(from)));
            let clock = self.s.clock_of[state.index()].0;
            let f = if self.s.coupled[state.index()] {
                let name = self.transition(state, from, None);
                Formula::hadamard([Formula::symbol(format!("{name}·C0")), start])
            } else {
                match clock {
                    Some(c) => Formula::hadamard([Formula::Exp(format!("{}_C", self.clock_names[c])), start]),
                    None => start,
                }
            };
            terms.push((false, f));
        }
        terms
    }

    /// What a write leaves in a state at the chunk's end.
    pub(super) fn end_term(&mut self, state: StateId, w: usize) -> (bool, Formula) {
        let tap = self.s.writes[w].tap.clone();
        let a = self.write_stack(w);
        let (minus, rows) = self.stored(w);
        let mut scale = join_scales([a.scale, self.free_scale(w)]);
        let mut left = a.matrix;
        if self.s.coupled[state.index()] {
            let name = self.transition(state, tap.state, None);
            scale = join_scales([scale, Some(format!("{name}·C"))]);
        } else if let Some(c) = self.s.clock_of[state.index()].0 {
            let (end, here) = (self.clock_names[c].clone(), self.label(c, tap.place.key));
            left = Formula::hadamard([left, Formula::Exp(format!("{end}_C - {here}"))]);
        }
        let diag = scale.map(Formula::Diag).unwrap_or(Formula::Identity);
        (minus, Formula::product([left.transpose(), diag, rows]))
    }
}
