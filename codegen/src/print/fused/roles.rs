//! Two crews of warps: one prepares each chunk while the other does the one before it.
//!
//! ```text
//! if (warp < 4) {                          } else {
//!     for each chunk: tokens, squares          for each chunk: wait for the others
//!                     wait for the others                      reads, the solve, outputs, the next state
//! }
//! ```
//!
//! Each crew waits once a chunk, for all warps: then one chunk is prepared, and what lies where the next one is to be prepared
//! has been used.

use super::{Fused, count, each_chunk, epilogue, inputs, recurrence, squares, states, tokens};
use crate::fused::Region;
use crate::print::fused::shared::shared_memory;
use crate::writer::Writer;
use chunkwise_algebra::program::Phase;

/// The loops over chunks of both crews.
pub(super) fn print(fused: &Fused<'_>, w: &mut Writer) {
    let (plan, warp) = (fused.plan, &fused.warp);
    let ahead = plan.stages > 2;
    if ahead {
        fetch(fused, w);
    }
    let preparing = |w: &mut Writer| {
        w.comment("Prepares each chunk while the other warps do the one before it");
        states::clear_decayed(fused, w);
        first_stage(fused, w);
        if ahead {
            w.line(format_args!("if ({} > 0) {}(0, 0, 0);", fused.context.names.length, fused.fetch));
        }
        each_chunk(fused, w, |w| {
            prepare(fused, ahead, w);
            meet(fused, w);
            next_stage(fused, w);
        });
    };
    let holding = |w: &mut Writer| {
        states::matrices(fused, w);
        first_stage(fused, w);
        each_chunk(fused, w, |w| {
            meet(fused, w);
            count(fused, w);
            shared_memory(fused, |region| plan.depth(region) > 1 && plan.cut.crosses(region), w);
            recurrence::print(fused, w);
            epilogue::print(fused, w);
            next_stage(fused, w);
        });
        states::final_matrices(fused, w);
    };
    w.either(format_args!("if ({warp} < {})", plan.crew(Phase::Before).end), preparing, holding);
}

/// What is free of the state. Where three chunks have room, the next one's inputs arrive meanwhile.
fn prepare(fused: &Fused<'_>, ahead: bool, w: &mut Writer) {
    let Fused { plan, first, fetch, stage, third, .. } = fused;
    count(fused, w);
    let fetched = |region: Region| !ahead && arrives(region);
    shared_memory(fused, |r| plan.depth(r) > 1 && (fetched(r) || plan.is_prepared(r)), w);
    if !ahead {
        inputs::fetch(fused, w);
    }
    tokens::compute(fused, w);
    if ahead {
        let (tokens, length) = (plan.tokens, &fused.context.names.length);
        w.line(format_args!(
            "if ({first} + {tokens} < {length}) {fetch}({first} + {tokens}, {stage} ^ 1, {third} == 2 ? 0 : {third} + 1);"
        ));
    }
    squares::print(fused, w);
}

/// The function that fetches a chunk.
fn fetch(fused: &Fused<'_>, w: &mut Writer) {
    let Fused { plan, first, fetch, stage, third, .. } = fused;
    let head = format!("const auto {fetch} = [&](i64 {first}, int {stage}, int {third})");
    w.block_ending(head, "};", |w| {
        count(fused, w);
        shared_memory(fused, |region| plan.depth(region) > 1 && arrives(region), w);
        inputs::fetch(fused, w);
    });
}

fn arrives(region: Region) -> bool {
    matches!(region, Region::Input(..) | Region::Number(_))
}

/// All warps wait for each other. The crews do so at different places, which `__syncthreads` does not allow for.
fn meet(fused: &Fused<'_>, w: &mut Writer) {
    w.line(format_args!("meet_warps<0, {}>();", fused.plan.warps));
}

/// The numbers of a chunk's stages, of two and of three.
fn first_stage(fused: &Fused<'_>, w: &mut Writer) {
    w.line(format_args!("int {} = 0, {} = 0;", fused.stage, fused.third));
}

fn next_stage(fused: &Fused<'_>, w: &mut Writer) {
    let Fused { stage, third, .. } = fused;
    w.line(format_args!("{stage} ^= 1;"));
    w.line(format_args!("{third} = {third} == 2 ? 0 : {third} + 1;"));
}
