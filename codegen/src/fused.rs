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
//! | squares | a warp 16 rows | Gram matrices, what rows are solved with |
//! | recurrence | a warp 16 value columns | outputs, the next state |
//!
//! In narrow blocks the first three and the last are two crews' work, a chunk apart: see `roles`.
//!
//! Source: the chunkwise form of the design, `math/timeline.py`.

mod channels;
mod choose;
mod clocks;
mod cut;
mod lists;
mod mixes;
mod places;
mod plan;
mod registers;
mod roles;
mod rounding;
mod shared;
mod substitution;
mod teams;
mod verify;
mod whole;
mod width;
mod work;

pub use channels::{ChannelClock, Finding};
pub use choose::{choose, choose_parts};
pub use cut::{Cut, Hand, Held, Transfer, WHOLE};
pub use mixes::{Mixing, Table};
pub use places::Place;
pub use plan::{
    Clock, ClockKind, Coefficient, Decayed, Epilogue, Input, Number, Operand, Own, Owner, Plan, Reader, Root,
    Square, WARP_COLUMNS, copy_run,
};
pub use shared::{ClockPart, Part, Region, pitch, wide_pitch};
pub use substitution::{Kept, Substitution};
pub use verify::verify;
pub use width::{COLUMNS, chunk_cost, has_crews};
pub use work::Work;

use crate::arch::Arch;
use crate::dtype::DType;
use crate::kernel::{Kernel, Limitation, Spec};
use crate::print;
use crate::schedule::{Buffer, Pieces, Schedule, Unit};
use chunkwise_algebra::program::Phase;
use chunkwise_dsl::timeline::{Event, Side, Timeline};

/// Emits the forward kernel of a rule.
///
/// # Errors
/// A [`Limitation`]: the rule or a size has no fused kernel.
pub fn emit(timeline: &Timeline, spec: &Spec, arch: Arch) -> Result<Kernel, Limitation> {
    let plan = choose(timeline, spec, arch)?;
    verify(&plan, arch)?;
    Ok(print::fused::kernel(spec, &plan))
}

/// The phases of the plan `split`, by kernel. Where value channels decay, reads and rows are taken through a chunk side by side.
fn parts(timeline: &Timeline) -> &'static [&'static [Phase]] {
    let by_channel = |event: &Event| match event {
        Event::Decay { state, factor } => timeline.side(*state, factor.value()) == Side::Value,
        _ => false,
    };
    match timeline.events.iter().any(by_channel) {
        false => &[&[Phase::Before], &[Phase::Carry], &[Phase::After]],
        true => &[&[Phase::Before], &[Phase::Carry, Phase::After]],
    }
}

/// Emits the forward kernels of a rule, one for each phase: all chunks at one time, but for what the next state is made from.
///
/// Outputs might stay with the carry. That moves fewer bytes (gated delta rule, K = V = 128: 2.6 KB a token and head for 3.8 KB)
/// and makes the chain of chunks 1.6 times as long in products, which is what few heads wait for.
///
/// # Errors
/// A [`Limitation`]: the rule or a size has no such kernels.
pub fn emit_split(timeline: &Timeline, spec: &Spec, arch: Arch) -> Result<Schedule, Limitation> {
    let plans = choose_parts(timeline, spec, arch, parts(timeline)).map_err(|why| match why {
        Limitation::NotFused(text) => {
            Limitation::NotFused(text.replacen("the fused plan", "the split plan", 1))
        }
        why => why,
    })?;
    plans.iter().try_for_each(|plan| verify(plan, arch))?;
    let [before, ..] = &plans[..] else { return Err(Limitation::Invalid("no phases".to_owned())) };
    let (tokens, (regions, registers)) = (before.tokens, before.cut.bytes);
    let buffer = |name: &str, bytes: u32| Buffer {
        name: name.to_owned(),
        dtype: DType::F32,
        unit: Unit::Piece,
        elements: bytes as usize / 4,
    };
    // A rule may leave nothing to do before.
    let works = |plan: &&Plan| !plan.computes(Phase::Before) || !plan.cut.exports.is_empty();
    Ok(Schedule {
        kernels: plans.iter().filter(works).map(|plan| print::fused::kernel(spec, plan)).collect(),
        buffers: vec![buffer("regions", regions), buffer("registers", registers)],
        pieces: Pieces::Of(tokens),
    })
}

/// Whether a rule has kernels of the split plan.
pub fn has_split(timeline: &Timeline, spec: &Spec, arch: Arch) -> bool {
    choose_parts(timeline, spec, arch, parts(timeline)).is_ok()
}
