//! One head in the simulator, at two lengths: what a token costs, and what is done once a sequence, comes out as a line.
//!
//! ```text
//! counts at 128 and 256 tokens  ->  a token: their difference / 128    ->  8192 tokens: the line through both
//! ```

use super::run::{Cut, executable};
use super::{PerToken, Problem, Setup, inputs};
use crate::failure::Outcome;
use chunkwise::Device;
use chunkwise_algebra::explain::Least;
use chunkwise_codegen::kernel::Kernel;
use chunkwise_codegen::model::{Launch, Work};
use chunkwise_codegen::schedule::{Extent, Unit};
use chunkwise_runtime::counters::Counters;

/// Tokens of the two simulated sequences: multiples of every chunk length, several chunks each.
const SHORT: usize = 128;
/// The longer one.
const LONG: usize = 256;

/// The counts of one head in one kernel, at both lengths.
pub(super) struct Counted {
    /// The lengths, in tokens.
    tokens: [usize; 2],
    /// The counts.
    at: [Counters; 2],
}

impl Counted {
    /// By kernel. With pieces, several of them, as long as the problem's.
    pub(super) fn of(setup: &Setup, cut: Cut<'_>) -> Outcome<Vec<Counted>> {
        let executable = executable(setup, &Device::sim(setup.arch), cut)?;
        let count = |tokens: usize| -> Outcome<Vec<Counters>> {
            executable.forward(&inputs::drawn(cut.rule, cut.sizes, tokens)?)?;
            Ok(executable.counters().iter().map(|launched| launched.report.total).collect())
        };
        let piece = cut.piece.unwrap_or(0);
        let tokens = [SHORT.max(2 * piece), LONG.max(4 * piece)];
        let (short, long) = (count(tokens[0])?, count(tokens[1])?);
        Ok(short.into_iter().zip(long).map(|(short, long)| Counted { tokens, at: [short, long] }).collect())
    }

    /// What a token adds.
    pub(super) fn per_token(&self, of: impl Fn(&Counters) -> u64) -> f64 {
        let [short, long] = &self.at;
        (of(long) as f64 - of(short) as f64) / (self.tokens[1] - self.tokens[0]) as f64
    }

    /// A sequence of this many tokens, by the line through both lengths.
    fn sequence(&self, tokens: usize, of: impl Fn(&Counters) -> u64) -> f64 {
        let line = of(&self.at[0]) as f64 + (tokens as f64 - self.tokens[0] as f64) * self.per_token(of);
        line.max(0.0)
    }

    /// What a token of one head adds, of a kernel of which so many blocks share the head.
    pub(super) fn all(&self, blocks: u32) -> PerToken {
        PerToken {
            load_bytes: self.per_token(|c| c.global_load_bytes),
            store_bytes: self.per_token(|c| c.global_store_bytes),
            sectors: self.per_token(|c| c.load_sectors + c.store_sectors),
            tensor_flops: self.per_token(|c| c.tensor_flops),
            fma: self.per_token(|c| c.lane_fma),
            special: self.per_token(|c| c.lane_special),
            wavefronts: self.per_token(|c| c.wavefronts),
            conflicts: self.per_token(|c| c.conflicts),
            instructions: self.per_token(|c| c.instructions),
            path: self.per_token(|c| c.path) / f64::from(blocks),
        }
    }
}

/// The launch of the problem, for the model.
pub(super) fn launch(
    (problem, extent): (Problem, &Extent),
    kernel: &Kernel,
    resident: u32,
    counted: &Counted,
    least: &Least,
) -> Launch {
    let heads = problem.batch as u64 * problem.heads as u64;
    // The piece more that a sequence may have is empty here, and its block ends at once.
    let units = match kernel.unit {
        Unit::Sequence => problem.batch,
        Unit::Piece => problem.batch * problem.tokens.div_ceil(extent.piece.max(1)),
    };
    let blocks = units as u64 * problem.heads as u64 * u64::from(kernel.blocks_per_head);
    let of_block =
        |of: fn(&Counters) -> u64| counted.sequence(problem.tokens, of) * heads as f64 / blocks.max(1) as f64;
    let work = Work {
        // The model's flops are those of 16-bit operands; tf32 takes twice as long.
        tensor_flops: of_block(|c| c.tensor_flops + c.tf32_flops),
        wavefronts: of_block(|c| c.wavefronts),
        instructions: of_block(|c| c.instructions),
        path: of_block(|c| c.path),
        float: of_block(|c| c.float),
        special: of_block(|c| c.lane_special),
        barriers: of_block(|c| c.path_barriers),
    };
    // The blocks of a head walk its tokens together: what one of them has read, the others find in the second-level cache.
    let loaded =
        counted.sequence(problem.tokens, |c| 32 * c.load_sectors) / f64::from(kernel.blocks_per_head);
    let loaded = loaded
        .max(least.input_bytes as f64 * problem.tokens as f64)
        .min(loaded * f64::from(kernel.blocks_per_head));
    let stored = counted.sequence(problem.tokens, |c| 32 * c.store_sectors);
    let dram_bytes = heads as f64 * (loaded + stored);
    Launch { blocks, resident, dram_bytes, work }
}
