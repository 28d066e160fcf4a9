//! Drops what nothing uses from a chunk program, and gives what is left new numbers.
//!
//! ```text
//! M = gram(K, K);  L = gram(Q, K);  P = tap(Q) + L V        =>        L = gram(Q, K);  P = tap(Q) + L V
//! ```
//!
//! What a program leaves (deposits and found reads) is used; so is everything that something used is made of.

use super::verify::operands;
use super::{Columns, Deposit, KeysId, NodeId, Op, Program, StackId, System, SystemId};

/// The program without matrices, systems, keys and stacks that nothing uses.
pub(super) fn compact(p: &Program) -> Program {
    let mut nodes = vec![false; p.nodes.len()];
    let ends = p.deposits.iter().map(|d| d.values).chain(p.reads.iter().map(|(_, f)| f.node));
    ends.for_each(|x| nodes[x.index()] = true);
    for n in (0..nodes.len()).rev().filter(|&n| nodes[n]).collect::<Vec<_>>() {
        mark(p, n, &mut nodes);
    }
    let mut systems = vec![false; p.systems.len()];
    let mut keys = vec![false; p.keys.len()];
    p.deposits.iter().for_each(|d| keys[d.keys.index()] = true);
    for node in keep(&p.nodes, &nodes) {
        match node.op {
            Op::Gram(reads, writes)
            | Op::Plain(reads, writes)
            | Op::Decay(reads, writes, _)
            | Op::Reach { reads, writes, .. } => {
                [reads, writes].into_iter().for_each(|k| keys[k.index()] = true)
            }
            Op::Tap(reads) => keys[reads.index()] = true,
            Op::Solved(id, _) => {
                systems[id.index()] = true;
                let system = p.system(id);
                let used = system.members.iter().map(|m| m.keys).chain(system.sought.iter().map(|s| s.keys));
                used.for_each(|k| keys[k.index()] = true);
            }
            _ => {}
        }
    }
    let mut stacks = vec![false; p.stacks.len()];
    keep(&p.nodes, &nodes).iter().for_each(|n| stacks[n.rows.index()] = true);
    keep(&p.keys, &keys).iter().for_each(|k| stacks[k.stack.index()] = true);
    let kept = (renumber(&nodes), renumber(&keys), renumber(&systems), renumber(&stacks));
    rebuilt(p, (&nodes, &keys, &systems, &stacks), kept)
}

/// Marks everything that a kept matrix is made of.
fn mark(p: &Program, n: usize, nodes: &mut [bool]) {
    for x in operands(p, &p.nodes[n].op) {
        if !nodes[x.index()] {
            nodes[x.index()] = true;
            mark(p, x.index(), nodes);
        }
    }
}

type Kept<'a> = (&'a [bool], &'a [bool], &'a [bool], &'a [bool]);
type Numbers = (Vec<u32>, Vec<u32>, Vec<u32>, Vec<u32>);

fn rebuilt(p: &Program, (nodes, keys, systems, stacks): Kept<'_>, numbers: Numbers) -> Program {
    let node = |x: NodeId| NodeId(numbers.0[x.index()]);
    let key = |k: KeysId| KeysId(numbers.1[k.index()]);
    let system = |s: SystemId| SystemId(numbers.2[s.index()]);
    let stack = |s: StackId| StackId(numbers.3[s.index()]);
    let mut kept = Program {
        timeline: p.timeline.clone(),
        stacks: keep(&p.stacks, stacks),
        keys: keep(&p.keys, keys),
        nodes: keep(&p.nodes, nodes),
        systems: keep(&p.systems, systems).iter().map(|s| map_system(s, node, key)).collect(),
        deposits: p.deposits.iter().map(|d| Deposit { keys: key(d.keys), values: node(d.values) }).collect(),
        reads: p.reads.clone(),
    };
    kept.keys.iter_mut().for_each(|k| k.stack = stack(k.stack));
    for n in &mut kept.nodes {
        n.op = map(&n.op, node, key, system);
        n.rows = stack(n.rows);
        if let Columns::Rows(s) = &mut n.columns {
            *s = stack(*s);
        }
    }
    kept.reads.iter_mut().for_each(|(_, found)| found.node = node(found.node));
    kept
}

/// New numbers for what is kept.
fn renumber(kept: &[bool]) -> Vec<u32> {
    let before = |n: usize| kept[..n].iter().filter(|k| **k).count() as u32;
    (0..kept.len()).map(before).collect()
}

/// The listed items that are kept.
fn keep<T: Clone>(list: &[T], kept: &[bool]) -> Vec<T> {
    list.iter().zip(kept).filter(|(_, kept)| **kept).map(|(item, _)| item.clone()).collect()
}

/// The operation over other matrices, keys and systems.
pub(super) fn map(
    op: &Op,
    node: impl Fn(NodeId) -> NodeId,
    keys: impl Fn(KeysId) -> KeysId,
    system: impl Fn(SystemId) -> SystemId,
) -> Op {
    match op {
        Op::Values(values) => Op::Values(values.clone()),
        Op::Scale(by, x) => Op::Scale(by.clone(), node(*x)),
        Op::Add(x, y) => Op::Add(node(*x), node(*y)),
        Op::Gram(reads, writes) => Op::Gram(keys(*reads), keys(*writes)),
        Op::Plain(reads, writes) => Op::Plain(keys(*reads), keys(*writes)),
        Op::Decay(reads, writes, x) => Op::Decay(keys(*reads), keys(*writes), node(*x)),
        Op::Tap(reads) => Op::Tap(keys(*reads)),
        Op::Inverse(m) => Op::Inverse(node(*m)),
        Op::Product(x, y) => Op::Product(node(*x), node(*y)),
        Op::Reach { reads, writes, values } => {
            Op::Reach { reads: keys(*reads), writes: keys(*writes), values: node(*values) }
        }
        Op::Solved(id, member) => Op::Solved(system(*id), *member),
    }
}

pub(super) fn map_system(
    system: &System,
    node: impl Fn(NodeId) -> NodeId,
    keys: impl Fn(KeysId) -> KeysId,
) -> System {
    let mut system = system.clone();
    system.members.iter_mut().for_each(|m| m.keys = keys(m.keys));
    for sought in &mut system.sought {
        sought.keys = keys(sought.keys);
        sought.found = node(sought.found);
        sought.grams.iter_mut().flatten().for_each(|gram| *gram = node(*gram));
    }
    system
}
