//! What a read sees: the carried states, and every write of the chunk that comes before it.
//!
//! ```text
//! P_r = (B_r ⊙ e^G) S0 + sum_w tril(B_r A_wᵀ diag(alpha) ⊙ D) U_w
//! ```
//!
//! A scalar decay is a mask `D` on the Gram matrix; a key-side decay stays inside it, `(B ⊙ e^G) (A ⊙ e^-G)ᵀ`; a value-side
//! decay scales the channels of what was written and of what is read. `e^-G` is how the algebra reads, never how a
//! kernel computes: between two tokens only the difference of their cumulative decays counts, and that is never positive.

use super::super::formula::Formula;
use super::super::names::Stack;
use super::super::system::{Place, Tap};
use super::{Derivation, Terms, exponent, join_scales, superscript};
use chunkwise_dsl::class::Feedback;
use chunkwise_dsl::graph::{ReadId, StateId};

impl Derivation<'_, '_> {
    pub(super) fn name_clocks(&mut self) {
        for n in 0..self.s.clocks.len() {
            let name = if n == 0 { "G".into() } else { self.stacks.namer.fresh(&["H", "G2", "G3", "G4"]) };
            self.clock_names.push(name);
        }
    }

    /// The name of a clock's cumulative decay at a place.
    pub(super) fn label(&mut self, clock: usize, place: usize) -> String {
        let name = &self.clock_names[clock];
        if place == self.s.length(clock) {
            return name.clone();
        }
        let label = if place == 0 { format!("{name}⁻") } else { format!("{name}{}", superscript(place)) };
        self.labels.entry((clock, place)).or_insert(label).clone()
    }

    pub(super) fn mask(&mut self, clock: usize, row: usize, column: usize) -> String {
        if let Some(name) = self.masks.get(&(clock, row, column)) {
            return name.clone();
        }
        let wanted = if self.masks.is_empty() {
            "D".to_string()
        } else {
            self.stacks.namer.fresh(&["D2", "D3", "D4"])
        };
        self.masks.insert((clock, row, column), wanted.clone());
        wanted
    }

    /// `e^(H)` on the value side of a state at a place, with a sign.
    pub(super) fn value_decay(&mut self, state: StateId, place: Place, minus: bool) -> Option<Formula> {
        let clock = self.s.clock_of[state.index()].1?;
        let label = self.label(clock, place.value);
        Some(exponent(&label, minus))
    }

    pub(super) fn lane_of(&self, read: ReadId) -> bool {
        self.lanes.as_ref().is_some_and(|l| l.iter().any(|&(r, _)| r == read))
    }

    pub(super) fn read_stack(&mut self, r: ReadId) -> Stack {
        let lane = self.lane_of(r).then_some(0);
        let role = if self.s.for_output[r.index()] { "Q" } else { "B" };
        self.stacks.stack(self.s.reads[r.index()].key, role, lane)
    }

    pub(super) fn write_stack(&mut self, w: usize) -> Stack {
        let lane = self.is_lane_write(w).then_some(0);
        self.stacks.stack(self.s.writes[w].tap.key, "A", lane)
    }

    pub(super) fn is_lane_write(&self, w: usize) -> bool {
        self.lanes.as_ref().is_some_and(|l| l.iter().any(|&(_, x)| x == w))
    }

    /// What a read sees of the carried states: `(B ⊙ e^G) S0`, its own scale left out.
    pub(super) fn carried_part(&mut self, r: ReadId) -> Formula {
        let read = self.s.reads[r.index()].clone();
        let b = self.read_stack(r).matrix;
        let mut terms = Vec::new();
        for from in self.s.t.signature.state_ids() {
            if !self.s.reach[read.state.index()][from.index()] {
                continue;
            }
            let decay = self.decay_to(&read, from);
            let left = Formula::hadamard([b.clone()].into_iter().chain(decay));
            let start = Formula::symbol(format!("{}0", self.stacks.state(from)));
            terms.push((false, Formula::product([left, start])));
        }
        Formula::sum(terms).unwrap_or(Formula::Identity)
    }

    /// The decay from the chunk's start to a read.
    pub(super) fn decay_to(&mut self, read: &Tap, from: StateId) -> Option<Formula> {
        if self.s.coupled[read.state.index()] {
            let name = self.transition(read.state, from, Some(read.place.event));
            return Some(Formula::symbol(format!("{name}·0")));
        }
        let clock = self.s.clock_of[read.state.index()].0?;
        let label = self.label(clock, read.place.key);
        Some(exponent(&label, false))
    }

    /// The Gram matrix of a read and a write under decay and the causal mask; `None` where they never meet.
    pub(super) fn gram(&mut self, r: ReadId, w: usize) -> Option<Formula> {
        let read = self.s.reads[r.index()].clone();
        let write = self.s.writes[w].tap.clone();
        if !self.s.meets(&read, &write) {
            return None;
        }
        let (b, a) = (self.read_stack(r).matrix, self.write_stack(w));
        let scale = join_scales([a.scale, self.free_scale(w)]);
        let columns = scale.map(Formula::Diag).unwrap_or(Formula::Identity);
        let clock = self.s.clock_of[read.state.index()].0;
        let inner = match clock {
            _ if self.s.coupled[read.state.index()] => {
                let name = self.transition(read.state, write.state, Some(read.place.event));
                let product = Formula::product([b, a.matrix.transpose(), columns]);
                Formula::hadamard([product, Formula::symbol(name)])
            }
            Some(c) if self.s.clocks[c].wide => {
                let rows = Formula::hadamard([b, exponent(&self.label(c, read.place.key), false)]);
                let cols = Formula::hadamard([a.matrix, exponent(&self.label(c, write.place.key), true)]);
                Formula::product([rows, cols.transpose(), columns])
            }
            Some(c) => {
                let mask = self.mask(c, read.place.key, write.place.key);
                let product = Formula::product([b, a.matrix.transpose(), columns]);
                Formula::hadamard([product, Formula::symbol(mask)])
            }
            None => Formula::product([b, a.matrix.transpose(), columns]),
        };
        let strict = !self.s.sees_own(&read, &write);
        Some(inner.tril(strict))
    }

    /// Numbers per token that scale the value of a write without feedback.
    pub(super) fn free_scale(&mut self, w: usize) -> Option<String> {
        (self.s.writes[w].feedback == Feedback::None).then(|| self.value_stack(w).scale).flatten()
    }

    /// The stacked value of a write without feedback.
    pub(super) fn value_stack(&mut self, w: usize) -> Stack {
        if let Some(known) = self.values.get(&w) {
            return known.clone();
        }
        let stack = self.stacks.stack(self.s.writes[w].value, "X", None);
        self.values.insert(w, stack.clone());
        stack
    }

    /// The rows that a write stores, in units of the value-side decay at its place, with its sign.
    pub(super) fn stored(&mut self, w: usize) -> (bool, Formula) {
        let minus_key = self.write_stack(w).minus;
        if self.s.writes[w].feedback != Feedback::None {
            return (minus_key, Formula::symbol(self.name_of(w)));
        }
        let value = self.value_stack(w);
        let tap = self.s.writes[w].tap.clone();
        let decay = self.value_decay(tap.state, tap.place, true);
        let rows = Formula::hadamard([value.matrix].into_iter().chain(decay));
        (minus_key ^ value.minus, rows)
    }

    /// The name of the stacked value of a write with feedback.
    pub(super) fn name_of(&self, w: usize) -> String {
        let writes = self.s.feedback_writes();
        if self.lanes.is_some() || writes.len() == 1 {
            return "U".into();
        }
        let n = writes.iter().position(|&x| x == w).unwrap_or(0);
        format!("U{n}")
    }

    /// All of a read but the part through the writes in `skip`: carried state and writes without feedback.
    pub(super) fn read_terms(&mut self, r: ReadId, with_feedback: bool) -> Terms {
        let mut terms = vec![(false, self.carried_part(r))];
        let mut writes = self.s.free_writes();
        if with_feedback {
            let lanes_first = self.lanes.as_ref().map(|l| vec![l[0].1]);
            writes.extend(lanes_first.unwrap_or_else(|| self.s.feedback_writes()));
        }
        for w in writes {
            if let Some(gram) = self.gram(r, w) {
                let (minus, rows) = self.stored(w);
                terms.push((minus, Formula::product([gram, rows])));
            }
        }
        terms
    }

    /// A read: its scale, its value-side decay, and everything it sees.
    pub(super) fn read_formula(&mut self, r: ReadId, with_feedback: bool) -> Formula {
        let stack = self.read_stack(r);
        let read = self.s.reads[r.index()].clone();
        let terms = self.read_terms(r, with_feedback);
        let sum = Formula::sum(terms).unwrap_or(Formula::Identity);
        let decayed = match self.value_decay(read.state, read.place, false) {
            Some(decay) => Formula::hadamard([decay, sum]),
            None => sum,
        };
        let scaled = match stack.scale {
            Some(scale) => Formula::product([Formula::Diag(scale), decayed]),
            None => decayed,
        };
        if stack.minus { Formula::sum([(true, scaled.clone())]).unwrap_or(scaled) } else { scaled }
    }
}
