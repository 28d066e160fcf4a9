//! What a plan launches: kernels in order, and the memory between them.
//!
//! ```text
//! recurrent, fused    one kernel, no memory between
//! split               before: a block a chunk   ->  carry: a block a sequence  ->  after: a block a chunk
//! ```
//!
//! Some kernels have blocks not for sequences but for *pieces* of them: runs of `L` tokens, the last one of a sequence
//! shorter. Sequence `n` begins at token `b(n)` (`cu_seqlens[n]`, or `n T`), and its pieces have the numbers from `b(n) / L + n`
//! on. That leaves each sequence as many numbers as it has pieces, and at times one more, whose piece is empty. So the number
//! of pieces, `tokens / L + N`, follows from shapes alone: no table is made, and nothing of a launch depends on what
//! `cu_seqlens` holds.

use crate::dtype::DType;
use crate::kernel::Kernel;

/// What a plan launches.
#[derive(Clone, PartialEq, Debug)]
pub struct Schedule {
    /// The kernels, in order: each sees what those before it wrote.
    pub kernels: Vec<Kernel>,
    /// The memory between them. What it holds before a kernel writes it is of no account.
    pub buffers: Vec<Buffer>,
    /// How long pieces are.
    pub pieces: Pieces,
}

/// Memory between kernels: `[units, heads, elements]`, contiguous, at a multiple of 16 bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Buffer {
    /// What it holds, in a word.
    pub name: String,
    /// Its element type.
    pub dtype: DType,
    /// What it has a row of heads for.
    pub unit: Unit,
    /// Elements for one head of one unit.
    pub elements: usize,
}

/// What a kernel has blocks for, and a buffer rows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Unit {
    /// Whole sequences.
    Sequence,
    /// Pieces of sequences.
    Piece,
}

/// How long pieces are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pieces {
    /// No kernel asks.
    Whole,
    /// As many tokens, always.
    Of(u32),
    /// The launcher chooses a multiple of as many tokens, so that the blocks fill the machine.
    MultipleOf(u32),
}

/// How large a launch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// Sequences: `B` of a dense batch, `N` of a packed one.
    pub sequences: usize,
    /// Tokens of all sequences together.
    pub tokens: usize,
    /// State heads.
    pub heads: usize,
    /// Tokens of a piece; not read where no kernel has blocks for pieces.
    pub piece: usize,
}

impl Extent {
    /// How many units there are.
    pub fn units(&self, unit: Unit) -> usize {
        match unit {
            Unit::Sequence => self.sequences,
            Unit::Piece => (self.tokens / self.piece.max(1)).saturating_add(self.sequences),
        }
    }
}

impl Buffer {
    /// Elements for a launch; `None` where that is more than an address can say.
    pub fn len(&self, extent: &Extent) -> Option<usize> {
        extent.units(self.unit).checked_mul(extent.heads)?.checked_mul(self.elements)
    }
}

impl From<Kernel> for Schedule {
    /// One kernel alone.
    fn from(kernel: Kernel) -> Schedule {
        Schedule { kernels: vec![kernel], buffers: Vec::new(), pieces: Pieces::Whole }
    }
}

impl Schedule {
    /// The pieces of a launch on a machine with as many multiprocessors: the longest that give each of them a block, if
    /// sequences are long enough.
    pub fn piece(&self, sequences: usize, tokens: usize, heads: usize, multiprocessors: usize) -> usize {
        match self.pieces {
            Pieces::Whole => 0,
            Pieces::Of(tokens) => tokens as usize,
            Pieces::MultipleOf(of) => {
                let of = of.max(1) as usize;
                let wanted = multiprocessors.div_ceil(heads.max(1)).saturating_sub(sequences).max(1);
                (tokens / wanted).div_ceil(of).max(1) * of
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every piece has a number of its own, below the number of pieces, for sequences of any lengths.
    #[test]
    fn pieces_have_numbers_of_their_own() {
        for seed in 0..200u64 {
            let length = |n: u64| (seed * 7919 + n * n * 104_729) % 150;
            let piece = 1 + (seed % 70) as usize;
            let (mut begin, mut seen) = (0, Vec::new());
            for n in 0..seed % 9 {
                let tokens = length(n) as usize;
                seen.extend((0..tokens.div_ceil(piece)).map(|run| begin / piece + n as usize + run));
                begin += tokens;
            }
            let extent = Extent { sequences: (seed % 9) as usize, tokens: begin, heads: 1, piece };
            assert!(seen.is_sorted_by(|a, b| a < b), "seed {seed}: {seen:?}");
            assert!(
                seen.last().is_none_or(|last| *last < extent.units(Unit::Piece)),
                "seed {seed}: {seen:?}"
            );
        }
    }

    #[test]
    fn chosen_pieces_fill_the_machine() {
        let schedule = Schedule { kernels: Vec::new(), buffers: Vec::new(), pieces: Pieces::MultipleOf(64) };
        assert_eq!(schedule.piece(1, 8192, 16, 132), 1024);
        assert_eq!(schedule.piece(1, 100, 16, 132), 64);
        // Enough blocks without pieces: one piece a sequence.
        assert_eq!(schedule.piece(4, 4096, 64, 132), 4096);
        assert_eq!(schedule.piece(1, 0, 1, 132), 64);
    }
}
