//! What a block of the fused plan keeps, and where: tiles, rows of coefficients, squares, shared memory.
//!
//! ```text
//! gated_deltanet   inputs       q, k: 64 x 128    v: 64 x 128 of this block
//!                  coefficients c0 = -(beta * rsqrt(..) * rsqrt(..)), ..     a number a row, f32
//!                  clock        s: exp(g), once a token
//!                  squares      M, which rows are solved with; gram(Q, K)
//! ```
//!
//! An operand that is an input as it lies in memory has no tile of its own. Pure data: the printer decides nothing.

use super::channels::ChannelClock;
use super::choose::states_of;
use super::cut::Cut;
use super::mixes::Mixing;
use super::substitution::Substitution;
use crate::dtype::DType;
use crate::kernel::Ends;
use crate::layout::Layout;
use crate::program;
use crate::schedule::Unit;
use chunkwise_algebra::program::{Found, KeysId, NodeId, Op, Program};
use chunkwise_dsl::graph::{Dim, ParamId, StateId, Value};
use chunkwise_dsl::timeline::Factor;

/// Value columns of a warp.
pub const WARP_COLUMNS: u32 = 16;

/// Rows of a vector input in shared memory: `tokens * slots` of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Input {
    /// The parameter.
    pub param: ParamId,
    /// Entries of the array, or 1.
    pub slots: u32,
    /// The dim.
    pub dim: Dim,
    /// Columns of the tile, a multiple of 16.
    pub columns: u32,
    /// Numbers that one copy brings.
    pub run: u32,
}

/// Who reads a scalar input, and so who copies it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reader {
    /// The group of lanes of a token: [`Plan::prologue`].
    Tokens,
    /// The last warp, a token a lane: [`Plan::decays`].
    Decays,
}

/// A scalar input in shared memory: `tokens * slots` numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Number {
    /// The parameter.
    pub param: ParamId,
    /// Entries of the array, or 1.
    pub slots: u32,
    /// Who reads it.
    pub reader: Reader,
}

/// Rows of 16-bit numbers that a product takes: keys, or the values of writes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operand {
    /// By slot; `None` is a row of zeros.
    pub rows: Vec<Option<Value>>,
    /// The dim.
    pub dim: Dim,
    /// Columns of the tile, a multiple of 16.
    pub columns: u32,
    /// The input that it is, by position in [`Plan::inputs`]; otherwise it is computed, token by token.
    pub alias: Option<usize>,
}

/// A number for each row of a stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coefficient {
    /// By slot, a scalar.
    pub values: Vec<Value>,
}

/// The decays of states that decay alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Clock {
    /// The states.
    pub states: Vec<StateId>,
    /// How they enter the products.
    pub kind: ClockKind,
}

/// How a state's decays enter the products.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClockKind {
    /// One number a token and factor: cumulative, applied to accumulators.
    Scalar {
        /// The token's decays in order.
        factors: Vec<Factor>,
        /// Every combination of places that keys stand at, by slot: each has its rows of decays.
        places: Vec<Vec<usize>>,
        /// Whether a factor may be negative, so that signs are kept beside the logarithms.
        signed: bool,
    },
    /// One number a token and key channel, all factors as one: applied to keys, run by run (`keys.cuh`).
    ByChannel {
        /// The decay itself, not its logarithm.
        decay: Value,
        /// Columns of its rows.
        columns: u32,
        /// Tokens of a run in which decays are proven not to vanish: there one product does for all lengths. 1 where nothing
        /// is proven.
        span: u32,
    },
}

/// Keys of a state that decays by channel, as products take them: multiplied by decays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decayed {
    /// The keys.
    pub keys: KeysId,
    /// Their rows, by position in [`Plan::operands`].
    pub operand: usize,
    /// Whether they are a write's.
    pub writes: bool,
    /// Bit `slot`: whether it stands after the token's decay.
    pub after: u32,
}

/// What reads find of writes of their own token, where the state decays by channel: a number for each read row and write slot.
/// Of states that meet, what stands between the two, without the product of their keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Own {
    /// The Gram matrix.
    pub gram: NodeId,
    /// By `read slot * write slots + write slot`; `None` where the write comes after the read.
    pub values: Vec<Option<Value>>,
}

/// A chunk's square matrix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Square {
    /// Its node: a product's left side.
    pub node: NodeId,
    /// What it is made from: itself, or what it is with decays beside others.
    pub base: NodeId,
    /// The rows between which it decays, where that is not itself.
    pub decay: Option<(KeysId, KeysId)>,
    /// The matrix `M` of linear feedback, where the base is the inverse of `I - M`: rows are solved with it (`solve.cuh`).
    pub feedback: Option<NodeId>,
    /// Rows.
    pub rows: u32,
    /// Columns.
    pub columns: u32,
}

/// The warps that hold a state, 16 value columns each. A vector state has one column: one warp works on it beside its own
/// columns, and between chunks it lies in shared memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The state.
    pub state: StateId,
    /// The first warp.
    pub first: u32,
    /// How many.
    pub warps: u32,
    /// Its value dim, where it has one.
    pub value: Option<Dim>,
}

/// What outputs are made of, where they are more than reads.
#[derive(Clone, PartialEq, Debug)]
pub struct Epilogue {
    /// A token's outputs, in order.
    pub program: program::Program,
    /// Matrices of reads that it takes, in order; each has rows in shared memory, in f32.
    pub reads: Vec<NodeId>,
}

/// The plan of a kernel.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The chunk program.
    pub chunk: Program,
    /// What of it this kernel computes.
    pub cut: Cut,
    /// Tokens of a chunk, a multiple of 16.
    pub tokens: u32,
    /// Chunks whose inputs are in shared memory at one time: with 2, the next chunk's arrive while this one is computed.
    pub stages: u32,
    /// Warps in a block.
    pub warps: u32,
    /// Those of a matrix state: 16 value columns each.
    pub value_warps: u32,
    /// Warps that share a block of 16 tokens, where states decay by channel: each has columns of its own, 64 at a time.
    pub near_parts: u32,
    /// The first warps, where they prepare the next chunk while the others do this one (`roles`); 0 where all do all.
    pub preparing: u32,
    /// Who holds which state.
    pub owners: Vec<Owner>,
    /// What the kernel is called, after the rule.
    pub part: &'static str,
    /// What a block walks the chunks of.
    pub unit: Unit,
    /// By state, what it begins as and where it goes.
    pub ends: Vec<Ends>,
    /// Blocks that share one state.
    pub blocks: u32,
    /// The type of operands.
    pub operand: DType,
    /// The type of token vectors.
    pub dtype: DType,
    /// Whether operands are split in two where rounding loses anything.
    pub split: bool,
    /// Whether computed operands are in one part for want of room.
    pub lean: bool,
    /// See [`Arch::pairs_floats`](crate::arch::Arch::pairs_floats).
    pub pairs_floats: bool,
    /// The dim of keys, and of values.
    pub dims: (Dim, Dim),
    /// Vector inputs.
    pub inputs: Vec<Input>,
    /// Scalar inputs of the prologue and of decays.
    pub numbers: Vec<Number>,
    /// Keys and values.
    pub operands: Vec<Operand>,
    /// Coefficients.
    pub coefficients: Vec<Coefficient>,
    /// Decays.
    pub clocks: Vec<Clock>,
    /// Decays of value channels.
    pub channel_clocks: Vec<ChannelClock>,
    /// States that meet.
    pub mixings: Vec<Mixing>,
    /// Keys of states that decay by channel.
    pub decayed: Vec<Decayed>,
    /// Gram matrices of states that decay by channel, each with what they hold within tokens.
    pub own: Vec<Own>,
    /// Square matrices, in order.
    pub squares: Vec<Square>,
    /// Feedback that is not linear, by system.
    pub substitutions: Vec<Substitution>,
    /// The operand whose tile outputs leave through; otherwise they have a tile of their own.
    pub output: Option<usize>,
    /// What outputs are made of; `None` where each is a read.
    pub epilogue: Option<Epilogue>,
    /// What is computed of each token before the products, as a token program; its outputs are [`Plan::roots`].
    pub prologue: program::Program,
    /// What the prologue's outputs are, in order.
    pub roots: Vec<Root>,
    /// Scalar decays that are made of scalars only: one warp computes them, a token a lane. Its outputs are
    /// [`Plan::decay_roots`].
    pub decays: program::Program,
    /// What the outputs of [`Plan::decays`] are.
    pub decay_roots: Vec<Root>,
    /// Where the prologue's numbers live: a group of lanes a token.
    pub layout: Layout,
}

/// What an output of the prologue is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Root {
    /// A slot of a coefficient.
    Coefficient(usize, usize),
    /// A slot of a computed operand.
    Operand(usize, usize),
    /// A decay of a scalar clock.
    Decay(usize, usize),
    /// The decay of a clock by channel.
    DecayRow(usize),
    /// The decay of a clock of value channels.
    ChannelRow(usize),
    /// An entry of a token's matrix.
    Mix(usize, usize),
    /// A number of a table of a mixing, inside the token.
    MixVector(usize, usize, usize),
    /// A number of [`Plan::own`].
    Own(usize, usize),
}

impl Plan {
    /// Whether the rows that a token's lanes share are of 16-bit numbers, all of them.
    pub(super) fn has_short_rows(&self) -> bool {
        let by_channel = |clock: &Clock| matches!(clock.kind, ClockKind::ByChannel { .. });
        let decays = self.clocks.iter().any(by_channel) || !self.channel_clocks.is_empty();
        let reads = self.epilogue.is_some() || !self.substitutions.is_empty();
        self.dtype != DType::F32 && !decays && !reads
    }

    /// Tokens of a run in which no decay by channel of any state vanishes.
    pub fn span(&self) -> u32 {
        let spans = self.clocks.iter().filter_map(|clock| match clock.kind {
            ClockKind::ByChannel { span, .. } => Some(span),
            ClockKind::Scalar { .. } => None,
        });
        spans.min().unwrap_or(1)
    }

    /// Columns of a tile of this dim: all of a key dim, the block's of the value dim.
    pub fn columns(&self, dim: Dim) -> u32 {
        if dim == self.dims.1 {
            self.value_warps * WARP_COLUMNS
        } else {
            self.layout.axis(dim).size.div_ceil(16) * 16
        }
    }

    /// Rows of a stack in a chunk.
    pub fn rows(&self, slots: usize) -> u32 {
        self.tokens * slots as u32
    }

    /// The values of a vector state's writes, by slot: one number each.
    pub fn numbers(&self, rows: &[Option<Value>]) -> Vec<Value> {
        let mut g = self.chunk.timeline.graph.clone();
        let zero = g.constant(0.0);
        rows.iter().map(|v| v.unwrap_or(zero)).collect()
    }

    /// What the rows of reads are multiplied by before they leave, by slot; `None` where nothing is.
    pub fn scale_of(&self, node: NodeId) -> Option<Vec<Value>> {
        let mut reads: Vec<_> =
            self.chunk.reads.iter().filter(|(_, f)| f.node == node).map(|(_, f)| f).collect();
        reads.sort_by_key(|f| f.slot);
        let g = &self.chunk.timeline.graph;
        let scales: Vec<Value> = reads.iter().map(|f| f.scale).collect();
        scales.iter().any(|s| g.literal(*s) != Some(1.0)).then_some(scales)
    }

    /// Rows of the tile that outputs leave through.
    pub fn output_rows(&self) -> u32 {
        let rows = |(_, found): &(_, Found)| self.rows(self.chunk.slots(self.chunk.node(found.node).rows));
        self.chunk.reads.iter().map(rows).max().unwrap_or(0)
    }

    /// The operand with these rows.
    pub fn operand_of(&self, rows: &[Option<Value>]) -> Option<usize> {
        self.operands.iter().position(|o| o.rows == rows)
    }

    /// The operand that keys are.
    pub fn operand_of_keys(&self, keys: KeysId) -> Option<usize> {
        self.operands.iter().position(|operand| self.is_of(keys, operand))
    }

    /// Keys as they decay by channel, by position in [`Plan::decayed`].
    pub fn decayed_of(&self, keys: KeysId) -> Option<usize> {
        self.decayed.iter().position(|decayed| decayed.keys == keys)
    }

    /// The square of a product's left side, or of what rows are solved from.
    pub fn square_of(&self, node: NodeId) -> Option<usize> {
        self.squares.iter().position(|square| square.node == node)
    }

    /// All keys.
    pub(super) fn key_ids(&self) -> impl Iterator<Item = KeysId> + use<> {
        (0..self.chunk.keys.len() as u32).map(KeysId)
    }

    /// Whether keys are a write's.
    pub(super) fn are_written(&self, keys: KeysId) -> bool {
        self.chunk.deposits.iter().any(|deposit| deposit.keys == keys)
    }

    /// The coefficient of these numbers.
    pub fn coefficient_of(&self, values: &[Value]) -> Option<usize> {
        self.coefficients.iter().position(|c| c.values == values)
    }

    /// The squares that one crew makes by themselves, each with all of that crew's that differ from it by decays.
    pub fn made(&self) -> Vec<Vec<usize>> {
        let mut made: Vec<Vec<usize>> = Vec::new();
        for (at, square) in self.squares.iter().enumerate() {
            let same = |group: &&mut Vec<usize>| {
                let first = &self.squares[group[0]];
                first.base == square.base && self.maker(first.node) == self.maker(square.node)
            };
            match made.iter_mut().find(same) {
                Some(group) => group.push(at),
                None => made.push(vec![at]),
            }
        }
        made
    }

    /// Whether value channels of a state that a square is made from decay.
    pub(super) fn is_by_value(&self, square: &Square) -> bool {
        let by_value = |state| self.channel_clock(state).is_some();
        states_of(&self.chunk, square.node).into_iter().any(by_value)
    }

    /// Whether rows are an input as it lies in memory.
    pub fn is_input(&self, values: NodeId) -> bool {
        match &self.chunk.node(values).op {
            Op::Values(rows) => self.operand_of(rows).is_some_and(|at| self.operands[at].alias.is_some()),
            _ => false,
        }
    }

    /// Whether keys are an operand's rows.
    pub(super) fn is_of(&self, keys: KeysId, operand: &Operand) -> bool {
        self.chunk.keys(keys).slots.iter().map(|slot| slot.key).eq(operand.rows.iter().copied())
    }

    /// Whether an operand is only what keys decayed by channel are made from, and so free once the squares are there.
    pub fn is_source(&self, operand: &Operand) -> bool {
        let mut users = self.key_ids().filter(|keys| self.is_of(*keys, operand)).peekable();
        users.peek().is_some() && users.all(|keys| self.decayed_of(keys).is_some())
    }
}

/// How many 16-bit numbers one copy moves, where rows of `size` lie one after the other.
pub fn copy_run(size: u32) -> u32 {
    [8, 4, 2].into_iter().find(|run| size.is_multiple_of(*run)).unwrap_or(1)
}
