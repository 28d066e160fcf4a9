//! The CUDA text of the fused plan: position, shared memory, the state, the loop over chunks, the final state.
//!
//! A chunk reads from top to bottom as the equations do: inputs, what each token computes, square matrices, and then what
//! each warp does for its value columns on its own: reads, the solve, outputs, the next state.

mod channels;
mod decays;
mod epilogue;
mod handed;
mod inputs;
mod mixes;
mod names;
mod products;
mod recurrence;
mod roles;
mod shared;
mod squares;
mod states;
mod substitution;
mod taps;
mod tokens;

use super::names::Names;
use super::{arguments, below, entry, memory, token};
use crate::device;
use crate::dtype::DType;
use crate::fused::{Plan, WARP_COLUMNS, copy_run};
use crate::kernel::{Argument, Kernel, Role, Spec};
use crate::layout;
use crate::schedule::Unit;
use crate::writer::Writer;
use chunkwise_algebra::program::{self as chunk_program, Phase};
use chunkwise_dsl::graph::{ParamId, Shape};
use names::{ClockNames, Fused, RowNames, TileName, name};
use products::Packed;
use shared::shared_memory;
use states::{clear_decayed, registers};

/// Prints a plan.
pub fn kernel(spec: &Spec, plan: &Plan) -> Kernel {
    let fused = name(spec, plan);
    let used = used_params(plan);
    let run = |shape: Shape| {
        let size = shape.dims().last().map_or(1, |d| plan.layout.axis(d).size);
        copy_run(size) as usize
    };
    let mut arguments =
        arguments(&fused.context, &used, (plan.unit, &plan.ends), |shape, dtype| match dtype {
            DType::F32 => 4 * run(shape).min(4),
            dtype => dtype.size() * run(shape),
        });
    arguments.retain(|argument| is_used(plan, argument));
    arguments.extend(handed::arguments(&fused));
    let body = body(&fused, &used);
    let entry = entry(&fused.context, &arguments, &body);
    let mut w = Writer::default();
    header(&fused, spec, &mut w);
    let embed = if plan.is_tight() { device::embed_sparing } else { device::embed };
    w.section(&embed(&entry));
    w.section(&entry);
    Kernel {
        name: fused.context.names.kernel.clone(),
        source: w.finish(),
        arguments,
        threads: fused.threads(),
        shared: plan.shared(),
        unit: plan.unit,
        blocks_per_head: plan.blocks,
    }
}

/// States belong to the carry, outputs to what comes after it.
fn is_used(plan: &Plan, argument: &Argument) -> bool {
    match argument.role {
        Role::InitialState(_) | Role::FinalState(_) => plan.computes(Phase::Carry),
        Role::Output(_) => plan.computes(Phase::After),
        _ => true,
    }
}

/// Parameters that the chunk uses.
fn used_params(plan: &Plan) -> Vec<ParamId> {
    let before = [&plan.prologue, &plan.decays].into_iter().filter(|_| plan.computes(Phase::Before));
    let carry = plan.substitutions.iter().map(|s| &s.program).filter(|_| plan.computes(Phase::Carry));
    let after = plan.epilogue.iter().map(|e| &e.program).filter(|_| plan.computes(Phase::After));
    let inputs = before.chain(after).chain(carry).flat_map(|p| p.inputs(false).chain(p.inputs(true)));
    let tiles = plan.inputs.iter().enumerate().filter(|(at, _)| plan.has_input(*at));
    let mut params: Vec<ParamId> =
        inputs.map(|(_, param, _)| param).chain(tiles.map(|(_, i)| i.param)).collect();
    params.sort();
    params.dedup();
    params
}

fn header(fused: &Fused<'_>, spec: &Spec, w: &mut Writer) {
    let Fused { plan, context, .. } = fused;
    let sizes: Vec<u32> = plan.layout.axes.iter().map(|axis| axis.size).collect();
    let plan_text = match plan.cut.phases {
        [Phase::Before] => "the split plan, what is free of the state".to_owned(),
        [Phase::Carry] => "the split plan, what the next state is made from".to_owned(),
        [Phase::After] => "the split plan, outputs from each chunk's first state".to_owned(),
        [Phase::Carry, Phase::After] => "the split plan, what depends on the state".to_owned(),
        _ => format!("the {} plan", plan.part),
    };
    w.comment(format_args!(
        "{}, {}, {}: {plan_text}, chunks of {} tokens.",
        context.timeline.signature.name,
        layout::describe(context.timeline, &sizes),
        spec.dtype,
        plan.tokens
    ));
    let equations = chunk_program::print_phases(&plan.chunk, plan.cut.phases);
    w.quotation("One token, in order:", &chunkwise_dsl::print::timeline(context.timeline));
    w.quotation("One chunk, a row for each read p and write u of a token:", &equations);
    w.quotation("where", &chunk_program::legend(&equations));
    w.line("//");
    let (warps, preparing) = (plan.warps, plan.preparing);
    let unit = match plan.unit {
        Unit::Sequence => "sequence",
        Unit::Piece => "piece of a sequence",
    };
    w.comment(match plan.cut.phases {
        [Phase::Before] => format!("A block of {warps} warps has one chunk of one head."),
        [Phase::After] => format!(
            "A block of {warps} warps has one chunk of one head; a warp has {WARP_COLUMNS} value columns. Blocks that share \
             them: {}.",
            plan.blocks
        ),
        _ => format!(
            "A block of {warps} warps walks the chunks of one {unit} and head; a warp holds {WARP_COLUMNS} value columns of \
             the state, transposed, as accumulators. Blocks that share a head: {}.{}",
            plan.blocks,
            match preparing {
                0 => String::new(),
                _ => format!(" The first {preparing} warps hold no state: they prepare the next chunk meanwhile."),
            }
        ),
    });
}

/// The braces and all between them.
fn body(fused: &Fused<'_>, used: &[ParamId]) -> String {
    let mut rest = Writer::default();
    rest.block("", |w| {
        if fused.plan.unit == Unit::Piece {
            w.line(format_args!("if ({} <= 0) return;", fused.context.names.length));
        }
        w.blank();
        w.comment("Shared memory");
        w.line("extern __shared__ uint4 memory[];");
        w.line("char *const shared = reinterpret_cast<char *>(memory);");
        shared_memory(fused, |region| fused.plan.depth(region) == 1, w);
        pointers(fused, used, w);
        let before = [Some(&fused.context), fused.decays.as_ref()].into_iter().flatten();
        let contexts = [
            (Phase::Before, before.collect::<Vec<_>>()),
            (Phase::After, fused.after.iter().collect()),
            (Phase::Carry, fused.substitutions.iter().map(|s| &s.context).collect()),
        ];
        for (_, contexts) in contexts.iter().filter(|(phase, _)| fused.plan.computes(*phase)) {
            contexts.iter().for_each(|context| token::once(context, w));
        }
        states::vectors(fused, w);
        if fused.plan.preparing > 0 {
            w.blank();
            roles::print(fused, w);
        } else {
            clear_decayed(fused, w);
            states::matrices(fused, w);
            w.blank();
            match fused.plan.stages {
                1 => one_stage(fused, w),
                _ => two_stages(fused, w),
            }
            states::final_matrices(fused, w);
        }
        states::final_vectors(fused, w);
    });
    below(position(fused), &rest.finish(), |_| {})
}

/// The loop over chunks, each of which waits for its inputs.
fn one_stage(fused: &Fused<'_>, w: &mut Writer) {
    each_chunk(fused, w, |w| {
        count(fused, w);
        if !fused.plan.cut.imports.is_empty() {
            handed::regions_row(fused, w);
        }
        inputs::fetch(fused, w);
        tokens::compute(fused, w);
        products(fused, w);
        w.line("__syncthreads();");
    });
}

/// The loop over chunks; the inputs of the next one arrive while this one is computed.
fn two_stages(fused: &Fused<'_>, w: &mut Writer) {
    let Fused { first, stage, fetch, plan, .. } = fused;
    let length = &fused.context.names.length;
    fetch_function(fused, &format!("int {stage}"), w);
    w.line(format_args!("int {stage} = 0;"));
    w.line(format_args!("if ({length} > 0) {fetch}(0, {stage});"));
    each_chunk(fused, w, |w| {
        // Tokens that are not there are zeros in what the carry takes: only rows that it makes itself need to know.
        if !plan.hands_on() || !plan.substitutions.is_empty() {
            count(fused, w);
        }
        shared_memory(fused, |region| plan.depth(region) > 1, w);
        tokens::compute(fused, w);
        let tokens = plan.tokens;
        w.line(format_args!("if ({first} + {tokens} < {length}) {fetch}({first} + {tokens}, {stage} ^ 1);"));
        products(fused, w);
        // Decays of value channels have one place, and the next chunk's tokens write it.
        if !plan.channel_clocks.is_empty() {
            fused.barrier(Phase::Before, w);
        }
        w.line(format_args!("{stage} ^= 1;"));
    });
}

/// The function that fetches a chunk, from its first token and the numbers of its stages.
fn fetch_function(fused: &Fused<'_>, stages: &str, w: &mut Writer) {
    let Fused { plan, first, fetch, .. } = fused;
    w.block_ending(format_args!("const auto {fetch} = [&](i64 {first}, {stages})"), "};", |w| {
        count(fused, w);
        shared_memory(fused, |region| plan.depth(region) > 1 && plan.arrives(region), w);
        handed::regions_row(fused, w);
        inputs::fetch(fused, w);
    });
}

fn each_chunk(fused: &Fused<'_>, w: &mut Writer, body: impl FnOnce(&mut Writer)) {
    let (first, length) = (&fused.first, &fused.context.names.length);
    let tokens = fused.plan.tokens;
    w.block(format_args!("for (i64 {first} = 0; {first} < {length}; {first} += {tokens})"), body);
}

/// How many tokens the chunk has.
fn count(fused: &Fused<'_>, w: &mut Writer) {
    let Fused { first, count, .. } = fused;
    let (length, tokens) = (&fused.context.names.length, fused.plan.tokens);
    // Without outputs, and where inputs came before, there may be nobody to ask.
    let has_outputs =
        fused.plan.computes(Phase::After) && !fused.context.timeline.signature.outputs.is_empty();
    let unused = if has_outputs { "" } else { "[[maybe_unused]] " };
    w.line(format_args!(
        "{unused}const int {count} = {length} - {first} < {tokens} ? int({length} - {first}) : {tokens};"
    ));
}

/// The head of a block that every chunk comes to: where there is one there are tokens. Compilers begin with what stands in it no
/// sooner, and it takes no register before.
fn always(fused: &Fused<'_>, w: &mut Writer) -> String {
    w.comment("Always");
    format!("if ({} > 0)", fused.context.names.tokens)
}

/// Everything after the tokens' own numbers.
fn products(fused: &Fused<'_>, w: &mut Writer) {
    if fused.plan.computes(Phase::Before) {
        squares::print(fused, Phase::Before, w);
        handed::send(fused, w);
    }
    if fused.plan.computes(Phase::Carry) || fused.plan.computes(Phase::After) {
        recurrence::print(fused, w);
    }
    if fused.plan.computes(Phase::After) {
        epilogue::print(fused, w);
    }
}

fn position<'a>(fused: &'a Fused<'_>) -> Vec<(&'a str, String)> {
    let (n, plan) = (&fused.context.names, fused.plan);
    let (lanes, blocks) = (plan.layout.lanes, plan.blocks);
    let (pair, tile) = match blocks {
        1 => ("blockIdx.x".to_owned(), "0".to_owned()),
        _ => (
            format!("blockIdx.x / {blocks}"),
            format!("blockIdx.x % {blocks} * {}", plan.columns(plan.dims.1)),
        ),
    };
    let mut lines: Vec<(&str, String)> = vec![
        (&n.lane, format!("const int {} = threadIdx.x % 32;", n.lane)),
        (&fused.warp, format!("const int {} = __shfl_sync(0xffffffffu, threadIdx.x / 32, 0);", fused.warp)),
        (&n.member, format!("const int {} = {} % {lanes};", n.member, n.lane)),
        (&n.group, format!("const int {} = {} / {lanes};", n.group, n.lane)),
        (&fused.column, format!("const int {} = {tile};", fused.column)),
        (&n.head, format!("const unsigned {} = {pair} % {};", n.head, n.heads)),
    ];
    lines.extend(unit(n, plan.unit, &pair));
    for (at, (axis, dim)) in plan.layout.axes.iter().zip(&n.dims).enumerate() {
        let column = if at == plan.dims.1.index() { format!("{} + ", fused.column) } else { String::new() };
        lines.push((&dim.first, format!("const int {} = {column}{} * {};", dim.first, n.member, axis.run)));
        // What another block has is not this one's to write.
        let end = match at == plan.dims.1.index() && blocks > 1 {
            true => format!("min({}, {} + {})", axis.size, fused.column, plan.columns(plan.dims.1)),
            false => axis.size.to_string(),
        };
        lines.push((&dim.left, format!("const int {} = {end} - {};", dim.left, dim.first)));
    }
    lines.extend(substitution::position(fused));
    lines.extend(memory::span(n, plan.unit));
    lines
}

/// Which unit and sequence a block has, and which row of states: that of its pair of a unit and a head.
fn unit<'a>(n: &'a Names, unit: Unit, pair: &str) -> Vec<(&'a str, String)> {
    let (sequence, place, heads, piece) = (&n.sequence, &n.place, &n.heads, &n.piece);
    let row = (place.as_str(), format!("const i64 {place} = {pair};"));
    match unit {
        Unit::Sequence => vec![row, (sequence, format!("const i64 {sequence} = {pair} / {heads};"))],
        Unit::Piece => {
            let (cu, tokens) = (&n.cu_seqlens, &n.tokens);
            let of = format!("{cu}, {tokens}, {}, {}, {piece}", n.sequences, n.piece_tokens);
            vec![
                row,
                (piece, format!("const i64 {piece} = {pair} / {heads};")),
                (sequence, format!("const i64 {sequence} = sequence_of({of});")),
            ]
        }
    }
}

/// Where this head's part of each tensor begins.
fn pointers(fused: &Fused<'_>, used: &[ParamId], w: &mut Writer) {
    let (context, plan) = (&fused.context, fused.plan);
    let names = &context.names;
    // The type of what a pointer points to, its name, where it begins.
    let mut pointers: Vec<(String, &str, String)> = Vec::new();
    w.blank();
    w.comment("This head's rows of each tensor");
    for &param in used {
        let declared = context.timeline.signature.param(param);
        if declared.per_head {
            continue;
        }
        let own = &names.params[param.index()];
        let dim = declared.shape.dims().next();
        let column = if dim == Some(plan.dims.1) { format!(" + {}", fused.column) } else { String::new() };
        let (dtype, offset) = (context.params[param.index()], memory::head_offset(context, param));
        pointers.push((format!("const {dtype}"), &own.at, format!("{} + {offset}{column}", own.pointer)));
    }
    let outputs = if plan.computes(Phase::After) { &names.outputs[..] } else { &[] };
    for (output, own) in context.timeline.signature.outputs.iter().zip(outputs) {
        let dim = output.shape.dims().next();
        let column = if dim == Some(plan.dims.1) { format!(" + {}", fused.column) } else { String::new() };
        let size = memory::row_size(context, dim);
        let head = memory::times(&format!("i64({})", names.head), size);
        w.line(format_args!(
            "const i64 {} = {};",
            own.step,
            memory::times(&format!("i64({})", names.heads), size)
        ));
        let begin = format!("{} + {} * {} + {head}{column}", own.pointer, names.start, own.step);
        pointers.push((context.output.to_string(), &own.at, begin));
    }
    if !plan.computes(Phase::Carry) {
        pointers.iter().for_each(|(ty, at, begin)| w.line(format_args!("{ty} *{at} = {begin};")));
        return;
    }
    for (number, (ty, at, _)) in pointers.iter().enumerate() {
        let place = format!("{} + {}", fused.pointers, number * 8);
        w.line(format_args!("{ty} *&{at} = *reinterpret_cast<{ty} **>({place});"));
    }
    match pointers[..] {
        // Another kernel hands on everything: the place for pointers is there all the same.
        [] => w.line(format_args!("static_cast<void>({});", fused.pointers)),
        _ => w.block("if (threadIdx.x == 0)", |w| {
            pointers.iter().for_each(|(_, at, begin)| w.line(format_args!("{at} = {begin};")));
        }),
    }
    w.line("__syncthreads();");
}
