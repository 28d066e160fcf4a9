//! What each token computes of its inputs on its own.
//!
//! ```text
//! wait_copies                                  the chunk's inputs are there
//! for each token of this group of lanes:       g, beta, k -> coefficients, decays, computed operands
//! one warp: sums of the decays
//! ```

use super::decays::{cumulative, decay, decay_row, has_sums, sums_in_token};
use super::inputs::{copies, input, row};
use super::{ClockNames, Fused, epilogue, mixes};
use crate::fused::Root;
use crate::print::{Context, express, token};
use crate::program::{NodeId, Op, Step};
use crate::writer::Writer;
use chunkwise_algebra::program::Phase;

/// Coefficients, decays and computed operands.
pub(super) fn compute(fused: &Fused<'_>, w: &mut Writer) {
    let plan = fused.plan;
    // Who copies waits, and where the other crew does, the two have met since.
    if copies(fused) && !plan.arrives_ahead() {
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

/// Scalar decays that are made of scalars: the last warp computes them while the others compute the rest.
fn decays(fused: &Fused<'_>, w: &mut Writer) {
    let Some(context) = fused.decays.as_ref().filter(|_| has_sums(fused)) else { return };
    let (plan, t) = (fused.plan, &fused.context.names.token);
    w.block(format_args!("if ({} == {})", fused.warp, plan.crew(Phase::Before).end - 1), |w| {
        let lane = &fused.context.names.lane;
        w.line("#pragma unroll 1");
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
    let warp = fused.warp_from(crew.start);
    let start = match groups {
        1 => warp,
        groups => format!("{warp} * {groups} + {}", names.group),
    };
    w.line("#pragma unroll 1");
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
            let row = row(&names.token, plan.operands[o].rows.len(), slot);
            store_row(fused, o, &row, &text, w);
        }
    }
}

/// A row of an operand.
fn store_row(fused: &Fused<'_>, o: usize, row: &str, text: &str, w: &mut Writer) {
    let (context, operand, tile) = (&fused.context, &fused.plan.operands[o], &fused.operands[o]);
    let (axis, i) = (context.axis(operand.dim), context.index(operand.dim));
    let (floats, dim) = (fused.plan.is_floats(operand), operand.dim);
    w.block("", |w| {
        w.line(format_args!("float {}[{}];", fused.line, axis.registers));
        let text = if floats { format!("{} ? {text} : 0.0f", fused.there) } else { text.to_owned() };
        w.unrolled(i, axis.registers, format_args!("{}[{i}] = {text};", fused.line));
        if axis.padded {
            let left = &context.names.dims[dim.index()].left;
            w.line(format_args!("clear_padding<{}, {}, 0>({}, {left});", axis.run, axis.stride, fused.line));
        }
        let (e, line) = (fused.element(), &fused.line);
        if floats {
            let (run, stride, columns) = (axis.run, axis.stride, operand.columns);
            let to = format!("{}.at({row}, 0)", tile.high);
            let first = format!("{} * {run}", context.names.member);
            return w.line(format_args!("store_floats<{run}, {stride}, {columns}>({to}, {line}, {first});"));
        }
        let head = format!("store_row<{}, {}, {e}>", axis.run, axis.stride);
        let place = format!("{line}, {row}, {} * {}, {}", context.names.member, axis.run, fused.there);
        w.line(format_args!("{head}({}, {place});", tile.high));
        for low in tile.low.iter().chain(&tile.last) {
            w.line(format_args!("subtract_rounded_row<{e}>({line});"));
            w.line(format_args!("{head}({low}, {place});"));
        }
    });
}

/// Slots without a key or a value.
fn zero_rows(fused: &Fused<'_>, w: &mut Writer) {
    let computed = fused.plan.operands.iter().enumerate().filter(|(_, o)| o.alias.is_none());
    for (o, operand) in computed {
        for slot in (0..operand.rows.len()).filter(|&slot| operand.rows[slot].is_none()) {
            let row = row(&fused.context.names.token, operand.rows.len(), slot);
            store_row(fused, o, &row, "0.0f", w);
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
