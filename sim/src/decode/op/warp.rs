//! What lanes do together: atomics, shuffles, votes, reductions, barriers, tensor cores.
//!
//! ```text
//! shfl.sync.bfly.b32      ShuffleMode::Bfly          bar.red.popc.u32 %r1, 0, %p1      BarrierOp::Popc(r1, p1)
//! ```
//!
//! Source: PTX ISA, sections "Parallel Synchronization and Communication Instructions" and "Warp Level Matrix
//! Multiply-Accumulate Instructions".

use super::{Dst, Logic, Pred, Reg32, Src, SrcPred};
use crate::math::tensor::{Mma, Shape};

/// An atomic operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum AtomicOp {
    Add,
    Min,
    Max,
    And,
    Or,
    Xor,
    Inc,
    Dec,
    Exchange,
    CompareSwap,
}

/// Which lane a shuffle reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum ShuffleMode {
    Up,
    Down,
    Bfly,
    Idx,
}

/// What a vote asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum VoteMode {
    All,
    Any,
    Uni,
}

/// How `redux.sync` combines (signedness stands beside it).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum ReduceOp {
    Add,
    Min,
    Max,
    And,
    Or,
    Xor,
}

/// A block barrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BarrierOp {
    /// `.sync`: arrive and wait.
    Sync,
    /// `.arrive`: arrive only.
    Arrive,
    /// `.red.popc`: how many threads of the barrier have the predicate.
    Popc(Reg32, SrcPred),
    /// `.red.and`, `.red.or`: whether all, or any, have it.
    Vote(Logic, Pred, SrcPred),
}

/// What a tensor core multiplies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Multiplier {
    /// Anything but f64: all registers are of the 32-bit bank.
    Word(Mma),
    /// f64: all registers are of the 64-bit bank.
    Double,
}

/// `mma.sync`: `D = A B + C` with A in row-major and B in column-major fragments. Registers come in the ISA's order.
#[derive(Clone, PartialEq, Debug)]
pub struct Multiply {
    /// m, n, k.
    pub shape: Shape,
    /// The element types; math executes it.
    pub multiplier: Multiplier,
    /// D: as many as C.
    pub d: Box<[Dst]>,
    /// A.
    pub a: Box<[Src]>,
    /// B.
    pub b: Box<[Src]>,
    /// C.
    pub c: Box<[Src]>,
}
