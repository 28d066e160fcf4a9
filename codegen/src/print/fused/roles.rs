//! Two crews of warps: one prepares each chunk while the other does the one before it.
//!
//! ```text
//! if (warp < 4) {                          } else {
//!     for each chunk: tokens, squares          for each chunk: wait for the others
//!                     wait for the others                      late squares, reads, the solve, outputs, the next state
//! }
//! ```
//!
//! Each crew waits once a chunk, for all warps: then one chunk is prepared, and what lies where the next one is to be prepared
//! has been used.

use super::{
    Fused, count, each_chunk, epilogue, fetch_function, inputs, recurrence, squares, states, tokens,
};
use crate::fused::Region;
use crate::print::fused::shared::shared_memory;
use crate::writer::Writer;
use chunkwise_algebra::program::Phase;

/// The loops over chunks of both crews.
pub(super) fn print(fused: &Fused<'_>, w: &mut Writer) {
    let (plan, warp) = (fused.plan, &fused.warp);
    if plan.arrives_ahead() {
        fetch_function(fused, &format!("int {}, int {}", fused.stage, fused.third), w);
    }
    let preparing = |w: &mut Writer| {
        w.comment("Prepares each chunk while the other warps do the one before it");
        states::clear_decayed(fused, w);
        stages(fused, w);
        if plan.arrives_ahead() {
            first_inputs(fused, w);
        }
        each_chunk(fused, w, |w| {
            prepare(fused, w);
            if plan.arrives_ahead() {
                w.line("wait_copies<0>();");
            }
            meet(fused, w);
            next(fused, w);
        });
    };
    let holding = |w: &mut Writer| {
        states::matrices(fused, w);
        stages(fused, w);
        each_chunk(fused, w, |w| {
            meet(fused, w);
            hold(fused, w);
            next(fused, w);
        });
        states::final_matrices(fused, w);
    };
    w.either(format_args!("if ({warp} < {})", plan.crew(Phase::Before).end), preparing, holding);
}

/// What is free of the state; meanwhile the next chunk's inputs arrive, where there is room for them.
fn prepare(fused: &Fused<'_>, w: &mut Writer) {
    let Fused { plan, first, fetch, stage, third, .. } = fused;
    if plan.arrives_ahead() {
        let (length, next) = (&fused.context.names.length, format!("{first} + {}", plan.tokens));
        let place = format!("{stage} ^ 1, {third} == 2 ? 0 : {third} + 1");
        w.line(format_args!("if ({next} < {length}) {fetch}({next}, {place});"));
    }
    count(fused, w);
    let fetched = |region: Region| !plan.arrives_ahead() && plan.arrives(region);
    shared_memory(fused, |r| plan.depth(r) > 1 && (fetched(r) || plan.is_prepared(r)), w);
    if !plan.arrives_ahead() {
        inputs::fetch(fused, w);
    }
    tokens::compute(fused, w);
    squares::print(fused, Phase::Before, w);
}

/// What depends on the state, and the squares that only outputs need.
fn hold(fused: &Fused<'_>, w: &mut Writer) {
    let plan = fused.plan;
    count(fused, w);
    shared_memory(fused, |region| plan.depth(region) > 1 && plan.cut.crosses(region), w);
    squares::print(fused, Phase::After, w);
    recurrence::print(fused, w);
    epilogue::print(fused, w);
}

/// The inputs of the first chunk.
fn first_inputs(fused: &Fused<'_>, w: &mut Writer) {
    let (fetch, length) = (&fused.fetch, &fused.context.names.length);
    w.line(format_args!("if ({length} > 0) {fetch}(0, 0, 0);"));
    w.line("wait_copies<0>();");
    fused.barrier(Phase::Before, w);
}

/// All warps wait for each other. The crews do so at different places, which `__syncthreads` does not allow for.
fn meet(fused: &Fused<'_>, w: &mut Writer) {
    w.line(format_args!("meet_warps<0, {}>();", fused.plan.warps));
}

/// The numbers of a chunk's stages, of two and of three.
fn stages(fused: &Fused<'_>, w: &mut Writer) {
    w.line(format_args!("int {} = 0, {} = 0;", fused.stage, fused.third));
}

fn next(fused: &Fused<'_>, w: &mut Writer) {
    let Fused { stage, third, .. } = fused;
    w.line(format_args!("{stage} ^= 1;"));
    w.line(format_args!("{third} = {third} == 2 ? 0 : {third} + 1;"));
}
