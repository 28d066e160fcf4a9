//! The states between memory and where they live during the chunks.

use super::names::Fused;
use super::shared::shared_memory;
use crate::fused::{Owner, Region};
use crate::kernel::Begin;
use crate::writer::Writer;
use chunkwise_algebra::program::Phase;
use chunkwise_dsl::graph::{Dim, StateId};

/// Vector states as they begin: in shared memory, where they lie between chunks.
pub(super) fn vectors(fused: &Fused<'_>, w: &mut Writer) {
    let carries = fused.plan.computes(Phase::Carry);
    let owners = fused.plan.owners.iter().enumerate().filter(|(_, owner)| carries && owner.value.is_none());
    for (index, (at, owner)) in owners.enumerate() {
        if index == 0 {
            w.blank();
            w.comment("Vector states, which lie in shared memory between chunks");
        }
        let (initial, numbers) =
            (&fused.context.names.states[owner.state.index()].initial, &fused.vectors[at]);
        each_number(fused, w, |k, size, from| match fused.plan.ends[owner.state.index()].begin {
            Begin::Memory(_) => {
                format!("{numbers}[{k}] = {initial} && {k} < {size} ? {initial}[{from}].wide() : 0.0f;")
            }
            Begin::One | Begin::Ones => format!("{numbers}[{k}] = {k} < {size} ? 1.0f : 0.0f;"),
            Begin::Zero => format!("{numbers}[{k}] = 0.0f;"),
        });
    }
}

/// Matrix states as they begin, in the registers of their warps.
pub(super) fn matrices(fused: &Fused<'_>, w: &mut Writer) {
    let carries = fused.plan.computes(Phase::Carry);
    let owners = fused.plan.owners.iter().filter(|_| carries);
    for (index, (owner, value)) in owners.filter_map(|owner| Some((owner, owner.value?))).enumerate() {
        if index == 0 {
            w.blank();
            w.comment("The states, transposed: 16 value columns of a warp");
        }
        let names = &fused.context.names.states[owner.state.index()];
        let s = &names.registers;
        w.line(format_args!("float {s}[{}][4] = {{}};", fused.key_eighths()));
        match fused.plan.ends[owner.state.index()].begin {
            Begin::Memory(_) => move_state(fused, (owner, value), "load_state", &names.initial, w),
            Begin::One => {
                let keys = fused.plan.layout.axis(fused.plan.dims.0).size;
                w.line(format_args!("set_identity<{keys}>({s}, {});", column(fused, owner)));
            }
            Begin::Ones => w.line(format_args!("fill_ones({s});")),
            Begin::Zero => {}
        }
    }
}

/// Matrix states as they end, to memory.
pub(super) fn final_matrices(fused: &Fused<'_>, w: &mut Writer) {
    for (_, owner) in ending(fused) {
        if let Some(value) = owner.value {
            let end = &fused.context.names.states[owner.state.index()].end;
            move_state(fused, (owner, value), "store_state", end, w);
        }
    }
}

/// Vector states as they end, to memory, once their warps are done.
pub(super) fn final_vectors(fused: &Fused<'_>, w: &mut Writer) {
    for (index, (at, owner)) in ending(fused).filter(|(_, owner)| owner.value.is_none()).enumerate() {
        if index == 0 {
            w.line("__syncthreads();");
        }
        let end = &fused.context.names.states[owner.state.index()].end;
        each_number(fused, w, |k, size, to| {
            let wanted = format!("{end} && {k} < {size} && {} == 0", fused.column);
            format!("if ({wanted}) {end}[{to}] = f32::of({}[{k}]);", fused.vectors[at])
        });
    }
}

/// The owners of states that somebody may ask for, with their positions.
fn ending<'a>(fused: &'a Fused<'_>) -> impl Iterator<Item = (usize, &'a Owner)> {
    let plan = fused.plan;
    let ends = |owner: &Owner| plan.computes(Phase::Carry) && plan.ends[owner.state.index()].end.is_some();
    plan.owners.iter().enumerate().filter(move |(_, owner)| ends(owner))
}

/// A statement for each number of a vector state, from its index, the state's size and its place in memory.
pub(super) fn each_number(fused: &Fused<'_>, w: &mut Writer, statement: impl Fn(&str, u32, &str) -> String) {
    let (k, key) = (&fused.context.names.i, fused.plan.dims.0);
    let (size, columns) = (fused.plan.layout.axis(key).size, fused.plan.columns(key));
    let place = format!("{} * {size} + {k}", fused.context.names.place);
    w.line(format_args!(
        "for (int {k} = threadIdx.x; {k} < {columns}; {k} += {}) {}",
        fused.threads(),
        statement(k, size, &place)
    ));
}

/// Moves a matrix state between its warps and memory, where it is wanted.
pub(super) fn move_state(
    fused: &Fused<'_>,
    (owner, value): (&Owner, Dim),
    function: &str,
    pointer: &str,
    w: &mut Writer,
) {
    let (plan, names) = (fused.plan, &fused.context.names);
    let size = |dim| plan.layout.axis(dim).size;
    let (k, v) = (size(plan.dims.0), size(value));
    let wanted = fused.is_owner(owner).map_or(pointer.to_owned(), |is| format!("{pointer} && {is}"));
    let column = column(fused, owner);
    let registers = &names.states[owner.state.index()].registers;
    let memory = format!("{pointer} + {} * {}", names.place, k * v);
    let both = match function {
        "load_state" => format!("{registers}, {memory}"),
        _ => format!("{memory}, {registers}"),
    };
    w.line(format_args!("if ({wanted}) {function}<{k}, {v}>({both}, {column});"));
}

/// The first value column of the warp that holds a part of a state.
fn column(fused: &Fused<'_>, owner: &Owner) -> String {
    format!("{} + {} * 16", fused.column, fused.warp_from(owner.first))
}

/// Decayed keys are written half by half: what a product meets before that must be a number.
pub(super) fn clear_decayed(fused: &Fused<'_>, w: &mut Writer) {
    if !fused.plan.computes(Phase::Before) {
        return;
    }
    let is_decayed = |region: Region| matches!(region, Region::Decayed(..));
    let clear = |w: &mut Writer| {
        for (decayed, tile) in fused.plan.decayed.iter().zip(&fused.decayed) {
            let rows = fused.plan.rows(fused.plan.chunk.keys(decayed.keys).slots.len());
            for tile in [&tile.high].into_iter().chain(&tile.low).chain(&tile.last) {
                w.line(format_args!("clear_tile<{rows}, {}>({tile});", fused.crew_threads(Phase::Before)));
            }
        }
    };
    if !fused.plan.regions().iter().any(|(region, _)| is_decayed(*region) && fused.plan.depth(*region) > 1) {
        return clear(w);
    }
    let stage = &fused.stage;
    w.block(format_args!("for (int {stage} = 0; {stage} < 2; ++{stage})"), |w| {
        shared_memory(fused, is_decayed, w);
        clear(w);
    });
}

/// The registers of a state.
pub(super) fn registers<'a>(fused: &'a Fused<'_>, state: StateId) -> &'a str {
    &fused.context.names.states[state.index()].registers
}
