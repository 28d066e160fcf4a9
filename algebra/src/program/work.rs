//! What the matrix products of a chunk program cost, counted from its operations.
//!
//! ```text
//! gram, plain    2 R W K
//! tap, deposit   2 R K V, for each state that is found or ends so
//! product        2 R N V
//! inverse        N^3 / 3
//! ```
//!
//! Every matrix is counted as full; a kernel that skips what is above the diagonal does less. Products of one number a row, sums,
//! decays and what a token computes on its own are not counted.

use super::walk::reaches;
use super::{Columns, KeysId, Op, Program, StackId};
use chunkwise_dsl::graph::{Dim, StateId};

/// Floating-point operations (a multiplication and an addition are two) of one chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Work {
    /// Products of keys.
    pub grams: u64,
    /// Taps, deposits.
    pub with_state: u64,
    /// Products of matrices with rows of values.
    pub inside: u64,
    /// Inverses.
    pub inverses: u64,
}

impl Work {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.grams + self.with_state + self.inside + self.inverses
    }
}

/// Counts the work of one chunk of `tokens` tokens; `sizes` by [`Dim`].
pub fn work(p: &Program, sizes: &[usize], tokens: usize) -> Work {
    let reaches = reaches(&p.timeline);
    let size = |dim: Option<Dim>| dim.map_or(1, |d| sizes.get(d.index()).copied().unwrap_or(1) as u64);
    let rows = |stack: StackId| (tokens * p.slots(stack)) as u64;
    let rows_of = |keys: KeysId| rows(p.keys(keys).stack);
    let key = |keys: KeysId| size(p.timeline.form(p.keys(keys).state).key);
    let value = |keys: KeysId| size(p.timeline.form(p.keys(keys).state).value);
    let columns = |c: Columns| match c {
        Columns::Rows(stack) => rows(stack),
        Columns::Value(dim) => size(dim),
    };
    let ids = || p.timeline.signature.state_ids();
    let sources = |to: StateId| ids().filter(|from| reaches[from.index()][to.index()]).count() as u64;
    let targets = |from: StateId| ids().filter(|to| reaches[from.index()][to.index()]).count() as u64;
    let mut work = Work::default();
    for node in &p.nodes {
        match &node.op {
            Op::Gram(reads, writes) | Op::Plain(reads, writes) => {
                work.grams += 2 * rows_of(*reads) * rows_of(*writes) * key(*reads)
            }
            Op::Tap(reads) => {
                work.with_state +=
                    2 * rows_of(*reads) * key(*reads) * value(*reads) * sources(p.keys(*reads).state)
            }
            Op::Inverse(_) => work.inverses += rows(node.rows).pow(3) / 3,
            Op::Product(left, _) => {
                work.inside += 2 * rows(node.rows) * columns(p.node(*left).columns) * columns(node.columns)
            }
            Op::Reach { reads, writes, .. } => {
                work.grams += 2 * rows_of(*reads) * rows_of(*writes) * key(*reads);
                work.inside += 2 * rows_of(*reads) * rows_of(*writes) * columns(node.columns);
            }
            Op::Values(_) | Op::Scale(..) | Op::Add(..) | Op::Decay(..) | Op::Solved(..) => {}
        }
    }
    for system in &p.systems {
        for sought in &system.sought {
            for (member, _) in system.members.iter().zip(&sought.grams).filter(|(_, gram)| gram.is_some()) {
                work.inside += 2 * rows_of(sought.keys) * rows_of(member.keys) * value(sought.keys);
            }
        }
    }
    for deposit in &p.deposits {
        let (keys, state) = (deposit.keys, p.keys(deposit.keys).state);
        work.with_state += 2 * rows_of(keys) * key(keys) * value(keys) * targets(state);
    }
    work
}
