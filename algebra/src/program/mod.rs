//! The chunk program: what happens to one chunk of tokens, as matrices. The compiler's middle stage.
//!
//! ```text
//! gated_deltanet       M = diag(c0) gram(K', K)             one row and column a token, strictly below the diagonal
//!                      R = diag(c1) V + diag(c0) tap(K')
//!                      U = inverse(M) R
//!                      P = tap(Q) + gram(Q, K) U
//!                      s = carry(s) + deposit(K, U)
//! ```
//!
//! Rows are tokens, or tokens times the slots of a [`Stack`]: row `t * slots + slot`. The operations that know the state's
//! decay take [`Keys`], which know where in the token they stand (`K'` is the same `k` as `K`, at a read):
//!
//! | operation | meaning |
//! |---|---|
//! | `gram(B, A)` | `L[t, s] = sum_k b_t[k] a_s[k] D(t, s)[k]` where the write `s` is before the read `t`, otherwise 0 |
//! | `plain(B, A)` | the same without the decays: `b_t . a_s` |
//! | `decay(B, A) .* X` | each entry of `X` times `D(t, s)`, one number, where `s` does not come after `t`, otherwise 0 |
//! | `tap(B)` | `p_t = S0^T (D(t, 0) * b_t)`: what a read finds of the chunk's first state |
//! | `reach(B, A, U)` | `gram(B, A) U`, where value channels decay as well: row `s` of `U` also times `E(t, s)` |
//! | `carry(S)`, `deposit(A, U)` | `D(C, 0) S0`, `sum_s (D(C, s) * a_s) u_s^T`: what the next chunk's first state is made of |
//!
//! where `D(t, s)` is the product of the decays that stand between the two on the timeline (of mixes too: a matrix between the
//! states that meet), and `E` that of the value side. Writes with feedback that is not linear are a [`System`]. Every scalar
//! factor of a key is moved to the coefficients beside it ([`derive()`]), so that reads and writes on one direction share one
//! operand, and an operand is an input as it lies in memory wherever it can be.
//!
//! Source: `math/timeline.py` of the design; the solve is the UT transform of Yang et al. 2024, arXiv 2406.06484.

mod build;
mod compact;
mod contract;
mod derive;
mod evaluate;
mod factor;
mod family;
mod matrices;
mod names;
mod part;
mod phases;
mod print;
mod share;
mod simplify;
mod verify;
mod walk;
mod work;

pub use derive::{derive, reads_of};
pub use evaluate::{Walk, forward, run};
pub use phases::{Phase, phases};
pub use print::{legend, print, print_phases};
pub use simplify::{RULES, Rule, share, simplify, simplify_by};
pub use verify::verify;
pub use walk::reaches;
pub use work::{Work, work};

use chunkwise_dsl::graph::{Dim, ReadId, StateId, Value};
use chunkwise_dsl::timeline::Timeline;

/// Rows of one kind: the same number at every token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stack {
    /// How many rows a token has.
    pub slots: usize,
}

/// A stack, by position in [`Program::stacks`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StackId(pub u32);

/// Keys, by position in [`Program::keys`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeysId(pub u32);

/// A system, by position in [`Program::systems`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SystemId(pub u32);

/// A matrix, by position in [`Program::nodes`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub u32);

impl StackId {
    /// The position.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl KeysId {
    /// The position.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl SystemId {
    /// The position.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl NodeId {
    /// The position.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One row of [`Keys`] at each token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// The read or write event that it belongs to.
    pub event: usize,
    /// How many decays of its state stand before it in the token, scalar and key-side ones.
    pub place: usize,
    /// How many value-side decays of its state stand before it in the token.
    pub value_place: usize,
    /// The direction, of the state's key shape; free of reads. `None` is a row of zeros.
    pub key: Option<Value>,
}

/// Directions in which a state is read or written, and where on the timeline.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keys {
    /// The state.
    pub state: StateId,
    /// The rows.
    pub stack: StackId,
    /// By slot of the stack.
    pub slots: Vec<Slot>,
}

/// How many columns a matrix has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Columns {
    /// One for each row of a stack.
    Rows(StackId),
    /// The value dim of a state; `None` is one column.
    Value(Option<Dim>),
}

/// How a matrix is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    /// By slot, a value of the value shape (free of reads); `None` is zero.
    Values(Vec<Option<Value>>),
    /// Each row times a number: by slot, a scalar value.
    Scale(Vec<Value>, NodeId),
    /// The sum.
    Add(NodeId, NodeId),
    /// The decayed, masked products of reads (first) and writes (second) of states that meet.
    Gram(KeysId, KeysId),
    /// The same without their state's decays.
    Plain(KeysId, KeysId),
    /// Each entry times the decays between the writes (second) and the reads or writes (first) of a state that decays by one
    /// number; 0 where the first come before the second.
    Decay(KeysId, KeysId, NodeId),
    /// What reads find of the chunk's first state.
    Tap(KeysId),
    /// `(I - M)^-1` of a matrix that is strictly lower triangular in timeline order.
    Inverse(NodeId),
    /// The matrix product.
    Product(NodeId, NodeId),
    /// What reads find of the rows that writes store in a state whose value channels decay: as `gram(reads, writes) values`, but
    /// each channel of a row also times the value-side decays between the two.
    Reach {
        /// The reads.
        reads: KeysId,
        /// The writes.
        writes: KeysId,
        /// What they store.
        values: NodeId,
    },
    /// The rows of one member of a system, by position in it.
    Solved(SystemId, usize),
}

/// Rows that are any function of what reads find of the rows before them, solved in timeline order:
///
/// ```text
/// P = found + sum_m gram_m U_m        U_m = values(P)
/// ```
///
/// Where the value channels of a state decay, the product of its gram is as in [`Op::Reach`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct System {
    /// The rows, by state.
    pub members: Vec<Member>,
    /// The reads that the rows use.
    pub sought: Vec<Sought>,
}

impl System {
    /// Which reads find which rows: the positions of both, and their gram.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize, NodeId)> + '_ {
        let of = |(s, sought): (usize, &Sought)| {
            let grams: Vec<_> = sought.grams.iter().enumerate().map(|(m, gram)| (s, m, *gram)).collect();
            grams.into_iter().filter_map(|(s, m, gram)| Some((s, m, gram?)))
        };
        self.sought.iter().enumerate().flat_map(of)
    }

    /// What its rows are, and what its reads' rows are multiplied by.
    fn roots(&self) -> Vec<Value> {
        let values = self.members.iter().flat_map(|m| m.values.iter().copied());
        values.chain(self.sought.iter().flat_map(|s| s.reads.iter().map(|r| r.1))).collect()
    }
}

/// The writes of one state in a system.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Where the rows go.
    pub keys: KeysId,
    /// By slot, what the row is: of the value shape, made of inputs and of reads of the same token.
    pub values: Vec<Value>,
}

/// The reads of one state in a system.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sought {
    /// Where they read.
    pub keys: KeysId,
    /// By slot: the read, and what its row is to be multiplied by, a scalar.
    pub reads: Vec<(ReadId, Value)>,
    /// What they find beside the system's own rows.
    pub found: NodeId,
    /// By member, the gram of the reads with its writes; `None` where they find nothing of it.
    pub grams: Vec<Option<NodeId>>,
}

/// A matrix.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// How it is made.
    pub op: Op,
    /// What its rows are.
    pub rows: StackId,
    /// What its columns are.
    pub columns: Columns,
}

/// What the writes of one stack add to a state by the chunk's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deposit {
    /// Where the rows go.
    pub keys: KeysId,
    /// The rows, `u`.
    pub values: NodeId,
}

/// One chunk of a rule. Matrices come before those made from them.
#[derive(Clone, Debug)]
pub struct Program {
    /// The rule's timeline; its graph holds the coefficients as well.
    pub timeline: Timeline,
    /// Kinds of rows.
    pub stacks: Vec<Stack>,
    /// Keys, each combination once.
    pub keys: Vec<Keys>,
    /// Matrices, each once.
    pub nodes: Vec<Node>,
    /// Rows with feedback that is not linear; their matrices are nodes, [`Op::Solved`].
    pub systems: Vec<System>,
    /// What makes the next chunk's first states, beside the carried ones.
    pub deposits: Vec<Deposit>,
    /// By read that outputs use: its rows' matrix, the slot there, and a scalar factor.
    pub reads: Vec<(ReadId, Found)>,
}

/// Where what a read finds stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// The matrix.
    pub node: NodeId,
    /// The slot of its rows.
    pub slot: usize,
    /// What the row is to be multiplied by, a scalar.
    pub scale: Value,
}

impl Program {
    /// A matrix.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Keys.
    pub fn keys(&self, id: KeysId) -> &Keys {
        &self.keys[id.index()]
    }

    /// Rows that are solved together.
    pub fn system(&self, id: SystemId) -> &System {
        &self.systems[id.index()]
    }

    /// Rows at each token.
    pub fn slots(&self, id: StackId) -> usize {
        self.stacks[id.index()].slots
    }
}
