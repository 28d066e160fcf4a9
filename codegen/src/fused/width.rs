//! How wide blocks are: of how many value columns, and what a chunk of theirs costs.

use super::choose::choose;
use crate::arch::Arch;
use crate::kernel::Spec;
use chunkwise_dsl::timeline::Timeline;

/// The value columns that a block may have, the most first.
pub const COLUMNS: [usize; 3] = [128, 64, 32];

/// How long a chunk of a launch of `pairs` pairs of a sequence and a head takes, in chunks of a block of all value columns that has
/// the machine to itself: rounds of blocks, times a block's chunk, of which narrow ones take part where they have two crews. Where
/// all warps do all, each has 16 columns, and what is made for all columns takes as long.
pub fn chunk_cost(
    (value, columns): (usize, usize),
    crews: bool,
    (pairs, multiprocessors): (usize, usize),
) -> f64 {
    let blocks = pairs.saturating_mul(value.div_ceil(columns));
    let rounds = blocks.div_ceil(multiprocessors.max(1));
    let share = columns as f64 / value.min(COLUMNS[0]) as f64;
    rounds as f64 * if crews { SHARED + (1.0 - SHARED) * share.min(1.0) } else { 1.0 }
}

/// Whether narrow blocks of a rule have two crews.
pub fn has_crews(timeline: &Timeline, spec: &Spec, arch: Arch) -> bool {
    let narrow = Spec { columns: COLUMNS[1], ..spec.clone() };
    choose(timeline, &narrow, arch).is_ok_and(|plan| plan.preparing > 0)
}

/// What every block makes for itself, however few columns it has. Counted in the simulator: passes over shared memory of a gated
/// delta rule's block, which bound it, are 120 a token with 128 columns, 76 with 64 and 55 with 32 (`chunkwise bench gated_deltanet
/// --plan fused --columns 64`, all blocks together).
const SHARED: f64 = 0.28;

/// Whether blocks of at most so many value columns have fewer than they could.
pub(super) fn is_narrow(value: usize, columns: usize) -> bool {
    columns < value.min(COLUMNS[0])
}
