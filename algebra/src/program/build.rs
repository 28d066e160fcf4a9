//! Adds to a chunk program: every kind of rows, key stack and matrix once.

use super::walk::reaches;
use super::{
    Columns, Deposit, Keys, KeysId, Node, NodeId, Op, Program, Slot, Stack, StackId, System, SystemId,
};
use chunkwise_dsl::graph::{StateId, Value};
use chunkwise_dsl::timeline::{Event, Side, Timeline};

/// A program in the making.
pub(super) struct Builder {
    pub program: Program,
    /// `reaches[j][i]`: whether what is put into state `j` can come to stand in state `i`.
    reaches: Vec<Vec<bool>>,
}

impl Builder {
    pub(super) fn new(timeline: &Timeline) -> Self {
        let program = Program {
            timeline: timeline.clone(),
            stacks: Vec::new(),
            keys: Vec::new(),
            nodes: Vec::new(),
            systems: Vec::new(),
            deposits: Vec::new(),
            reads: Vec::new(),
        };
        Builder { program, reaches: reaches(timeline) }
    }

    pub(super) fn number(&mut self, x: f64) -> Value {
        self.program.timeline.graph.constant(x)
    }

    /// Stacks of one length are one kind of rows.
    fn stack(&mut self, slots: usize) -> StackId {
        StackId(position(&mut self.program.stacks, Stack { slots }))
    }

    pub(super) fn keys(&mut self, state: StateId, slots: Vec<Slot>) -> KeysId {
        let stack = self.stack(slots.len());
        KeysId(position(&mut self.program.keys, Keys { state, stack, slots }))
    }

    pub(super) fn node(&mut self, op: Op, rows: StackId, columns: Columns) -> NodeId {
        NodeId(position(&mut self.program.nodes, Node { op, rows, columns }))
    }

    /// The columns of what the keys' state stores.
    pub(super) fn value_columns(&self, keys: KeysId) -> Columns {
        Columns::Value(self.program.timeline.form(self.program.keys(keys).state).value)
    }

    pub(super) fn gram(&mut self, reads: KeysId, writes: KeysId) -> NodeId {
        let (rows, columns) = (self.program.keys(reads).stack, self.program.keys(writes).stack);
        self.node(Op::Gram(reads, writes), rows, Columns::Rows(columns))
    }

    fn reached(&self, reads: KeysId, writes: KeysId) -> bool {
        let (from, to) = (self.program.keys(writes).state, self.program.keys(reads).state);
        self.reaches[from.index()][to.index()]
    }

    /// The matrix of reads and writes, where the one can find the other.
    pub(super) fn gram_if_reached(&mut self, reads: KeysId, writes: KeysId) -> Option<NodeId> {
        self.reached(reads, writes).then(|| self.gram(reads, writes))
    }

    /// `tap(B) + sum gram(B, A) U` over what has been deposited so far.
    pub(super) fn found(&mut self, reads: KeysId) -> NodeId {
        let (rows, columns) = (self.program.keys(reads).stack, self.value_columns(reads));
        let mut found = self.node(Op::Tap(reads), rows, columns);
        for Deposit { keys, values } in self.program.deposits.clone() {
            if !self.reached(reads, keys) {
                continue;
            }
            let inside = match by_channel(&self.program.timeline, self.program.keys(keys).state) {
                true => Op::Reach { reads, writes: keys, values },
                false => Op::Product(self.gram(reads, keys), values),
            };
            let inside = self.node(inside, rows, columns);
            found = self.node(Op::Add(found, inside), rows, columns);
        }
        found
    }

    /// Adds a system, and says what its members leave in their states.
    pub(super) fn system(&mut self, system: System) -> Vec<Deposit> {
        let id = SystemId(self.program.systems.len() as u32);
        let keys: Vec<KeysId> = system.members.iter().map(|m| m.keys).collect();
        self.program.systems.push(system);
        let deposit = |(member, keys): (usize, KeysId)| {
            let (rows, columns) = (self.program.keys(keys).stack, self.value_columns(keys));
            Deposit { keys, values: self.node(Op::Solved(id, member), rows, columns) }
        };
        keys.into_iter().enumerate().map(deposit).collect()
    }

    /// Each row times a number; rows times 1 are themselves.
    pub(super) fn scale(&mut self, coefficients: Vec<Value>, x: NodeId) -> NodeId {
        let g = &self.program.timeline.graph;
        if coefficients.iter().all(|c| g.literal(*c) == Some(1.0)) {
            return x;
        }
        let Node { rows, columns, .. } = *self.program.node(x);
        self.node(Op::Scale(coefficients, x), rows, columns)
    }

    pub(super) fn add(&mut self, x: Option<NodeId>, y: NodeId) -> NodeId {
        let Some(x) = x else { return y };
        let Node { rows, columns, .. } = *self.program.node(x);
        self.node(Op::Add(x, y), rows, columns)
    }
}

/// Whether a decay acts on the value channels of a state.
pub(super) fn by_channel(t: &Timeline, state: StateId) -> bool {
    t.events.iter().any(|e| match e {
        Event::Decay { state: s, factor } => *s == state && t.side(state, factor.value()) == Side::Value,
        _ => false,
    })
}

/// Whether a state meets no other and decays by one number, or not.
pub(super) fn by_number(t: &Timeline, state: StateId) -> bool {
    let numbers = t.events.iter().all(|e| match e {
        Event::Decay { state: s, factor } => *s != state || t.side(state, factor.value()) == Side::Scalar,
        _ => true,
    });
    numbers && !t.coupled()[state.index()]
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
