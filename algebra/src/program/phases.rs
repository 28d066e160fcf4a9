//! The cut of a chunk program by dependence on the carried state.
//!
//! ```text
//! before   M = diag(c) gram(K, K);  inverse(M);  gram(Q, K)        all chunks at once
//! carry    R = diag(c) (V - tap(K));  U = inverse(M) R             chunk after chunk: the next state is made of U
//! after    P = tap(Q) + gram(Q, K) U                               all chunks at once, from each chunk's first state
//! ```
//!
//! Nothing here knows a rule: a matrix depends on the state where it taps it, or is made of one that does.

use super::verify::operands;
use super::{Op, Program};

/// When a matrix can be computed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// It is free of the carried state.
    Before,
    /// It depends on the carried state, and the next chunk's first state depends on it.
    Carry,
    /// It depends on the carried state, and no later state depends on it.
    After,
}

/// The phase of each matrix.
pub fn phases(p: &Program) -> Vec<Phase> {
    let mut depends: Vec<bool> = Vec::new();
    for node in &p.nodes {
        let taps = matches!(node.op, Op::Tap(_));
        depends.push(taps || operands(p, &node.op).iter().any(|x| depends[x.index()]));
    }
    let mut feeds = vec![false; p.nodes.len()];
    p.deposits.iter().for_each(|d| feeds[d.values.index()] = true);
    for n in (0..p.nodes.len()).rev() {
        if feeds[n] {
            operands(p, &p.nodes[n].op).iter().for_each(|x| feeds[x.index()] = true);
        }
    }
    let phase = |(depends, feeds): (bool, bool)| match (depends, feeds) {
        (false, _) => Phase::Before,
        (true, true) => Phase::Carry,
        (true, false) => Phase::After,
    };
    depends.into_iter().zip(feeds).map(phase).collect()
}
