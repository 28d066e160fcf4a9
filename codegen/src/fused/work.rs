//! What a plan's kernel does in one chunk, counted from the plan: flops of tensor cores, bytes of global memory.
//!
//! Products are of blocks of 16 x 16 x 16, and what is triangular by tokens has fewer of them:
//!
//! ```text
//! Gram matrix      K / 16  for each block that some write of it is read from; by channel, for each length of runs that meets it
//! rows solved      a warp: the blocks of 8 x 8 at and below the diagonal                          in tf32: two products; whole: six
//! tap, deposit     R K / 256  a warp                                                              16 value columns each
//! square times U   the blocks at and below the diagonal, a warp                                    in tf32, or in parts, or both
//! reach            the blocks below the diagonal; those on it once for each length of runs        value channels that decay
//! ```
//!
//! An operand in two parts (rounded, and what rounding lost) takes one product more than one in one part, two in three parts take
//! six, and one in three parts with one in two takes five. The walks are those of `print::fused`, operation by operation, so the
//! count is exact: `tests/fused` compares it with the simulator's.

mod warp;

use super::plan::{Own, Plan, Square};
use crate::layout;
use crate::program::{self, Node as TokenNode};
use chunkwise_algebra::program::{KeysId, NodeId, Op};
use chunkwise_dsl::graph::Dim;
use warp::Warp;

/// Flops of a product of blocks of 16 x 16.
const BLOCK: u64 = 2 * 16 * 16 * 16;

/// The work of one chunk of one head, all its blocks together. States are moved once a sequence and not counted, and neither
/// are tensors without a time axis.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Work {
    /// Flops of tensor cores; a multiplication and an addition are two.
    pub tensor_flops: u64,
    /// Of them with tf32 operands, which take twice as long as 16-bit ones: products of squares with rows of values, of some keys
    /// with rows that enter a state, and the solve of linear feedback where inputs have 16 bits.
    pub tf32_flops: u64,
    /// Bytes loaded from global memory.
    pub load_bytes: u64,
    /// Bytes stored to global memory.
    pub store_bytes: u64,
}

impl Work {
    /// Loaded and stored.
    pub fn bytes(&self) -> u64 {
        self.load_bytes + self.store_bytes
    }
}

impl Plan {
    /// The work of one chunk of one head, all tokens of it there.
    pub fn work(&self) -> Work {
        let made = self.made().into_iter().map(|group| &self.squares[group[0]]);
        let near = self.own.iter().map(|own| self.near_blocks(own)).sum::<u64>();
        let (mut blocks, mut fine, mut solved, mut solved_fine) = (near, 0, 0, 0);
        for square in made {
            blocks += self.gram_blocks(square, square.feedback.unwrap_or(square.base));
        }
        for owner in &self.owners {
            let warp = Warp::of(self, owner);
            blocks += warp.blocks * u64::from(owner.warps);
            fine += warp.fine * u64::from(owner.warps);
            solved += warp.solved * u64::from(owner.warps);
            solved_fine += warp.solved_fine * u64::from(owner.warps);
        }
        let flops =
            |blocks: u64, eighths: u64| (BLOCK * blocks + BLOCK / 4 * eighths) * u64::from(self.blocks);
        Work {
            tensor_flops: flops(blocks, solved),
            tf32_flops: flops(fine, solved_fine),
            load_bytes: self.input_bytes() + self.row_bytes(),
            store_bytes: self.output_bytes(),
        }
    }

    /// Blocks of 16 columns of the key dim.
    fn key_blocks(&self) -> u64 {
        u64::from(self.columns(self.dims.0) / 16)
    }

    /// Blocks of 16 rows of keys.
    fn row_blocks(&self, keys: KeysId) -> u64 {
        u64::from(self.rows(self.chunk.keys(keys).slots.len()) / 16)
    }

    /// Products of parts of two operands.
    fn passes(left_split: bool, right_split: bool) -> u64 {
        1 + u64::from(left_split) + u64::from(right_split)
    }

    fn gram_blocks(&self, square: &Square, node: NodeId) -> u64 {
        match self.chunk.node(node).op {
            Op::Add(x, y) => self.gram_blocks(square, x) + self.gram_blocks(square, y),
            Op::Scale(_, x) => self.gram_blocks(square, x),
            Op::Decay(_, _, x) => self.gram_blocks(square, x),
            Op::Gram(reads, writes) | Op::Plain(reads, writes) => {
                let slots = |keys: KeysId| self.chunk.keys(keys).slots.len() as u32;
                let (r, w) = (slots(reads), slots(writes));
                let seen = match self.decays_by_channel(reads) {
                    true => lengths(self.tokens / 2, 16).map(|half| self.meeting_blocks((r, w), half)).sum(),
                    false => lower_blocks(square.rows, square.columns, r, w),
                };
                self.key_passes(reads, writes) * seen * self.key_blocks()
            }
            _ => 0,
        }
    }

    fn decays_by_channel(&self, keys: KeysId) -> bool {
        self.decayed_of(keys).is_some()
    }

    /// Whether a Gram matrix is of a state that decays by channel: made length by length.
    pub fn is_by_channel(&self, own: &Own) -> bool {
        matches!(self.chunk.node(own.gram).op, Op::Gram(reads, _) if self.decays_by_channel(reads))
    }

    /// Products of a Gram matrix's operands, in their parts.
    fn key_passes(&self, reads: KeysId, writes: KeysId) -> u64 {
        let last = if self.is_in_three(reads) && self.is_in_three(writes) { 3 } else { 0 };
        Self::passes(self.keys_split(reads), self.keys_split(writes)) + last
    }

    /// Pairs within blocks of 16 tokens, where a state decays by channel; as in `keys.cuh`.
    fn near_blocks(&self, own: &Own) -> u64 {
        let Op::Gram(reads, writes) = self.chunk.node(own.gram).op else { return 0 };
        if !self.is_by_channel(own) {
            return 0;
        }
        let slots = |keys: KeysId| self.chunk.keys(keys).slots.len() as u32;
        let (r, w) = (slots(reads), slots(writes));
        let of_lengths: u64 = lengths(8, self.span()).map(|half| self.meeting_blocks((r, w), half)).sum();
        self.key_passes(reads, writes) * (of_lengths + self.run_blocks((r, w))) * self.key_blocks()
    }

    /// Blocks of a Gram matrix of decays by channel that have pairs of one length of runs.
    fn meeting_blocks(&self, (reads, writes): (u32, u32), half: u32) -> u64 {
        let whole = 16 % reads == 0 && 16 % writes == 0;
        self.blocks_with((reads, writes), |(first, last), (begin, end)| {
            let some = begin <= last && end / (2 * half) >= first / (2 * half);
            some && (!whole || (last & half != 0 && begin & half == 0))
        })
    }

    /// Blocks that hold pairs within runs in which no decay vanishes.
    fn run_blocks(&self, slots: (u32, u32)) -> u64 {
        let span = self.span();
        self.blocks_with(slots, |(first, last), (begin, end)| {
            span > 1 && begin <= last && end / span >= first / span
        })
    }

    /// Blocks of 16 x 16 whose first and last tokens, of reads and of writes, meet.
    fn blocks_with(&self, (reads, writes): (u32, u32), meet: impl Fn((u32, u32), (u32, u32)) -> bool) -> u64 {
        let ends = |block: u32, slots: u32| (block * 16 / slots, (block * 16 + 15) / slots);
        let blocks = |slots: u32| 0..self.tokens * slots / 16;
        let pairs = blocks(reads).flat_map(|row| blocks(writes).map(move |column| (row, column)));
        pairs.filter(|(row, column)| meet(ends(*row, reads), ends(*column, writes))).count() as u64
    }

    /// Whether products take keys in two parts.
    fn keys_split(&self, keys: KeysId) -> bool {
        match self.decays_by_channel(keys) {
            true => self.split,
            false => self.operand_of_keys(keys).is_some_and(|at| self.operand_split(&self.operands[at])),
        }
    }

    /// Whether products take keys in three parts.
    fn is_in_three(&self, keys: KeysId) -> bool {
        match self.decays_by_channel(keys) {
            true => self.keys_whole(keys),
            false => self.operand_of_keys(keys).is_some_and(|at| self.operand_whole(&self.operands[at])),
        }
    }

    /// Inputs that all threads copy: vectors and the scalars beside them. Blocks that share a head share its value columns.
    fn input_bytes(&self) -> u64 {
        let (tokens, blocks) = (u64::from(self.tokens), u64::from(self.blocks));
        let vectors = self.inputs.iter().map(|input| {
            let size = u64::from(self.layout.axis(input.dim).size) * u64::from(input.slots);
            size * self.dtype.size() as u64 * self.copies(Some(input.dim))
        });
        let scalars = self.numbers.iter().map(|number| u64::from(number.slots) * 4 * blocks);
        tokens * vectors.chain(scalars).sum::<u64>()
    }

    /// Blocks that load a row of this dim.
    fn copies(&self, dim: Option<Dim>) -> u64 {
        if dim == Some(self.dims.1) { 1 } else { u64::from(self.blocks) }
    }

    /// Inputs that token programs load themselves: decays by channel a run a lane, scalars of the epilogue in every lane.
    fn row_bytes(&self) -> u64 {
        let prologue = self.loaded_bytes(&self.prologue, |node| node.dim.is_some());
        let epilogue = self.epilogue.iter().map(|epilogue| self.loaded_bytes(&epilogue.program, |_| true));
        u64::from(self.tokens) * (prologue + epilogue.sum::<u64>())
    }

    /// Bytes of the inputs of a token program that are wanted and lie in no tile, a token.
    fn loaded_bytes(&self, program: &program::Program, wanted: impl Fn(&TokenNode) -> bool) -> u64 {
        let of_decays = layout::decay_params(&self.chunk.timeline);
        let is_tile = |param| self.inputs.iter().any(|input| input.param == param);
        let loaded = program.inputs(false).map(|(id, param, _)| (program.node(id), param));
        let loaded = loaded.filter(|(node, param)| !is_tile(*param) && wanted(node));
        let bytes = loaded.map(|(node, param)| {
            let dtype = layout::dtype_of(&self.chunk.timeline, &of_decays, param, self.dtype);
            let numbers = node.dim.map_or(self.layout.lanes, |dim| self.layout.axis(dim).size);
            u64::from(numbers) * dtype.size() as u64 * self.copies(node.dim)
        });
        bytes.sum()
    }

    fn output_bytes(&self) -> u64 {
        let sizes = self.chunk.timeline.signature.outputs.iter().map(|output| {
            let size: u64 = output.shape.dims().map(|dim| u64::from(self.layout.axis(dim).size)).product();
            size * self.dtype.size() as u64
        });
        u64::from(self.tokens) * sizes.sum::<u64>()
    }
}

/// Half lengths of runs, from the longest to the shortest.
fn lengths(longest: u32, shortest: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(longest), |half| Some(half / 2)).take_while(move |half| *half >= shortest)
}

/// How many blocks of 16 x 16 of a matrix that is lower triangular by tokens hold anything: `reads` rows and `writes` columns a
/// token; as in `products.cuh`.
fn lower_blocks(rows: u32, columns: u32, reads: u32, writes: u32) -> u64 {
    let before = |block: u32| (((16 * block + 15) / reads + 1) * writes).div_ceil(16);
    (0..rows / 16).map(|block| u64::from(before(block).min(columns / 16))).sum()
}
