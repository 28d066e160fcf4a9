//! A chunk's inputs: the copies that bring them to shared memory, and what a token's expressions read of them.
//!
//! ```text
//! fetch_tile(k_tile, ..)                 cp.async; a group of lanes copies the tokens that it computes with
//! load_row(k, k_tile, t, ..)             a row of a tile, as this lane's registers
//! ```

use super::{Fused, TileName, handed};
use crate::fused::{Number, Reader};
use crate::print::{Context, memory};
use crate::program::NodeId;
use crate::writer::Writer;
use chunkwise_algebra::program::Phase;
use chunkwise_dsl::graph::{Dim, ParamId};

/// Starts copying the vector inputs of a chunk: a group of lanes those of the tokens that it computes with.
pub(super) fn fetch(fused: &Fused<'_>, w: &mut Writer) {
    let (plan, names) = (fused.plan, &fused.context.names);
    let (lanes, warps) = (plan.layout.lanes, copying(fused));
    let tiles = plan.inputs.iter().zip(&fused.inputs).enumerate();
    for (_, (input, tile)) in tiles.filter(|(at, _)| plan.has_input(*at)) {
        let own = &names.params[input.param.index()];
        let size = plan.layout.axis(input.dim).size;
        let (token, entry) = (own.token(), format!("{}.entry", own.strides));
        let left = match input.dim == plan.dims.1 && plan.blocks > 1 {
            true => format!("{size} - {}", fused.column),
            false => size.to_string(),
        };
        let (tokens, slots) = (plan.tokens, input.slots);
        let (head, to) = match &tile.low {
            None => {
                (format!("fetch_tile<{tokens}, {slots}, {}, {lanes}, {warps}>", input.run), tile.high.clone())
            }
            Some(low) => (
                format!(
                    "fetch_split<{}, {tokens}, {slots}, {}, {lanes}, {warps}>",
                    fused.operand(),
                    input.run.min(2)
                ),
                format!("{}, {low}", tile.high),
            ),
        };
        let last = tile.last.as_ref().map_or(String::new(), |last| format!(", {last}"));
        w.line(format_args!(
            "{head}({to}, {}, {}, {token}, {entry}, {}, {left}{last});",
            own.at, fused.first, fused.count,
        ));
    }
    if plan.computes(Phase::Before) {
        for (number, rows) in plan.numbers.iter().zip(&fused.numbers) {
            fetch_numbers(fused, number, rows, w);
        }
    }
    handed::fetch(fused, w);
    if copies(fused) {
        w.line("close_copies();");
    }
}

/// A scalar input: each number is copied by who reads it.
fn fetch_numbers(fused: &Fused<'_>, number: &Number, rows: &str, w: &mut Writer) {
    let (plan, names) = (fused.plan, &fused.context.names);
    let own = &names.params[number.param.index()];
    let token = own.token();
    let (lanes, warps, last) = match number.reader {
        Reader::Tokens => (plan.layout.lanes, copying(fused), String::new()),
        Reader::Decays => {
            (1, "1".to_owned(), format!("if ({} == {}) ", fused.warp, plan.crew(Phase::Before).end - 1))
        }
    };
    w.line(format_args!(
        "{last}fetch_numbers<{}, {}, {lanes}, {warps}>({rows}, {}, {}, {token}, {}.entry, {});",
        plan.tokens, number.slots, own.at, fused.first, own.strides, fused.count
    ));
}

/// The warps that copy, those that prepare, and their first thread, as template arguments.
fn copying(fused: &Fused<'_>) -> String {
    let crew = fused.plan.crew(Phase::Before);
    match crew.start {
        0 => crew.len().to_string(),
        first => format!("{}, {}", crew.len(), first * 32),
    }
}

/// Whether inputs arrive by asynchronous copies.
pub(super) fn copies(fused: &Fused<'_>) -> bool {
    let plan = fused.plan;
    let tiles = plan.inputs.iter().enumerate().filter(|(at, _)| plan.has_input(*at));
    (plan.computes(Phase::Before) && !plan.numbers.is_empty())
        || !plan.cut.imports.is_empty()
        || (tiles.into_iter().any(|(_, input)| input.run > 1) && !plan.input_split())
}

pub(super) fn input(
    fused: &Fused<'_>,
    context: &Context<'_>,
    id: NodeId,
    param: ParamId,
    entry: u32,
    w: &mut Writer,
) {
    let name = &context.names.nodes[id.index()];
    let own = &context.names.params[param.index()];
    let t = &context.names.token;
    let Some(dim) = context.program.node(id).dim else {
        if let Some(rows) = number(fused, context, param) {
            let slots = fused.plan.chunk.timeline.signature.param(param).count.unwrap_or(1);
            let row = row(t, slots as usize, entry as usize);
            return w.line(format_args!("const float {name} = {rows}[{row}];"));
        }
        return w.line(format_args!(
            "const float {name} = {} ? {}[({} + {t}) * {}{}].wide() : 0.0f;",
            fused.there,
            own.at,
            fused.first,
            own.token(),
            own.entry(entry)
        ));
    };
    let Some(at) = fused.plan.inputs.iter().position(|i| i.param == param) else {
        return global_row(fused, context, id, param, entry, w);
    };
    let row = row(t, fused.plan.inputs[at].slots as usize, entry as usize);
    // Third parts live until the squares are made.
    let mut tile = fused.inputs[at].clone();
    tile.last = tile.last.filter(|_| std::ptr::eq(context.program, &fused.plan.prologue));
    load_row(fused, context, (name, dim), (&tile, &row), w);
}

/// A row of a tile, as this lane's registers.
pub(super) fn load_row(
    fused: &Fused<'_>,
    context: &Context<'_>,
    (name, dim): (&str, Dim),
    (tile, row): (&TileName, &str),
    w: &mut Writer,
) {
    let (axis, e) = (context.axis(dim), fused.operand());
    w.line(format_args!("float {name}[{}];", axis.registers));
    let place = format!("{row}, {} * {}", context.names.member, axis.run);
    w.line(format_args!("load_row<{}, {}, {e}>({name}, {}, {place});", axis.run, axis.stride, tile.high));
    for low in tile.low.iter().chain(&tile.last) {
        w.line(format_args!("add_row<{}, {}, {e}>({name}, {low}, {place});", axis.run, axis.stride));
    }
}

/// The rows of a scalar input of the prologue or of decays.
fn number<'a>(fused: &'a Fused<'_>, context: &Context<'_>, param: ParamId) -> Option<&'a str> {
    let reader = if std::ptr::eq(context.program, &fused.plan.prologue) {
        Reader::Tokens
    } else if std::ptr::eq(context.program, &fused.plan.decays) {
        Reader::Decays
    } else {
        return None;
    };
    let at = fused.plan.numbers.iter().position(|n| n.param == param && n.reader == reader)?;
    Some(&fused.numbers[at])
}

/// A vector that no tile holds: read from memory. After the sequence's end the chunk's first token stands in.
fn global_row(
    fused: &Fused<'_>,
    context: &Context<'_>,
    id: NodeId,
    param: ParamId,
    entry: u32,
    w: &mut Writer,
) {
    let (name, own) = (&context.names.nodes[id.index()], &context.names.params[param.index()]);
    let Some(dim) = context.program.node(id).dim else { return };
    let axis = context.axis(dim);
    let from = format!(
        "{} + ({} + ({} ? {} : 0)) * {}{} + {} * {}",
        own.at,
        fused.first,
        fused.there,
        context.names.token,
        own.token(),
        own.entry(entry),
        context.names.member,
        axis.run
    );
    w.line(format_args!("float {name}[{}];", axis.registers));
    w.line(memory::moved(context, "load", dim, name, &from));
}

/// `t * slots + slot`
pub(super) fn row(t: &str, slots: usize, slot: usize) -> String {
    match (slots, slot) {
        (1, _) => t.to_owned(),
        (slots, 0) => format!("{t} * {slots}"),
        (slots, slot) => format!("{t} * {slots} + {slot}"),
    }
}
