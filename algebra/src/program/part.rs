//! What some phases of a chunk program are made of, for its printed text.
//!
//! ```text
//! before   M, L = gram(Q, K), and their keys            squares, which are made of keys alone
//! carry    R, U, the next state; M by its name
//! after    P, the outputs; U and L by their names
//! ```
//!
//! What is free of the state and no square (inputs, products with them) is made where it is needed.

use super::build::by_channel;
use super::verify::operands;
use super::{Columns, KeysId, NodeId, Op, Phase, Program, phases};
use chunkwise_dsl::graph::Value;

/// Matrices and keys, by their ids.
pub(super) struct Part {
    nodes: Vec<bool>,
    keys: Vec<bool>,
    /// Whether the next states belong to it.
    pub carries: bool,
    /// Whether the outputs do.
    pub ends: bool,
}

impl Part {
    /// Everything.
    pub(super) fn whole(p: &Program) -> Part {
        Part { nodes: vec![true; p.nodes.len()], keys: vec![true; p.keys.len()], carries: true, ends: true }
    }

    /// What these phases compute.
    pub(super) fn of(p: &Program, wanted: &[Phase]) -> Part {
        let has = |phase: Phase| wanted.contains(&phase);
        let phases = phases(p);
        let here = |id: NodeId| match phases[id.index()] {
            Phase::Before => has(Phase::Before) || !is_square(p, id),
            phase => has(phase),
        };
        let deposits = || p.deposits.iter().filter(|_| has(Phase::Carry));
        let reads = p.reads.iter().filter(|_| has(Phase::After));
        let mut open: Vec<NodeId> = deposits().map(|d| d.values).chain(reads.map(|r| r.1.node)).collect();
        open.extend(crossing(p).into_iter().filter(|_| has(Phase::Before)));
        let mut nodes = vec![false; p.nodes.len()];
        let mut keys = vec![false; p.keys.len()];
        deposits().for_each(|d| keys[d.keys.index()] = true);
        while let Some(id) = open.pop() {
            if here(id) && !std::mem::replace(&mut nodes[id.index()], true) {
                let op = &p.node(id).op;
                open.extend(operands(p, op));
                keys_of(p, op).into_iter().for_each(|k| keys[k.index()] = true);
            }
        }
        Part { nodes, keys, carries: has(Phase::Carry), ends: has(Phase::After) }
    }

    /// Whether a matrix is made here.
    pub(super) fn makes(&self, id: NodeId) -> bool {
        self.nodes[id.index()]
    }

    /// Whether keys are used here.
    pub(super) fn uses(&self, id: KeysId) -> bool {
        self.keys[id.index()]
    }

    /// How the matrices that are made here are made.
    pub(super) fn ops<'a>(&'a self, p: &'a Program) -> impl Iterator<Item = &'a Op> {
        p.nodes.iter().zip(&self.nodes).filter(|(_, made)| **made).map(|(node, _)| &node.op)
    }

    /// The values that its text shows.
    pub(super) fn roots(&self, p: &Program) -> Vec<Value> {
        let of_op = |op: &Op| match op {
            Op::Values(values) => values.iter().flatten().copied().collect(),
            Op::Scale(by, _) => by.clone(),
            Op::Solved(system, _) => p.system(*system).roots(),
            _ => Vec::new(),
        };
        let keys = p.keys.iter().zip(&self.keys).filter(|(_, used)| **used);
        let ends = p.reads.iter().map(|(_, found)| found.scale).chain(p.timeline.outputs.iter().copied());
        let of_keys = keys.flat_map(|(keys, _)| keys.slots.iter().filter_map(|slot| slot.key));
        self.ops(p).flat_map(of_op).chain(of_keys).chain(ends.filter(|_| self.ends)).collect()
    }
}

/// The squares that later phases take from the first, those that are solved with among them. Where channels of rows decay, no square
/// says what reads find of them.
pub(super) fn crossing(p: &Program) -> Vec<NodeId> {
    let phases = phases(p);
    let says = |id: NodeId| match p.node(id).op {
        Op::Gram(_, writes) => !by_channel(&p.timeline, p.keys(writes).state),
        _ => true,
    };
    let takes = |op: &Op, columns| matches!(columns, Columns::Value(_)) || matches!(op, Op::Inverse(_));
    let crosses = |id: NodeId| {
        let mut users = p.nodes.iter().filter(|node| operands(p, &node.op).contains(&id));
        users.any(|node| takes(&node.op, node.columns))
    };
    let early = |id: NodeId| phases[id.index()] == Phase::Before && is_square(p, id);
    let ids = (0..p.nodes.len() as u32).map(NodeId);
    ids.filter(|id| early(*id) && says(*id) && crosses(*id)).collect()
}

/// Whether a matrix has a column for each row of a stack. An inverse is none: what is inverted is solved with where it is needed.
fn is_square(p: &Program, id: NodeId) -> bool {
    matches!(p.node(id).columns, Columns::Rows(_)) && !matches!(p.node(id).op, Op::Inverse(_))
}

fn keys_of(p: &Program, op: &Op) -> Vec<KeysId> {
    match op {
        Op::Gram(reads, writes)
        | Op::Plain(reads, writes)
        | Op::Decay(reads, writes, _)
        | Op::Reach { reads, writes, .. } => vec![*reads, *writes],
        Op::Tap(reads) => vec![*reads],
        Op::Solved(system, _) => {
            let system = p.system(*system);
            system.sought.iter().map(|s| s.keys).chain(system.members.iter().map(|m| m.keys)).collect()
        }
        Op::Values(_) | Op::Scale(..) | Op::Add(..) | Op::Inverse(_) | Op::Product(..) => Vec::new(),
    }
}
