//! From a timeline to its chunk program: one algorithm for every rule with a chunkwise form.
//!
//! States are taken in [families](mod@super::family), so that what a write reads of an earlier family is known. In one family,
//! the writes that no read of the family enters come first; they are given, or made of what earlier families hold. With the
//! writes split so into those with feedback (`F`) and those without (`N`), and the reads that feed a write aligned with its row
//! (a write of two reads has two rows of keys, `B1` and `B2`),
//!
//! ```text
//! found(B) = tap(B) + sum gram(B, A) U          over the writes that are known
//! U_N      = V_N + sum_j diag(c_j) found(B_j)
//! M        = sum_j diag(c_j) gram(B_j, A_F)
//! U_F      = inverse(M) (V_F + sum_j diag(c_j) found(B_j))        feedback that is linear, one scalar a read
//! U_F      = f(V, P),  P = found(B) + gram(B, A_F) U_F            any other: rows in timeline order, a [`System`]
//! P_o      = found(B_o)                                           over all writes
//! ```
//!
//! Terms that are not there are left out: no feedback, no solve. Where value channels decay, a system has all of a state's writes,
//! `U_N` too. Source: `math/timeline.py`, `math/coupled.py` and
//! `math/substitution.py` of the design.

use super::build::Builder;
use super::factor::{factor, scalar};
use super::family::{Family, families};
use super::verify::checked;
use super::{Columns, Deposit, Found, KeysId, Member, NodeId, Op, Program, Slot, Sought, System};
use crate::Unsupported;
use chunkwise_dsl::class;
use chunkwise_dsl::graph::{Binary, Expr, ReadId, Shape, StateId, Value};
use chunkwise_dsl::timeline::{Event, Side, Timeline};

/// A write, taken apart; the scalar factor of its key is part of the rest.
struct Write {
    state: StateId,
    slot: Slot,
    value: Value,
    /// The reads in the value, in order.
    reads: Vec<ReadId>,
    /// The value as a sum; `None` where it is not linear with one scalar a read.
    linear: Option<Linear>,
}

/// `scale * constant + sum coefficient * p`
struct Linear {
    constant: Option<(Value, Value)>,
    terms: Vec<(ReadId, Value)>,
}

/// Derives the chunk program.
///
/// # Errors
/// [`Unsupported`]: what has a chunkwise form that this program cannot say yet.
pub fn derive(timeline: &Timeline) -> Result<Program, Unsupported> {
    let passes = class::classify(timeline).passes;
    if passes > 1 {
        let name = &timeline.signature.name;
        return Err(Unsupported(format!(
            "the chunk program of `{name}` needs {passes} passes over a chunk (a key or decay depends on a read of another \
             state), which is not built yet"
        )));
    }
    let mut d = Derivation::new(timeline);
    for family in families(timeline) {
        d.family(&family);
    }
    d.outputs();
    Ok(checked("derive", d.b.program))
}

struct Derivation {
    b: Builder,
    /// By read: its slot, and the scalar factor of its key.
    reads: Vec<(Slot, Value)>,
    /// Every write, by event.
    writes: Vec<Write>,
}

impl Derivation {
    /// Places every read and write, and moves the scalar factors of their keys to the coefficients.
    fn new(timeline: &Timeline) -> Self {
        let mut d = Derivation { b: Builder::new(timeline), reads: Vec::new(), writes: Vec::new() };
        let (mut places, mut value_places) = (vec![0; timeline.forms.len()], vec![0; timeline.forms.len()]);
        for (event, e) in timeline.events.iter().enumerate() {
            let mut slot = |state: StateId, key: Value| {
                let (scale, key) = factor(&mut d.b.program.timeline.graph, key);
                let (place, value_place) = (places[state.index()], value_places[state.index()]);
                (Slot { event, place, value_place, key: Some(key) }, scale)
            };
            match e {
                Event::Decay { state, factor } => match timeline.side(*state, factor.value()) {
                    Side::Value => value_places[state.index()] += 1,
                    _ => places[state.index()] += 1,
                },
                Event::Read(r) => {
                    let read = timeline.read(*r);
                    let placed = slot(read.state, read.key);
                    d.reads.push(placed);
                }
                Event::Write { state, key, value } => {
                    let (slot, scale) = slot(*state, *key);
                    let write = d.write(*state, slot, scale, *value);
                    d.writes.push(write);
                }
                Event::Mix { .. } => {}
            }
        }
        d
    }

    fn write(&mut self, state: StateId, slot: Slot, scale: Value, value: Value) -> Write {
        let t = &mut self.b.program.timeline;
        let reads = reads_of(t, value);
        let linear = self.linear(state, scale, value);
        let g = &mut self.b.program.timeline.graph;
        Write { state, slot, value: g.binary(Binary::Mul, scale, value).unwrap_or(value), reads, linear }
    }

    /// The value as a sum, where one scalar stands before each read.
    fn linear(&mut self, state: StateId, scale: Value, value: Value) -> Option<Linear> {
        let t = &mut self.b.program.timeline;
        let tainted = t.graph.dependents(|e| matches!(e, Expr::Read(_)));
        let linear = class::linear(&mut t.graph, value, &tainted)?;
        let form = t.form(state);
        let scalars = linear
            .terms
            .iter()
            .all(|&(r, c)| t.graph.shape(c) == Shape::Scalar && t.form(t.read(r).state).value == form.value);
        if !scalars {
            return None;
        }
        let g = &mut t.graph;
        let constant = linear.constant.map(|c| {
            let (s, rest) = factor(g, c);
            (scalar(g, Binary::Mul, scale, s), g.spread(rest, form.value_shape()))
        });
        let reads = &self.reads;
        let term = |(r, c): (ReadId, Value)| {
            let c = scalar(g, Binary::Mul, scale, c);
            (r, scalar(g, Binary::Mul, c, reads[r.index()].1))
        };
        Some(Linear { constant, terms: linear.terms.into_iter().map(term).collect() })
    }

    /// Everything that the states of one family are written.
    fn family(&mut self, family: &Family) {
        let (mut free, mut fed) = (Vec::new(), Vec::new());
        for &state in &family.states {
            let of_state = |feeds: bool| {
                let here = |w: &Write| w.state == state && w.reads.iter().any(|r| family.feeds(*r)) == feeds;
                (0..self.writes.len()).filter(|&w| here(&self.writes[w])).collect::<Vec<_>>()
            };
            free.push((state, of_state(false)));
            fed.push((state, of_state(true)));
        }
        if family.by_channel {
            together(&mut free, &mut fed);
        }
        [&mut free, &mut fed].into_iter().for_each(|stacks| stacks.retain(|(_, writes)| !writes.is_empty()));
        for (state, writes) in free {
            match self.all_linear(&writes) {
                true => self.sum(state, &writes),
                false => self.system(&[(state, writes)]),
            }
        }
        match fed.as_slice() {
            [] => {}
            [(state, writes)] if self.all_linear(writes) && !family.by_channel => {
                self.solve(family, *state, writes)
            }
            stacks => self.system(stacks),
        }
    }

    fn all_linear(&self, writes: &[usize]) -> bool {
        writes.iter().all(|&w| self.writes[w].linear.is_some())
    }

    /// Keys of a stack of writes.
    fn keys(&mut self, state: StateId, writes: &[usize]) -> KeysId {
        let slots = writes.iter().map(|&w| self.writes[w].slot).collect();
        self.b.keys(state, slots)
    }

    /// Writes that wait for nothing of their own family: `V + sum diag(c) found(B)`.
    fn sum(&mut self, state: StateId, writes: &[usize]) {
        let keys = self.keys(state, writes);
        let mut values = self.constants(keys, writes);
        for (reads, coefficients) in self.terms(writes) {
            let found = self.b.found(reads);
            let scaled = self.b.scale(coefficients, found);
            values = Some(self.b.add(values, scaled));
        }
        if let Some(values) = values {
            self.b.program.deposits.push(Deposit { keys, values });
        }
    }

    /// Writes with linear feedback: a solve.
    fn solve(&mut self, family: &Family, state: StateId, writes: &[usize]) {
        let keys = self.keys(state, writes);
        let (mut m, mut right) = (None, self.constants(keys, writes));
        for (reads, coefficients) in self.terms(writes) {
            if family.reached(self.b.program.keys(reads).state) {
                let gram = self.b.gram(reads, keys);
                let scaled = self.b.scale(coefficients.clone(), gram);
                m = Some(self.b.add(m, scaled));
            }
            let found = self.b.found(reads);
            let scaled = self.b.scale(coefficients, found);
            right = Some(self.b.add(right, scaled));
        }
        // A stack with feedback has a term, so that both are there.
        let (Some(m), Some(right)) = (m, right) else { return };
        let rows = self.b.program.keys(keys).stack;
        let inverse = self.b.node(Op::Inverse(m), rows, Columns::Rows(rows));
        let columns = self.b.program.node(right).columns;
        let values = self.b.node(Op::Product(inverse, right), rows, columns);
        self.b.program.deposits.push(Deposit { keys, values });
    }

    /// The part of the writes that no read enters; `None` is zero.
    fn constants(&mut self, keys: KeysId, writes: &[usize]) -> Option<NodeId> {
        let constant = |&w: &usize| self.writes[w].linear.as_ref().and_then(|l| l.constant);
        let constants: Vec<_> = writes.iter().map(constant).collect();
        if constants.iter().all(Option::is_none) {
            return None;
        }
        let one = self.b.number(1.0);
        let (rows, columns) = (self.b.program.keys(keys).stack, self.b.value_columns(keys));
        let values = constants.iter().map(|c| c.map(|(_, rest)| rest)).collect();
        let values = self.b.node(Op::Values(values), rows, columns);
        Some(self.b.scale(constants.iter().map(|c| c.map_or(one, |(scale, _)| scale)).collect(), values))
    }

    /// The reads of linear writes, a row each, with their coefficients: as many stacks as the longest sum of one state has terms.
    fn terms(&mut self, writes: &[usize]) -> Vec<(KeysId, Vec<Value>)> {
        let zero = self.b.number(0.0);
        let mut terms = Vec::new();
        for state in self.b.program.timeline.signature.state_ids() {
            let of_state = |&w: &usize| -> Vec<(ReadId, Value)> {
                let terms = self.writes[w].linear.iter().flat_map(|l| l.terms.iter().copied());
                terms.filter(|(r, _)| self.b.program.timeline.read(*r).state == state).collect()
            };
            let listed: Vec<_> = writes.iter().map(of_state).collect();
            for j in 0..listed.iter().map(Vec::len).max().unwrap_or(0) {
                let slots = listed.iter().zip(writes).map(|(l, &w)| match l.get(j) {
                    Some((r, _)) => self.reads[r.index()].0,
                    // The write may be another state's: where it stands between that one's decays says nothing here.
                    None => Slot { key: None, place: 0, value_place: 0, ..self.writes[w].slot },
                });
                let slots = slots.collect();
                let coefficients = listed.iter().map(|l| l.get(j).map_or(zero, |t| t.1)).collect();
                terms.push((self.b.keys(state, slots), coefficients));
            }
        }
        terms
    }

    /// Writes that are any function of what their reads find.
    fn system(&mut self, stacks: &[(StateId, Vec<usize>)]) {
        let members: Vec<Member> = stacks
            .iter()
            .map(|(state, writes)| {
                let values = writes.iter().map(|&w| self.writes[w].value).collect();
                Member { keys: self.keys(*state, writes), values }
            })
            .collect();
        let used = |state: StateId| {
            let all =
                stacks.iter().flat_map(|(_, writes)| writes.iter().flat_map(|&w| &self.writes[w].reads));
            let mut reads: Vec<ReadId> =
                all.filter(|r| self.b.program.timeline.read(**r).state == state).copied().collect();
            reads.sort();
            reads.dedup();
            reads
        };
        let states = self.b.program.timeline.signature.state_ids();
        let used: Vec<_> = states.map(|s| (s, used(s))).filter(|(_, reads)| !reads.is_empty()).collect();
        let mut sought = Vec::new();
        for (state, reads) in used {
            let (keys, scales) = self.read_keys(state, &reads);
            let found = self.b.found(keys);
            let grams = members.iter().map(|m| self.b.gram_if_reached(keys, m.keys)).collect();
            sought.push(Sought { keys, reads: reads.into_iter().zip(scales).collect(), found, grams });
        }
        let deposits = self.b.system(System { members, sought });
        self.b.program.deposits.extend(deposits);
    }

    /// Keys of reads, and the scalar factors to go with what they find.
    fn read_keys(&mut self, state: StateId, reads: &[ReadId]) -> (KeysId, Vec<Value>) {
        let slots = reads.iter().map(|r| self.reads[r.index()].0).collect();
        (self.b.keys(state, slots), reads.iter().map(|r| self.reads[r.index()].1).collect())
    }

    /// What the reads that outputs use find.
    fn outputs(&mut self) {
        let t = &self.b.program.timeline;
        let used: Vec<ReadId> = t.outputs.iter().flat_map(|&o| reads_of(t, o)).collect();
        for state in t.signature.state_ids() {
            let of_state = |r: &ReadId| self.b.program.timeline.read(*r).state == state && used.contains(r);
            let reads: Vec<ReadId> =
                (0..self.reads.len()).map(|r| ReadId(r as u32)).filter(of_state).collect();
            if reads.is_empty() {
                continue;
            }
            let (keys, scales) = self.read_keys(state, &reads);
            let node = self.b.found(keys);
            for (slot, (r, scale)) in reads.into_iter().zip(scales).enumerate() {
                self.b.program.reads.push((r, Found { node, slot, scale }));
            }
        }
    }
}

/// Where rows are solved one after the other, and decay by channel on the way, all rows of a state are: the others too.
fn together(free: &mut [(StateId, Vec<usize>)], fed: &mut [(StateId, Vec<usize>)]) {
    for ((_, free), (_, fed)) in free.iter_mut().zip(fed).filter(|(_, (_, fed))| !fed.is_empty()) {
        fed.append(free);
        fed.sort_unstable();
    }
}

/// The reads that a value is made of, in order.
pub fn reads_of(t: &Timeline, v: Value) -> Vec<ReadId> {
    let live = t.graph.reachable([v]);
    let read = |v: Value| match t.graph.expr(v) {
        Expr::Read(r) => Some(r),
        _ => None,
    };
    let mut reads: Vec<ReadId> = t.graph.values().filter(|v| live[v.index()]).filter_map(read).collect();
    reads.sort();
    reads
}
