//! The last part of a chunk, where outputs are more than reads: each token computes them from the rows of its reads.

use super::{Fused, inputs, tokens};
use crate::print::{Context, express, memory};
use crate::program::{NodeId, Step};
use crate::writer::Writer;
use chunkwise_algebra::program::{Columns, Phase};
use chunkwise_dsl::graph::ReadId;

/// The outputs of the chunk's tokens.
pub(super) fn print(fused: &Fused<'_>, w: &mut Writer) {
    let Some(context) = &fused.after else { return };
    fused.barrier(Phase::After, w);
    w.blank();
    w.comment("Outputs of each token");
    tokens::each_token(fused, Phase::After, w, |w| {
        for step in &context.program.steps {
            match step {
                Step::Define(id) => tokens::define(fused, context, *id, w),
                Step::Output { index, value } => store(fused, context, *index, *value, w),
                _ => {}
            }
        }
    });
}

/// What a read found, from its row.
pub(super) fn take(fused: &Fused<'_>, context: &Context<'_>, id: NodeId, read: ReadId, w: &mut Writer) {
    let (plan, name) = (fused.plan, &context.names.nodes[id.index()]);
    let Some((_, found)) = plan.chunk.reads.iter().find(|(r, _)| *r == read) else { return };
    let reads = plan.epilogue.iter().flat_map(|e| &e.reads).position(|node| *node == found.node);
    let rows = reads.map_or("", |at| &fused.reads[at]);
    let of = plan.chunk.node(found.node);
    let row = inputs::row(&context.names.token, plan.chunk.slots(of.rows), found.slot);
    match of.columns {
        Columns::Value(Some(dim)) => {
            let axis = context.axis(dim);
            w.line(format_args!("float {name}[{}];", axis.registers));
            let first = format!("{} * {}", context.names.member, axis.run);
            w.line(format_args!("load_wide<{}, {}>({name}, {rows}, {row}, {first});", axis.run, axis.stride));
        }
        _ => w.line(format_args!("const float {name} = {rows}[{row}];")),
    }
}

fn store(fused: &Fused<'_>, context: &Context<'_>, index: usize, value: NodeId, w: &mut Writer) {
    let (names, own) = (&context.names, &context.names.outputs[index]);
    let text = express::value(context, value);
    let at = format!("{} + ({} + {}) * {}", own.at, fused.first, names.token, own.step);
    let Some(dim) = context.timeline.signature.outputs[index].shape.dims().next() else {
        return w.line(format_args!(
            "if ({} && {} == 0 && {} == 0) *({at}) = {}::of({text});",
            fused.there, names.member, fused.column, context.output
        ));
    };
    let (axis, i) = (context.axis(dim), context.index(dim));
    w.block("", |w| {
        w.line(format_args!("float {}[{}];", fused.line, axis.registers));
        w.unrolled(i, axis.registers, format_args!("{}[{i}] = {text};", fused.line));
        let to = format!("{at} + {} * {}", names.member, axis.run);
        // What is of no value column is every block's that shares the head: the first one stores it.
        let shared = fused.plan.blocks > 1 && dim != fused.plan.dims.1;
        let mine = if shared { format!(" && {} == 0", fused.column) } else { String::new() };
        w.line(format_args!(
            "if ({}{mine}) {}",
            fused.there,
            memory::moved(context, "store", dim, &to, &fused.line)
        ));
    });
}
