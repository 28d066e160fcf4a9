//! What a thread has of the problem, and everything that moves between registers and global memory.

use super::names::Names;
use super::{Context, express};
use crate::layout::{Axis, Side};
use crate::program::{NodeId, Op};
use crate::schedule::Unit;
use crate::writer::Writer;
use chunkwise_dsl::graph::{Dim, ParamId, StateId};

/// Which part of the problem a thread has: names and their definitions.
pub(super) fn position<'a>(context: &'a Context<'_>) -> Vec<(&'a str, String)> {
    let (names, layout) = (&context.names, context.layout);
    let mut lines: Vec<(&str, String)> = Vec::new();
    let n = names;
    lines.push((&n.lane, format!("const int {} = threadIdx.x % 32;", n.lane)));
    lines.push((&n.member, format!("const int {} = {} % {};", n.member, n.lane, layout.lanes)));
    lines.push((&n.group, format!("const int {} = {} / {};", n.group, n.lane, layout.lanes)));
    let block = match layout.blocks {
        1 => String::new(),
        blocks => format!("blockIdx.x % {blocks} * {} + ", layout.warps),
    };
    lines.push((&n.strip, format!("const int {} = {block}threadIdx.x / 32;", n.strip)));
    let pair = match layout.blocks {
        1 => "blockIdx.x".to_owned(),
        blocks => format!("blockIdx.x / {blocks}"),
    };
    lines.push((&n.head, format!("const unsigned {} = {pair} % {};", n.head, n.heads)));
    lines.push((&n.sequence, format!("const i64 {} = {pair} / {};", n.sequence, n.heads)));
    lines.push((&n.place, format!("const i64 {} = {} * {} + {};", n.place, n.sequence, n.heads, n.head)));
    for (axis, dim) in layout.axes.iter().zip(&n.dims) {
        let first = match axis.side {
            Side::Lanes => scaled(&n.member, axis.run),
            Side::Columns => {
                scaled(&format!("({} * {} + {})", n.strip, layout.groups(), n.group), axis.registers)
            }
        };
        lines.push((&dim.first, format!("const int {} = {first};", dim.first)));
        lines.push((&dim.left, format!("const int {} = {} - {};", dim.left, axis.size, dim.first)));
    }
    lines.extend(span(n, Unit::Sequence));
    lines
}

/// Which tokens a block has: the row of a dense batch and the first token in it, the first token among those of all rows,
/// and how many there are. Packed sequences lie in row 0.
pub(super) fn span(n: &Names, unit: Unit) -> Vec<(&str, String)> {
    let (row, begin, start, length) = (&n.row, &n.begin, &n.start, &n.length);
    let (tokens, cu, sequence) = (&n.tokens, &n.cu_seqlens, &n.sequence);
    let own_row = (row.as_str(), format!("const i64 {row} = {cu} ? 0 : {sequence};"));
    let first = (start.as_str(), format!("const i64 {start} = {row} * {tokens} + {begin};"));
    let opening = format!("{cu} ? {cu}[{sequence}] : 0");
    match unit {
        Unit::Sequence => vec![
            own_row,
            (begin, format!("const i64 {begin} = {opening};")),
            first,
            (length, format!("const i64 {length} = {cu} ? {cu}[{sequence} + 1] - {begin} : {tokens};")),
        ],
        Unit::Piece => {
            let (origin, piece, each) = (&n.origin, &n.piece, &n.piece_tokens);
            let run = format!("{piece} - ({row} * {tokens} + {origin}) / {each} - {sequence}");
            let end = format!("({cu} ? {cu}[{sequence} + 1] : {tokens})");
            vec![
                own_row,
                (origin, format!("const i64 {origin} = {opening};")),
                (begin, format!("const i64 {begin} = {origin} + ({run}) * {each};")),
                first,
                (length, format!("const i64 {length} = min({each}, {end} - {begin});")),
            ]
        }
    }
}

/// What sums over the block go through.
pub(super) fn scratch(context: &Context<'_>, w: &mut Writer) {
    let names = &context.names;
    w.line(format_args!("__shared__ float {}[2][{}];", names.scratch, context.layout.warps));
    w.line(format_args!("int {} = 0;", names.turn));
}

fn scaled(index: &str, by: u32) -> String {
    match by {
        1 => index.trim_start_matches('(').trim_end_matches(')').to_owned(),
        by => format!("{index} * {by}"),
    }
}

/// `load<run, stride>(to, from)`, or its `_edge` with how much is left.
pub(super) fn moved(context: &Context<'_>, function: &str, dim: Dim, first: &str, second: &str) -> String {
    let axis = context.axis(dim);
    let left = &context.names.dims[dim.index()].left;
    match axis.padded {
        true => format!("{function}_edge<{}, {}>({first}, {second}, {left});", axis.run, axis.stride),
        false => format!("{function}<{}, {}>({first}, {second});", axis.run, axis.stride),
    }
}

/// Distance of register `i`'s element from the lane's first.
fn offset(index: &str, axis: &Axis) -> String {
    match (axis.run, axis.stride) {
        (run, stride) if run == stride => index.to_owned(),
        (1, stride) => format!("{index} * {stride}"),
        (run, stride) => format!("({index} / {run} * {stride} + {index} % {run})"),
    }
}

/// `if (..) ` around the move of row `i` of a matrix state; nothing where there is no padding.
fn row_guard(context: &Context<'_>, key: Dim) -> String {
    let axis = context.axis(key);
    let (i, left) = (context.index(key), &context.names.dims[key.index()].left);
    match (axis.padded, axis.run) {
        (false, _) => String::new(),
        (true, 1) => format!("if ({i} * {} < {left}) ", axis.stride),
        (true, run) => format!("if ({i} / {run} * {} < {left}) ", axis.stride),
    }
}

/// Declares the states and loads them.
pub(super) fn initial_states(context: &Context<'_>, w: &mut Writer) {
    w.comment("States");
    for state in context.timeline.signature.state_ids() {
        let form = context.timeline.form(state);
        let names = &context.names.states[state.index()];
        let dims: Vec<Dim> = form.key.into_iter().chain(form.value).collect();
        let sizes: String = dims.iter().map(|&dim| format!("[{}]", context.axis(dim).registers)).collect();
        w.line(format_args!("float {}{sizes} = {{}};", names.registers));
        w.block(format_args!("if ({})", names.initial), |w| {
            move_state(context, state, &dims, "load", "const f32", &names.initial, w);
        });
    }
}

/// Stores the states.
pub(super) fn final_states(context: &Context<'_>, w: &mut Writer) {
    w.blank();
    w.comment("Final states");
    for state in context.timeline.signature.state_ids() {
        let form = context.timeline.form(state);
        let dims: Vec<Dim> = form.key.into_iter().chain(form.value).collect();
        let end = &context.names.states[state.index()].end;
        let condition = match (form.key, form.value) {
            (Some(_), Some(_)) => end.clone(),
            _ => [vec![end.clone()], dims.first().map_or(Vec::new(), |&dim| one_of_many(context, dim))]
                .concat()
                .join(" && "),
        };
        w.block(format_args!("if ({condition})"), |w| {
            move_state(context, state, &dims, "store", "f32", end, w);
        });
    }
}

fn move_state(
    context: &Context<'_>,
    state: StateId,
    dims: &[Dim],
    function: &str,
    ty: &str,
    pointer: &str,
    w: &mut Writer,
) {
    let names = &context.names;
    let registers = &names.states[state.index()].registers;
    let place = &names.place;
    let first = |dim: Dim| &names.dims[dim.index()].first;
    let both = |memory: &str, registers: &str, dim: Dim| match function {
        "load" => moved(context, function, dim, registers, memory),
        _ => moved(context, function, dim, memory, registers),
    };
    match *dims {
        [key, value] => {
            let (k, v) = (context.axis(key), context.axis(value));
            let i = context.index(key);
            w.line(format_args!(
                "{ty} *row = {pointer} + {place} * {} + {} * {} + {};",
                k.size * v.size,
                first(key),
                v.size,
                first(value)
            ));
            let row = format!("row + {} * {}", offset(i, k), v.size);
            let text = both(&row, &format!("{registers}[{i}]"), value);
            let text = format!("{}{text}", row_guard(context, key));
            match context.layout.in_memory(Some(key), Some(value)) {
                true => w.rolled(i, k.registers, text),
                false => w.unrolled(i, k.registers, text),
            }
        }
        [dim] => {
            let memory = format!("{pointer} + {place} * {} + {}", context.axis(dim).size, first(dim));
            w.line(both(&memory, registers, dim));
        }
        _ => {}
    }
}

/// The conditions under which a thread is the one that stores a vector of this dim: its holders hold the same.
fn one_of_many(context: &Context<'_>, dim: Dim) -> Vec<String> {
    let (names, layout) = (&context.names, context.layout);
    let mut conditions = Vec::new();
    match context.axis(dim).side {
        Side::Columns if layout.lanes > 1 => conditions.push(format!("{} == 0", names.member)),
        Side::Columns => {}
        Side::Lanes => {
            if layout.warps * layout.blocks > 1 {
                conditions.push(format!("{} == 0", names.strip));
            }
            if layout.groups() > 1 {
                conditions.push(format!("{} == 0", names.group));
            }
        }
    }
    conditions
}

/// The same for one number.
fn one_of_all(context: &Context<'_>) -> Vec<String> {
    let lane = format!("{} == 0", context.names.lane);
    match context.layout.warps * context.layout.blocks {
        1 => vec![lane],
        _ => vec![format!("{} == 0", context.names.strip), lane],
    }
}

/// Elements between a tensor's heads: the dim's size, or 1.
pub(super) fn row_size(context: &Context<'_>, dim: Option<Dim>) -> u32 {
    dim.map_or(1, |dim| context.axis(dim).size)
}

pub(super) fn times(text: &str, by: u32) -> String {
    if by == 1 { text.to_owned() } else { format!("{text} * {by}") }
}

/// Where this head's part of an input begins: that of the sequence's first token, or what is constant in time.
pub(super) fn head_offset(context: &Context<'_>, param: ParamId) -> String {
    let names = &context.names;
    let strides = &names.params[param.index()].strides;
    match context.timeline.signature.param(param).per_head {
        true => format!("{strides}.first(0, 0, {})", names.head),
        false => format!("{strides}.first({}, {}, {})", names.row, names.begin, names.head),
    }
}

/// What lies before this lane's part of a head, as a term of a sum.
fn lane_offset(context: &Context<'_>, dim: Option<Dim>) -> String {
    dim.map_or(String::new(), |dim| format!(" + {}", context.names.dims[dim.index()].first))
}

/// Loads what is constant in time.
pub(super) fn load_constant(context: &Context<'_>, id: NodeId, param: ParamId, w: &mut Writer) {
    let name = &context.names.nodes[id.index()];
    let pointer = &context.names.params[param.index()].pointer;
    let dim = context.program.node(id).dim;
    let offset = format!("{}{}", head_offset(context, param), lane_offset(context, dim));
    match dim {
        None => w.line(format_args!("const float {name} = {pointer}[{offset}].wide();")),
        Some(dim) => {
            w.line(format_args!("float {name}[{}];", context.axis(dim).registers));
            w.line(moved(context, "load", dim, name, &format!("{pointer} + {offset}")));
        }
    }
}

/// Pointers to the next token's inputs, registers for them, and the function that fetches them.
pub(super) fn fetch_inputs(context: &Context<'_>, w: &mut Writer) {
    let names = &context.names;
    let inputs: Vec<(NodeId, ParamId, Option<u32>)> = context.program.inputs(false).collect();
    if inputs.is_empty() {
        return;
    }
    w.blank();
    w.comment("The inputs of a token, fetched while the token before it is computed");
    let mut params: Vec<ParamId> = inputs.iter().map(|&(_, param, _)| param).collect();
    params.sort();
    params.dedup();
    for &param in &params {
        let own = &names.params[param.index()];
        let dim = context.timeline.signature.param(param).shape.dims().next();
        let dtype = context.params[param.index()];
        let offset = format!("{}{}", head_offset(context, param), lane_offset(context, dim));
        w.line(format_args!("const {dtype} *{} = {} + {offset};", own.at, own.pointer));
    }
    for &(id, param, _) in &inputs {
        let (next, dtype) = (&names.next[id.index()], context.params[param.index()]);
        match context.program.node(id).dim {
            None => w.line(format_args!("{dtype} {next};")),
            Some(dim) => {
                let Axis { run, registers, .. } = *context.axis(dim);
                w.line(format_args!("Run<{dtype}, {run}> {next}[{}];", registers / run));
            }
        }
    }
    w.block_ending(format_args!("const auto {} = [&]", names.fetch), "};", |w| {
        for &(id, param, entry) in &inputs {
            fetch_input(context, id, param, entry.unwrap_or(0), w);
        }
        for &param in &params {
            let own = &names.params[param.index()];
            w.line(format_args!("{} += {};", own.at, own.token()));
        }
    });
    w.line(format_args!("if ({} > 0) {}();", names.length, names.fetch));
}

fn fetch_input(context: &Context<'_>, id: NodeId, param: ParamId, entry: u32, w: &mut Writer) {
    let names = &context.names;
    let (next, own) = (&names.next[id.index()], &names.params[param.index()]);
    let dim = context.program.node(id).dim;
    let skipped = own.entry(entry);
    let from = format!("{}{skipped}", own.at);
    match dim {
        None if skipped.is_empty() => w.line(format_args!("{next} = *{from};")),
        None => w.line(format_args!("{next} = *({from});")),
        Some(dim) => {
            let (axis, left) = (context.axis(dim), &names.dims[dim.index()].left);
            match axis.padded {
                true => w.line(format_args!("fetch_edge<{}>({next}, {from}, {left});", axis.stride)),
                false => w.line(format_args!("fetch<{}>({next}, {from});", axis.stride)),
            }
        }
    }
}

/// Takes an input out of what was fetched.
pub(super) fn take_input(context: &Context<'_>, id: NodeId, w: &mut Writer) {
    let (name, next) = (&context.names.nodes[id.index()], &context.names.next[id.index()]);
    match context.program.node(id).dim {
        None => w.line(format_args!("const float {name} = {next}.wide();")),
        Some(dim) => {
            w.line(format_args!("float {name}[{}];", context.axis(dim).registers));
            w.line(format_args!("widen({name}, {next});"));
        }
    }
}

/// Pointers to the first token's outputs.
pub(super) fn output_pointers(context: &Context<'_>, w: &mut Writer) {
    let names = &context.names;
    w.blank();
    w.comment("Outputs");
    for (output, own) in context.timeline.signature.outputs.iter().zip(&names.outputs) {
        let dim = output.shape.dims().next();
        let size = row_size(context, dim);
        w.line(format_args!("const i64 {} = {};", own.step, times(&format!("i64({})", names.heads), size)));
        let first = dim.map_or(String::new(), |dim| format!(" + {}", names.dims[dim.index()].first));
        let offset = format!(
            "{} * {} + {}{first}",
            names.start,
            own.step,
            times(&format!("i64({})", names.head), size)
        );
        w.line(format_args!("{} *{} = {} + {offset};", context.output, own.at, own.pointer));
    }
}

/// Stores an output of this token.
pub(super) fn store_output(context: &Context<'_>, index: usize, value: NodeId, w: &mut Writer) {
    let own = &context.names.outputs[index];
    let node = context.program.node(value);
    let (conditions, text) = match node.dim {
        None => {
            let text = express::value(context, value);
            (one_of_all(context), format!("*{} = {}::of({text});", own.at, context.output))
        }
        Some(dim) => {
            let name = &context.names.nodes[value.index()];
            debug_assert!(node.stored && !matches!(node.op, Op::Constant(_)));
            (one_of_many(context, dim), moved(context, "store", dim, &own.at, name))
        }
    };
    match conditions.is_empty() {
        true => w.line(text),
        false => w.line(format_args!("if ({}) {text}", conditions.join(" && "))),
    }
}

/// Moves to the next token's outputs.
pub(super) fn next_outputs(context: &Context<'_>, w: &mut Writer) {
    w.blank();
    for own in &context.names.outputs {
        w.line(format_args!("{} += {};", own.at, own.step));
    }
}
