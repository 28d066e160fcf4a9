//! States that meet in mixes: between two places of the timeline stands a small matrix of numbers instead of one number.
//!
//! ```text
//! m *= eta;  s = (1 - alpha) * s + m       A = [[1 - alpha, eta], [0, eta]]        a token's matrix, of (s, m)
//! a read of s, before all of it:           row s of the identity                   since its token's begin
//! a write to m, between the two:           column m of [[1 - alpha, 1], [0, 1]]    until its token's end
//! ```
//!
//! Products of these over tokens are made once a chunk, by the tree of runs (`mixes.cuh`).
//!
//! Source: `math/coupled.py` of the design.

use super::channels::decay_of;
use super::choose::not_fused;
use super::plan::{Own, Plan};
use crate::kernel::Limitation;
use chunkwise_algebra::program::{KeysId, NodeId, Op, Program, reaches};
use chunkwise_dsl::graph::{Binary, Graph, Shape, StateId, Value};
use chunkwise_dsl::timeline::{Event, Timeline};

/// A small matrix of numbers; `None` is 0.
type Matrix = Vec<Vec<Option<Value>>>;

/// States that meet, and what a token does to them.
#[derive(Clone, PartialEq, Debug)]
pub struct Mixing {
    /// The states.
    pub states: Vec<StateId>,
    /// The matrix of a token, row after row.
    pub token: Vec<Value>,
    /// The keys of these states.
    pub tables: Vec<Table>,
}

/// What stands between rows of keys and the begin (of reads) or the end (of writes) of their token, or of a run of tokens.
#[derive(Clone, PartialEq, Debug)]
pub struct Table {
    /// The keys.
    pub keys: KeysId,
    /// Whether they are writes.
    pub writes: bool,
    /// Slots a token.
    pub slots: usize,
    /// Inside the token: by state and slot.
    pub vectors: Vec<Value>,
}

/// The states that meet, directly or through others; each list in order.
fn groups(t: &Timeline) -> Vec<Vec<StateId>> {
    let (coupled, reaches) = (t.coupled(), reaches(t));
    let mut groups: Vec<Vec<StateId>> = Vec::new();
    for state in t.signature.state_ids().filter(|s| coupled[s.index()]) {
        let meets = |s: &StateId| reaches[s.index()][state.index()] || reaches[state.index()][s.index()];
        let (with, others): (Vec<_>, Vec<_>) = groups.into_iter().partition(|g| g.iter().any(meets));
        groups = others;
        groups.push(with.concat().into_iter().chain([state]).collect());
    }
    groups.iter_mut().for_each(|group| group.sort());
    groups
}

/// What the plan cannot say of states that meet.
pub(super) fn supported(chunk: &Program) -> Result<(), Limitation> {
    let t = &chunk.timeline;
    let coupled = t.coupled();
    let scalar = |v: &Value| t.graph.shape(*v) == Shape::Scalar;
    for event in &t.events {
        match event {
            Event::Mix { matrix, .. } if !matrix.iter().flatten().flatten().all(scalar) => {
                return not_fused(t, "mixes states by vectors");
            }
            Event::Decay { state, factor } if coupled[state.index()] && !scalar(&factor.value()) => {
                return not_fused(t, "decays coupled states by channel");
            }
            _ => {}
        }
    }
    match t.signature.state_ids().all(|s| !coupled[s.index()] || t.form(s).value.is_some()) {
        true => Ok(()),
        false => not_fused(t, "has coupled vector states"),
    }
}

impl Plan {
    /// What a state's group does, with its number.
    pub fn mixing_of(&self, state: StateId) -> Option<(usize, &Mixing)> {
        self.mixings.iter().enumerate().find(|(_, mixing)| mixing.states.contains(&state))
    }

    /// The table of keys: the number of its mixing, and its own.
    pub fn table_of(&self, keys: KeysId) -> Option<(usize, usize)> {
        let (at, mixing) = self.mixing_of(self.chunk.keys(keys).state)?;
        Some((at, mixing.tables.iter().position(|table| table.keys == keys)?))
    }

    /// Numbers of a table: a level for each length of a run, a vector for each row.
    pub fn table_floats(&self, mixing: &Mixing, table: &Table) -> u32 {
        let levels = self.tokens.ilog2() + 1;
        levels * self.rows(table.slots) * mixing.states.len() as u32
    }

    pub(super) fn take_mixings(&mut self) {
        self.chunk.timeline.graph.constant(0.0);
        for states in groups(&self.chunk.timeline) {
            let is_mine = |keys: &KeysId| states.contains(&self.chunk.keys(*keys).state);
            let mine: Vec<KeysId> = self.key_ids().filter(is_mine).collect();
            let tables = mine.into_iter().map(|keys| self.table(&states, keys)).collect();
            let end = self.chunk.timeline.events.len();
            let token = between(&mut self.chunk.timeline, &states, 0, end).concat();
            let token = self.numbers(&token);
            for at in 0..self.chunk.nodes.len() {
                if let Op::Gram(reads, writes) = self.chunk.nodes[at].op
                    && states.contains(&self.chunk.keys(reads).state)
                {
                    let values = self.pairs(&states, reads, writes);
                    self.own.push(Own { gram: NodeId(at as u32), values });
                }
            }
            self.mixings.push(Mixing { states, token, tables });
        }
    }

    fn table(&mut self, states: &[StateId], keys: KeysId) -> Table {
        let writes = self.are_written(keys);
        let (slots, at) = (self.chunk.keys(keys).slots.clone(), self.position(states, keys));
        let end = self.chunk.timeline.events.len();
        let t = &mut self.chunk.timeline;
        let vector = |event: usize| -> Vec<Option<Value>> {
            match writes {
                true => between(t, states, event, end).iter().map(|row| row[at]).collect(),
                false => between(t, states, 0, event).swap_remove(at),
            }
        };
        let vectors: Vec<Vec<Option<Value>>> = slots.iter().map(|slot| slot.event).map(vector).collect();
        let by_state = (0..states.len()).flat_map(|i| vectors.iter().map(move |v| v[i]));
        let vectors: Vec<Option<Value>> = by_state.collect();
        Table { keys, writes, slots: slots.len(), vectors: self.numbers(&vectors) }
    }

    fn position(&self, states: &[StateId], keys: KeysId) -> usize {
        states.iter().position(|s| *s == self.chunk.keys(keys).state).unwrap_or(0)
    }

    /// What reads find of writes of their own token, without the product of their keys.
    fn pairs(&mut self, states: &[StateId], reads: KeysId, writes: KeysId) -> Vec<Option<Value>> {
        let (to, from) = (self.position(states, reads), self.position(states, writes));
        let (b, a) = (self.chunk.keys(reads).slots.clone(), self.chunk.keys(writes).slots.clone());
        let t = &mut self.chunk.timeline;
        let mut pairs = Vec::new();
        for read in &b {
            for write in &a {
                let before = write.event < read.event;
                pairs.push(match before {
                    true => between(t, states, write.event, read.event)[to][from],
                    false => None,
                });
            }
        }
        pairs
    }
}

/// The matrix of a token's events `first`.. and before `end`.
fn between(t: &mut Timeline, states: &[StateId], first: usize, end: usize) -> Matrix {
    let n = states.len();
    let one = t.graph.constant(1.0);
    let mut product: Matrix = (0..n).map(|i| (0..n).map(|j| (i == j).then_some(one)).collect()).collect();
    for event in &t.events[first..end] {
        match event {
            Event::Decay { state, factor } => {
                let Some(at) = states.iter().position(|s| s == state) else { continue };
                let factor = decay_of(&mut t.graph, *factor);
                product[at].iter_mut().for_each(|x| *x = x.map(|x| multiply(&mut t.graph, factor, x)));
            }
            Event::Mix { states: mixed, matrix } => {
                let old = product.clone();
                for (state, row) in mixed.iter().zip(matrix) {
                    let Some(to) = states.iter().position(|s| s == state) else { continue };
                    for column in 0..n {
                        let terms = mixed.iter().zip(row).filter_map(|(from, by)| {
                            let from = states.iter().position(|s| s == from)?;
                            Some(((*by)?, old[from][column]?))
                        });
                        let terms: Vec<_> = terms.collect();
                        product[to][column] = sum(&mut t.graph, &terms);
                    }
                }
            }
            Event::Read(_) | Event::Write { .. } => {}
        }
    }
    product
}

fn sum(g: &mut Graph, terms: &[(Value, Value)]) -> Option<Value> {
    terms.iter().fold(None, |sum, (x, y)| {
        let term = multiply(g, *x, *y);
        Some(sum.map_or(term, |sum| g.binary(Binary::Add, sum, term).unwrap_or(term)))
    })
}

fn multiply(g: &mut Graph, x: Value, y: Value) -> Value {
    match (g.literal(x), g.literal(y)) {
        (Some(1.0), _) => y,
        (_, Some(1.0)) => x,
        _ => g.binary(Binary::Mul, x, y).unwrap_or(y),
    }
}
