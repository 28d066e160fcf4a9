//! The fused plan: one block walks the chunks of a sequence with the state in tensor-core accumulators.
//!
//! ```text
//! Timeline -> chunk program (algebra) -> plan (tiles, rows, shared memory), verified -> printed
//! ```
//!
//! A warp owns 16 value columns of the state, transposed: `S^T` packed to 16 bits is the left operand of every product with
//! keys, so that the state never leaves its registers and the rows of `U^T` and `O^T` need nothing from other warps. Shared
//! memory holds keys, values and the chunk's square matrices. Every input is read once per block.
//!
//! | part of a chunk | who | writes |
//! |---|---|---|
//! | inputs | all threads | tiles (`cp.async`) |
//! | tokens | a group of lanes a token | coefficients, decays, computed operands |
//! | squares | a warp 16 rows | Gram matrices, the inverse |
//! | recurrence | a warp 16 value columns | outputs, the next state |
//!
//! Source: the chunkwise form of the design, `math/timeline.py`.

mod bounds;
mod channels;
mod choose;
mod clocks;
mod mixes;
mod plan;
mod shared;
mod substitution;
mod verify;
mod work;

pub use bounds::{Bounds, bounds};
pub use channels::{ChannelClock, Finding};
pub use choose::{COLUMNS, choose, chunk_cost, columns};
pub use mixes::{Mixing, Table};
pub use plan::{
    Clock, ClockKind, Coefficient, Decayed, Epilogue, Input, Number, Operand, Own, Owner, Plan, Reader, Root,
    Square, WARP_COLUMNS, copy_run,
};
pub use shared::{ClockPart, Part, Region, pitch, wide_pitch};
pub use substitution::{Kept, Substitution};
pub use verify::verify;
pub use work::Work;

use crate::arch::Arch;
use crate::kernel::{Kernel, Limitation, Spec};
use crate::print;
use chunkwise_dsl::timeline::Timeline;

/// Emits the forward kernel of a rule.
///
/// # Errors
/// A [`Limitation`]: the rule or a size has no fused kernel.
pub fn emit(timeline: &Timeline, spec: &Spec, arch: Arch) -> Result<Kernel, Limitation> {
    let plan = choose(timeline, spec, arch)?;
    verify(&plan, arch)?;
    Ok(print::fused::kernel(spec, &plan))
}
