//! From a timeline to its chunk program: one algorithm for every rule with a linear chunkwise form.
//!
//! With the writes of a state split into those with feedback (`F`) and those without (`N`), and the reads that feed a write
//! aligned with its row (a write of two reads has two rows of keys, `B1` and `B2`),
//!
//! ```text
//! M   = sum_j diag(c_j) gram(B_j, A_F)
//! U_F = inverse(M) (V_F + sum_j diag(c_j) (tap(B_j) + gram(B_j, A_N) U_N))
//! P_o = tap(B_o) + gram(B_o, A_N) U_N + gram(B_o, A_F) U_F
//! ```
//!
//! Terms that are not there are left out: no feedback, no solve. Source: `math/timeline.py` of the design.

use super::factor::{factor, scalar};
use super::{Columns, Deposit, Found, Keys, KeysId, Node, NodeId, Op, Program, Slot, Stack, StackId};
use crate::Unsupported;
use chunkwise_dsl::class::{self, Feedback};
use chunkwise_dsl::graph::{Binary, Expr, ReadId, StateId, Value};
use chunkwise_dsl::timeline::{Event, Side, Timeline};

/// A write, taken apart: `u = constant_scale * constant + sum coefficient * p`, the key's scalar included.
struct Write {
    slot: Slot,
    constant: Option<(Value, Value)>,
    terms: Vec<(ReadId, Value)>,
}

/// Derives the chunk program.
///
/// # Errors
/// [`Unsupported`]: what has a chunkwise form that this program cannot say yet.
pub fn derive(timeline: &Timeline) -> Result<Program, Unsupported> {
    supported(timeline)?;
    let mut d = Derivation::new(timeline);
    for state in timeline.signature.state_ids() {
        d.state(state);
    }
    Ok(d.program)
}

/// Whether every write is free of reads, or linear in reads of its own state.
fn supported(t: &Timeline) -> Result<(), Unsupported> {
    let name = &t.signature.name;
    let not_yet = |what: &str| {
        Err(Unsupported(format!("the chunk program of `{name}` needs {what}, which is not built yet")))
    };
    let class = class::classify(t);
    if class.passes > 1 {
        return not_yet("two passes");
    }
    if class.coupled {
        return not_yet("coupled states");
    }
    if class.feedback > Feedback::Linear {
        return not_yet("feedback that is not linear");
    }
    for event in &t.events {
        match event {
            Event::Write { state, value, .. }
                if reads_of(t, *value).iter().any(|r| t.read(*r).state != *state) =>
            {
                return not_yet("writes that use reads of another state");
            }
            Event::Decay { state, factor } if t.side(*state, factor.value()) == Side::Value => {
                return not_yet("decays of the value side");
            }
            _ => {}
        }
    }
    Ok(())
}

/// The reads that a value is made of, in order.
fn reads_of(t: &Timeline, v: Value) -> Vec<ReadId> {
    let live = t.graph.reachable([v]);
    let read = |v: Value| match t.graph.expr(v) {
        Expr::Read(r) => Some(r),
        _ => None,
    };
    let mut reads: Vec<ReadId> = t.graph.values().filter(|v| live[v.index()]).filter_map(read).collect();
    reads.sort();
    reads
}

struct Derivation {
    program: Program,
    /// By read: its slot, and the scalar factor of its key.
    reads: Vec<(Slot, Value)>,
    /// Every write, by event.
    writes: Vec<(StateId, Write)>,
}

impl Derivation {
    fn new(timeline: &Timeline) -> Self {
        let program = Program {
            timeline: timeline.clone(),
            stacks: Vec::new(),
            keys: Vec::new(),
            nodes: Vec::new(),
            deposits: Vec::new(),
            reads: Vec::new(),
        };
        let mut d = Derivation { program, reads: Vec::new(), writes: Vec::new() };
        d.take_apart();
        d
    }

    /// Places every read and write, and moves the scalar factors of their keys to the coefficients.
    fn take_apart(&mut self) {
        let events = self.program.timeline.events.clone();
        let mut places = vec![0; self.program.timeline.forms.len()];
        for (n, event) in events.iter().enumerate() {
            match event {
                Event::Decay { state, .. } => places[state.index()] += 1,
                Event::Read(r) => {
                    let read = self.program.timeline.read(*r);
                    let (scale, key) = factor(&mut self.program.timeline.graph, read.key);
                    let slot = Slot { event: n, place: places[read.state.index()], key: Some(key) };
                    self.reads.push((slot, scale));
                }
                Event::Write { state, key, value } => {
                    let (scale, key) = factor(&mut self.program.timeline.graph, *key);
                    let slot = Slot { event: n, place: places[state.index()], key: Some(key) };
                    let write = self.write(slot, scale, *value);
                    self.writes.push((*state, write));
                }
                Event::Mix { .. } => {}
            }
        }
    }

    fn write(&mut self, slot: Slot, scale: Value, value: Value) -> Write {
        let g = &mut self.program.timeline.graph;
        let tainted = g.dependents(|e| matches!(e, Expr::Read(_)));
        let Some(linear) = class::linear(g, value, &tainted) else {
            return Write { slot, constant: None, terms: Vec::new() };
        };
        let constant = linear.constant.map(|c| {
            let (s, rest) = factor(g, c);
            (scalar(g, Binary::Mul, scale, s), rest)
        });
        let reads = &self.reads;
        let term = |(r, c): (ReadId, Value)| {
            let c = scalar(g, Binary::Mul, scale, c);
            (r, scalar(g, Binary::Mul, c, reads[r.index()].1))
        };
        Write { slot, constant, terms: linear.terms.into_iter().map(term).collect() }
    }

    /// Everything of one state.
    fn state(&mut self, state: StateId) {
        let of_state = |d: &Self, with_terms: bool| {
            let mine =
                |(_, (s, w)): &(usize, &(StateId, Write))| *s == state && w.terms.is_empty() != with_terms;
            d.writes.iter().enumerate().filter(mine).map(|(n, _)| n).collect::<Vec<_>>()
        };
        let mut sources = Vec::new();
        for (writes, solves) in [(of_state(self, false), false), (of_state(self, true), true)] {
            if writes.is_empty() {
                continue;
            }
            let stack = self.stack(writes.len());
            let slots = writes.iter().map(|&w| self.writes[w].1.slot).collect();
            let keys = self.keys(state, stack, slots);
            let constant = self.constants(state, stack, &writes);
            let values = match solves {
                false => constant,
                true => Some(self.solve(&writes, keys, constant, &sources)),
            };
            if let Some(values) = values {
                sources.push(Deposit { keys, values });
            }
        }
        self.outputs(state, &sources);
        self.program.deposits.extend(sources);
    }

    /// The part of the writes that no read enters; `None` is zero.
    fn constants(&mut self, state: StateId, stack: StackId, writes: &[usize]) -> Option<NodeId> {
        let constants: Vec<_> = writes.iter().map(|&w| self.writes[w].1.constant).collect();
        if constants.iter().all(Option::is_none) {
            return None;
        }
        let one = self.one();
        let columns = Columns::Value(self.program.timeline.form(state).value);
        let rows = constants.iter().map(|c| c.map(|(_, rest)| rest)).collect();
        let values = self.node(Op::Values(rows), stack, columns);
        Some(self.scale(constants.iter().map(|c| c.map_or(one, |(scale, _)| scale)).collect(), values))
    }

    /// `U_F`, from the writes with feedback and what the writes without it have stored.
    fn solve(
        &mut self,
        writes: &[usize],
        keys: KeysId,
        constant: Option<NodeId>,
        free: &[Deposit],
    ) -> NodeId {
        let Keys { state, stack, .. } = *self.program.keys(keys);
        let (zero, longest) = (self.zero(), writes.iter().map(|&w| self.writes[w].1.terms.len()).max());
        let (mut m, mut right) = (None, constant);
        for j in 0..longest.unwrap_or(0) {
            let term = |w: &usize| self.writes[*w].1.terms.get(j).copied();
            let coefficients: Vec<Value> = writes.iter().map(|w| term(w).map_or(zero, |t| t.1)).collect();
            let slots = writes.iter().map(|w| match term(w) {
                Some((r, _)) => self.reads[r.index()].0,
                None => Slot { key: None, ..self.writes[*w].1.slot },
            });
            let slots = slots.collect();
            let reads = self.keys(state, stack, slots);
            let gram = self.gram(reads, keys);
            let scaled = self.scale(coefficients.clone(), gram);
            m = Some(self.sum(m, scaled));
            let found = self.found(reads, free);
            let scaled = self.scale(coefficients, found);
            right = Some(self.sum(right, scaled));
        }
        // A stack with feedback has a term, so that both are there.
        let (Some(m), Some(right)) = (m, right) else { return NodeId(0) };
        let inverse = self.node(Op::Inverse(m), stack, Columns::Rows(stack));
        let columns = self.program.node(right).columns;
        self.node(Op::Product(inverse, right), stack, columns)
    }

    /// `tap(B) + sum gram(B, A) U` over what has been stored.
    fn found(&mut self, reads: KeysId, stored: &[Deposit]) -> NodeId {
        let Keys { state, stack, .. } = *self.program.keys(reads);
        let columns = Columns::Value(self.program.timeline.form(state).value);
        let mut found = self.node(Op::Tap(reads), stack, columns);
        for deposit in stored {
            let gram = self.gram(reads, deposit.keys);
            let inside = self.node(Op::Product(gram, deposit.values), stack, columns);
            found = self.node(Op::Add(found, inside), stack, columns);
        }
        found
    }

    /// What the reads that outputs use find.
    fn outputs(&mut self, state: StateId, stored: &[Deposit]) {
        let t = &self.program.timeline;
        let live = t.graph.reachable(t.outputs.iter().copied());
        let used = |r: &ReadId| {
            t.read(*r).state == state
                && t.graph.values().any(|v| live[v.index()] && t.graph.expr(v) == Expr::Read(*r))
        };
        let reads: Vec<ReadId> = (0..t.reads.len()).map(|r| ReadId(r as u32)).filter(used).collect();
        if reads.is_empty() {
            return;
        }
        let stack = self.stack(reads.len());
        let slots = reads.iter().map(|r| self.reads[r.index()].0).collect();
        let keys = self.keys(state, stack, slots);
        let node = self.found(keys, stored);
        for (slot, r) in reads.into_iter().enumerate() {
            self.program.reads.push((r, Found { node, slot, scale: self.reads[r.index()].1 }));
        }
    }

    fn one(&mut self) -> Value {
        self.program.timeline.graph.constant(1.0)
    }

    fn zero(&mut self) -> Value {
        self.program.timeline.graph.constant(0.0)
    }

    /// Stacks of one length are one kind of rows.
    fn stack(&mut self, slots: usize) -> StackId {
        StackId(position(&mut self.program.stacks, Stack { slots }))
    }

    fn keys(&mut self, state: StateId, stack: StackId, slots: Vec<Slot>) -> KeysId {
        KeysId(position(&mut self.program.keys, Keys { state, stack, slots }))
    }

    fn node(&mut self, op: Op, rows: StackId, columns: Columns) -> NodeId {
        NodeId(position(&mut self.program.nodes, Node { op, rows, columns }))
    }

    fn gram(&mut self, reads: KeysId, writes: KeysId) -> NodeId {
        let (rows, columns) = (self.program.keys(reads).stack, self.program.keys(writes).stack);
        self.node(Op::Gram(reads, writes), rows, Columns::Rows(columns))
    }

    fn scale(&mut self, coefficients: Vec<Value>, x: NodeId) -> NodeId {
        let g = &self.program.timeline.graph;
        if coefficients.iter().all(|c| g.literal(*c) == Some(1.0)) {
            return x;
        }
        let Node { rows, columns, .. } = *self.program.node(x);
        self.node(Op::Scale(coefficients, x), rows, columns)
    }

    fn sum(&mut self, x: Option<NodeId>, y: NodeId) -> NodeId {
        let Some(x) = x else { return y };
        let Node { rows, columns, .. } = *self.program.node(x);
        self.node(Op::Add(x, y), rows, columns)
    }
}

/// Where the item stands in the list; it is added where it is new.
fn position<T: PartialEq>(list: &mut Vec<T>, item: T) -> u32 {
    let found = list.iter().position(|x| *x == item);
    let at = found.unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    });
    at as u32
}
