//! The first parts of a chunk: its inputs, and what each token computes of them on its own.
//!
//! ```text
//! fetch_tile(k_tile, ..)                       cp.async, all threads; rows after the sequence's end are zero
//! for each token of this group of lanes:       g, beta, k -> coefficients, decays, computed operands
//! one warp: sums of the decays
//! ```

use super::{ClockNames, Fused, RowNames, TileName, epilogue, handed, mixes};
use crate::fused::{ClockKind, Number, Reader, Root};
use crate::print::{Context, express, memory, token};
use crate::program::{NodeId, Op, Step};
use crate::writer::Writer;
use chunkwise_algebra::program::Phase;
use chunkwise_dsl::graph::{Dim, ParamId};
use chunkwise_dsl::timeline::Factor;

/// Starts copying the vector inputs of a chunk: a group of lanes those of the tokens that it computes with.
pub(super) fn fetch(fused: &Fused<'_>, w: &mut Writer) {
    let (plan, names) = (fused.plan, &fused.context.names);
    let (lanes, warps) = (plan.layout.lanes, plan.crew(Phase::Before).len());
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
        w.line(format_args!(
            "{head}({to}, {} + {} * {token}, {token}, {entry}, {}, {left});",
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
        Reader::Tokens => (plan.layout.lanes, plan.crew(Phase::Before).end, String::new()),
        Reader::Decays => (1, 1, format!("if ({} == {}) ", fused.warp, plan.crew(Phase::Before).end - 1)),
    };
    w.line(format_args!(
        "{last}fetch_numbers<{}, {}, {lanes}, {warps}>({rows}, {} + {} * {token}, {token}, {}.entry, {});",
        plan.tokens, number.slots, own.at, fused.first, own.strides, fused.count
    ));
}

/// Whether inputs arrive by asynchronous copies.
fn copies(fused: &Fused<'_>) -> bool {
    let plan = fused.plan;
    let tiles = plan.inputs.iter().enumerate().filter(|(at, _)| plan.has_input(*at));
    (plan.computes(Phase::Before) && !plan.numbers.is_empty())
        || !plan.cut.imports.is_empty()
        || (tiles.into_iter().any(|(_, input)| input.run > 1) && !plan.input_split())
}

/// Coefficients, decays and computed operands.
pub(super) fn compute(fused: &Fused<'_>, w: &mut Writer) {
    let plan = fused.plan;
    if copies(fused) {
        w.line("wait_copies<0>();");
    }
    if !plan.computes(Phase::Before) {
        return fused.barrier(Phase::Carry, w);
    }
    w.line("__syncwarp();");
    // Zeros are written too, where nothing is computed beside them.
    let zeros = plan.own.iter().any(|own| own.values.contains(&None))
        || plan.operands.iter().any(|o| o.alias.is_none() && o.rows.contains(&None));
    if !plan.roots.is_empty() || zeros {
        w.blank();
        w.comment("What each token computes on its own");
        each_token(fused, Phase::Before, w, |w| {
            roots(fused, &fused.context, &plan.roots, w);
            zero_rows(fused, w);
            no_own(fused, w);
            if plan.decay_roots.is_empty() && has_sums(fused) {
                let member = &fused.context.names.member;
                w.block(format_args!("if ({member} == 0)"), |w| sums_in_token(fused, w));
            }
        });
    }
    decays(fused, w);
    fused.barrier(Phase::Before, w);
    if plan.decay_roots.is_empty() && has_sums(fused) {
        w.block(format_args!("if ({} == 0)", fused.warp), |w| cumulative(fused, w));
        fused.barrier(Phase::Before, w);
    }
}

/// The values that roots need, and where they go.
fn roots(fused: &Fused<'_>, context: &Context<'_>, roots: &[Root], w: &mut Writer) {
    for step in &context.program.steps {
        match step {
            Step::Define(id) => define(fused, context, *id, w),
            Step::Output { index, value } => ready(fused, context, roots[*index], *value, w),
            _ => {}
        }
    }
}

/// Whether one warp makes sums or products over the chunk's tokens.
fn has_sums(fused: &Fused<'_>) -> bool {
    let scalar = fused.plan.clocks.iter().any(|c| matches!(c.kind, ClockKind::Scalar { .. }));
    scalar || !fused.plan.mixings.is_empty()
}

/// Scalar decays that are made of scalars: the last warp computes them while the others compute the rest.
fn decays(fused: &Fused<'_>, w: &mut Writer) {
    let Some(context) = fused.decays.as_ref().filter(|_| has_sums(fused)) else { return };
    let (plan, t) = (fused.plan, &fused.context.names.token);
    w.block(format_args!("if ({} == {})", fused.warp, plan.crew(Phase::Before).end - 1), |w| {
        let lane = &fused.context.names.lane;
        w.block(format_args!("for (int {t} = {lane}; {t} < {}; {t} += 32)", plan.tokens), |w| {
            w.line(format_args!("const bool {} = {t} < {};", fused.there, fused.count));
            roots(fused, context, &plan.decay_roots, w);
            sums_in_token(fused, w);
        });
        w.line("__syncwarp();");
        cumulative(fused, w);
    });
}

/// The loop over the chunk's tokens, a group of lanes each, of the warps that compute a phase.
pub(super) fn each_token(fused: &Fused<'_>, phase: Phase, w: &mut Writer, body: impl FnOnce(&mut Writer)) {
    let (plan, names) = (fused.plan, &fused.context.names);
    let (t, groups, crew) = (&names.token, plan.layout.groups(), plan.crew(phase));
    let each = crew.len() as u32 * groups;
    let warp = match crew.start {
        0 => fused.warp.clone(),
        first => format!("({} - {first})", fused.warp),
    };
    let start = match groups {
        1 => warp,
        groups => format!("{warp} * {groups} + {}", names.group),
    };
    w.block(format_args!("for (int {t} = {start}; {t} < {}; {t} += {each})", plan.tokens), |w| {
        w.line(format_args!("const bool {} = {t} < {};", fused.there, fused.count));
        body(w);
    });
}

/// Defines a value of the prologue or the epilogue.
pub(super) fn define(fused: &Fused<'_>, context: &Context<'_>, id: NodeId, w: &mut Writer) {
    let node = context.program.node(id);
    match node.op {
        Op::Input(param, entry) if !node.constant => input(fused, context, id, param, entry.unwrap_or(0), w),
        Op::Tap(read) => epilogue::take(fused, context, id, read, w),
        _ => token::define(context, id, w),
    }
}

fn input(fused: &Fused<'_>, context: &Context<'_>, id: NodeId, param: ParamId, entry: u32, w: &mut Writer) {
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
    load_row(fused, context, (name, dim), (&fused.inputs[at], &row), w);
}

/// A row of a tile, as this lane's registers.
pub(super) fn load_row(
    fused: &Fused<'_>,
    context: &Context<'_>,
    (name, dim): (&str, Dim),
    (tile, row): (&TileName, &str),
    w: &mut Writer,
) {
    let (axis, e) = (context.axis(dim), fused.element());
    w.line(format_args!("float {name}[{}];", axis.registers));
    let place = format!("{row}, {} * {}", context.names.member, axis.run);
    w.line(format_args!("load_row<{}, {}, {e}>({name}, {}, {place});", axis.run, axis.stride, tile.high));
    if let Some(low) = &tile.low {
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

/// A root's value is there: it goes where the products look for it.
fn ready(fused: &Fused<'_>, context: &Context<'_>, root: Root, value: NodeId, w: &mut Writer) {
    let (plan, names) = (fused.plan, &fused.context.names);
    let text = express::value(context, value);
    match root {
        Root::Coefficient(c, slot) => {
            let row = row(&names.token, plan.coefficients[c].values.len(), slot);
            let there = &fused.there;
            w.line(format_args!(
                "if ({} == 0) {}[{row}] = {there} ? {text} : 0.0f;",
                names.member, fused.coefficients[c]
            ));
        }
        Root::Decay(c, f) => decay(fused, c, f, &text, w),
        Root::DecayRow(c) => {
            if let ClockNames::ByChannel { decay, .. } = &fused.clocks[c] {
                let columns = plan.columns(plan.dims.0);
                let row = format!("{decay} + {} * {columns}", names.token);
                decay_row(fused, plan.dims.0, &row, &text, w);
            }
        }
        Root::ChannelRow(c) => {
            let row = format!("{}.at({}, 0)", fused.channels[c], names.token);
            decay_row(fused, plan.dims.1, &row, &text, w);
        }
        Root::Mix(..) | Root::MixVector(..) => mixes::ready(fused, context, root, &text, w),
        Root::Own(o, at) => own(fused, o, at, &text, w),
        Root::Operand(o, slot) => {
            let operand = &plan.operands[o];
            let row = row(&names.token, operand.rows.len(), slot);
            store_row(fused, operand.dim, &fused.operands[o], &row, &text, w);
        }
    }
}

fn store_row(fused: &Fused<'_>, dim: Dim, tile: &TileName, row: &str, text: &str, w: &mut Writer) {
    let context = &fused.context;
    let (axis, i) = (context.axis(dim), context.index(dim));
    w.block("", |w| {
        w.line(format_args!("float {}[{}];", fused.line, axis.registers));
        w.unrolled(i, axis.registers, format_args!("{}[{i}] = {text};", fused.line));
        if axis.padded {
            let left = &context.names.dims[dim.index()].left;
            w.line(format_args!("clear_padding<{}, {}, 0>({}, {left});", axis.run, axis.stride, fused.line));
        }
        let (e, line) = (fused.element(), &fused.line);
        let head = format!("store_row<{}, {}, {e}>", axis.run, axis.stride);
        let place = format!("{line}, {row}, {} * {}, {}", context.names.member, axis.run, fused.there);
        w.line(format_args!("{head}({}, {place});", tile.high));
        if let Some(low) = &tile.low {
            w.line(format_args!("subtract_rounded_row<{e}>({line});"));
            w.line(format_args!("{head}({low}, {place});"));
        }
    });
}

/// Slots without a key or a value.
fn zero_rows(fused: &Fused<'_>, w: &mut Writer) {
    for (operand, tile) in fused.plan.operands.iter().zip(&fused.operands).filter(|(o, _)| o.alias.is_none())
    {
        for slot in (0..operand.rows.len()).filter(|&slot| operand.rows[slot].is_none()) {
            let row = row(&fused.context.names.token, operand.rows.len(), slot);
            store_row(fused, operand.dim, tile, &row, "0.0f", w);
        }
    }
}

/// Pairs of a read and a later write of one token.
fn no_own(fused: &Fused<'_>, w: &mut Writer) {
    for (o, own_pairs) in fused.plan.own.iter().enumerate() {
        for at in (0..own_pairs.values.len()).filter(|&at| own_pairs.values[at].is_none()) {
            own(fused, o, at, "0.0f", w);
        }
    }
}

fn own(fused: &Fused<'_>, o: usize, at: usize, text: &str, w: &mut Writer) {
    let names = &fused.context.names;
    let row = row(&names.token, fused.plan.own[o].values.len(), at);
    w.line(format_args!(
        "if ({} == 0) {}[{row}] = {} ? {text} : 0.0f;",
        names.member, fused.own[o], fused.there
    ));
}

/// One of a token's decays, and its sign.
fn decay(fused: &Fused<'_>, clock: usize, factor: usize, text: &str, w: &mut Writer) {
    let (ClockKind::Scalar { factors, .. }, ClockNames::Scalar { steps, signs, .. }) =
        (&fused.plan.clocks[clock].kind, &fused.clocks[clock])
    else {
        return;
    };
    let log2 = match (factors[factor], signs) {
        (Factor::Log(_), _) => format!("1.44269504f * ({text})"),
        (Factor::Raw(_), None) => format!("log2f({text})"),
        (Factor::Raw(_), Some(_)) => format!("log2f(fabsf({text}))"),
    };
    let there = &fused.there;
    w.line(format_args!("const float {} = {there} ? bounded_log2({log2}) : 0.0f;", steps[factor]));
    if let Some((_, turns)) = signs {
        w.line(match factors[factor] {
            Factor::Log(_) => format!("const float {} = 1.0f;", turns[factor]),
            Factor::Raw(_) => {
                format!("const float {} = {there} && {text} < 0.0f ? -1.0f : 1.0f;", turns[factor])
            }
        });
    }
}

/// A row of decays by channel; tokens after the sequence's end, and padding, keep everything.
fn decay_row(fused: &Fused<'_>, dim: Dim, to: &str, text: &str, w: &mut Writer) {
    let (context, names) = (&fused.context, &fused.context.names);
    let (axis, i, columns) = (context.axis(dim), context.index(dim), fused.plan.columns(dim));
    let inside = match axis.padded {
        true => {
            let shared = dim == fused.plan.dims.1 && fused.plan.blocks > 1;
            let left =
                if shared { format!("{} - {}", axis.size, fused.column) } else { axis.size.to_string() };
            let at = format!("{i} / {} * {} + {i} % {}", axis.run, axis.stride, axis.run);
            format!(" && {} * {} + {at} < {left}", names.member, axis.run)
        }
        false => String::new(),
    };
    w.block("", |w| {
        w.line(format_args!("float {}[{}];", fused.line, axis.registers));
        let value = format!("{}{inside} ? {text} : 1.0f", fused.there);
        w.unrolled(i, axis.registers, format_args!("{}[{i}] = {value};", fused.line));
        w.line(format_args!(
            "store_floats<{}, {}, {columns}>({to}, {}, {} * {});",
            axis.run, axis.stride, fused.line, names.member, axis.run
        ));
    });
}

/// The decays that stand before each row in its token.
fn sums_in_token(fused: &Fused<'_>, w: &mut Writer) {
    let names = &fused.context.names;
    let t = &names.token;
    for (clock, own) in fused.plan.clocks.iter().zip(&fused.clocks) {
        let (ClockKind::Scalar { places, .. }, ClockNames::Scalar { before, steps, rows, signs }) =
            (&clock.kind, own)
        else {
            continue;
        };
        let joined = |names: &[String], by: &str, none: &str| match names {
            [] => none.to_owned(),
            names => names.join(by),
        };
        w.line(format_args!("{before}[{t}] = {};", joined(steps, " + ", "0.0f")));
        if let Some((sign, turns)) = signs {
            w.line(format_args!("{sign}[{t}] = {};", joined(turns, " * ", "1.0f")));
        }
        for (places, RowNames { log, sign, .. }) in places.iter().zip(rows) {
            for (slot, &place) in places.iter().enumerate() {
                let row = row(t, places.len(), slot);
                w.line(format_args!("{log}[{row}] = {};", joined(&steps[..place], " + ", "0.0f")));
                if let (Some(sign), Some((_, turns))) = (sign, signs) {
                    w.line(format_args!("{sign}[{row}] = {};", joined(&turns[..place], " * ", "1.0f")));
                }
            }
        }
    }
}

/// Decays from the chunk's start and to its end, of the rows of keys. For one warp.
fn cumulative(fused: &Fused<'_>, w: &mut Writer) {
    let plan = fused.plan;
    for (clock, own) in plan.clocks.iter().zip(&fused.clocks) {
        let (ClockKind::Scalar { places, .. }, ClockNames::Scalar { before, rows, signs, .. }) =
            (&clock.kind, own)
        else {
            continue;
        };
        let tokens = plan.tokens;
        w.line(format_args!("sum_before<{tokens}>({before});"));
        if let Some((sign, _)) = signs {
            w.line(format_args!("signs_before<{tokens}>({sign});"));
        }
        for (places, RowNames { log, from_start, to_end, sign }) in places.iter().zip(rows) {
            let slots = places.len();
            w.line(format_args!("decay_rows<{tokens}, {slots}>({before}, {log}, {from_start}, {to_end});"));
            if let (Some(sign), Some((all, _))) = (sign, signs) {
                w.line("__syncwarp();");
                w.line(format_args!("sign_rows<{tokens}, {slots}>({all}, {sign}, {from_start}, {to_end});"));
            }
        }
    }
    mixes::cumulative(fused, w);
}
