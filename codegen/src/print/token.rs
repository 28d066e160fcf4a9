//! The loop over tokens: definitions and events in order.

use super::{Context, express, memory};
use crate::layout::Side;
use crate::program::{NodeId, Op, Step};
use crate::verify;
use crate::writer::Writer;
use chunkwise_dsl::graph::{Dim, StateId};

/// Definitions that hold for every token.
pub(super) fn once(context: &Context<'_>, w: &mut Writer) {
    if context.program.once.is_empty() {
        return;
    }
    w.blank();
    w.comment("The same at every token");
    for &id in &context.program.once {
        define(context, id, w);
    }
}

/// The loop.
pub(super) fn tokens(context: &Context<'_>, w: &mut Writer) {
    let names = &context.names;
    let (t, length) = (&names.token, &names.length);
    w.blank();
    w.block(format_args!("for (i64 {t} = 0; {t} < {length}; ++{t})"), |w| {
        let inputs: Vec<NodeId> = context.program.inputs(false).map(|(id, ..)| id).collect();
        for &id in &inputs {
            define(context, id, w);
        }
        if !inputs.is_empty() {
            w.line(format_args!("if ({t} + 1 < {length}) {}();", names.fetch));
        }
        let printer = chunkwise_dsl::print::Printer::of(context.timeline);
        let mut events = verify::kept_events(context.timeline, context.program);
        let mut announced = false;
        for (at, step) in context.program.steps.iter().enumerate() {
            if matches!(step, Step::Define(id) if inputs.contains(id)) {
                continue;
            }
            if !announced {
                w.blank();
                // A definition belongs to the event that it is for.
                let is_event = |step: &&Step| !matches!(step, Step::Define(_));
                match context.program.steps[at..].iter().find(is_event) {
                    Some(Step::Output { index, .. }) => {
                        w.comment(&context.timeline.signature.outputs[*index].name);
                    }
                    _ => {
                        if let Some(event) = events.next() {
                            w.comment(chunkwise_dsl::print::event(context.timeline, &printer, event));
                        }
                    }
                }
            }
            announced = matches!(step, Step::Define(_));
            print_step(context, step, w);
        }
        memory::next_outputs(context, w);
    });
}

fn print_step(context: &Context<'_>, step: &Step, w: &mut Writer) {
    match step {
        Step::Define(id) => define(context, *id, w),
        Step::Decay { state, factor } => decay(context, *state, *factor, w),
        Step::Read { state, key, into } => read(context, *state, *key, *into, w),
        Step::Write { state, key, value } => write(context, *state, *key, *value, w),
        Step::Mix { states, matrix } => mix(context, states, matrix, w),
        Step::Output { index, value } => memory::store_output(context, *index, *value, w),
    }
}

pub(super) fn define(context: &Context<'_>, id: NodeId, w: &mut Writer) {
    let node = context.program.node(id);
    match node.op {
        Op::Input(param, _) if node.constant => memory::load_constant(context, id, param, w),
        Op::Input(..) => memory::take_input(context, id, w),
        Op::Dot(x, y) => dot(context, id, x, y, w),
        Op::Sum(x) => sum(context, id, x, w),
        Op::Greatest(x) => greatest(context, id, x, w),
        _ => elementwise(context, id, w),
    }
}

fn elementwise(context: &Context<'_>, id: NodeId, w: &mut Writer) {
    let name = &context.names.nodes[id.index()];
    let text = express::definition(context, id);
    let Some(dim) = context.program.node(id).dim else {
        return w.line(format_args!("const float {name} = {text};"));
    };
    let (axis, index) = (context.axis(dim), context.index(dim));
    w.line(format_args!("float {name}[{}];", axis.registers));
    w.unrolled(index, axis.registers, format_args!("{name}[{index}] = {text};"));
    clear_padding(context, dim, name, w);
}

/// Padding of a vector that is summed must be zero, whatever the expression made of it. Value columns are on their own
/// unless the block sums over them.
fn clear_padding(context: &Context<'_>, dim: Dim, name: &str, w: &mut Writer) {
    let axis = context.axis(dim);
    if axis.padded && (axis.side == Side::Lanes || context.layout.whole) {
        let left = &context.names.dims[dim.index()].left;
        let first = axis.first_padded();
        w.line(format_args!("clear_padding<{}, {}, {first}>({name}, {left});", axis.run, axis.stride));
    }
}

fn dot(context: &Context<'_>, id: NodeId, x: NodeId, y: NodeId, w: &mut Writer) {
    let Some(dim) = context.program.node(x).dim else { return };
    let name = &context.names.nodes[id.index()];
    let (x, y) = (express::value(context, x), express::value(context, y));
    w.line(format_args!("float {name} = 0.0f;"));
    w.unrolled(
        context.index(dim),
        context.axis(dim).registers,
        format_args!("{name} = fmaf({x}, {y}, {name});"),
    );
    exchange(context, dim, "sum", name, w);
}

fn sum(context: &Context<'_>, id: NodeId, x: NodeId, w: &mut Writer) {
    let Some(dim) = context.program.node(x).dim else { return };
    let name = &context.names.nodes[id.index()];
    let x = express::value(context, x);
    w.line(format_args!("float {name} = 0.0f;"));
    w.unrolled(context.index(dim), context.axis(dim).registers, format_args!("{name} += {x};"));
    exchange(context, dim, "sum", name, w);
}

fn greatest(context: &Context<'_>, id: NodeId, x: NodeId, w: &mut Writer) {
    let Some(dim) = context.program.node(x).dim else { return };
    let name = &context.names.nodes[id.index()];
    let (axis, index) = (context.axis(dim), context.index(dim));
    let x = express::value(context, x);
    let guard = match axis.padded {
        true => {
            let left = &context.names.dims[dim.index()].left;
            format!("if ({index} / {} * {} < {left}) ", axis.run, axis.stride)
        }
        false => String::new(),
    };
    w.line(format_args!("float {name} = -infinity();"));
    w.unrolled(index, axis.registers, format_args!("{guard}{name} = fmaxf({name}, {x});"));
    exchange(context, dim, "max", name, w);
}

/// Combines what the lanes have found.
fn exchange(context: &Context<'_>, dim: Dim, what: &str, name: &str, w: &mut Writer) {
    if let Some(text) = exchanged(context, dim, what, name) {
        w.line(format_args!("{name} = {text};"));
    }
}

/// The combined value, or `None` where one lane has it all.
fn exchanged(context: &Context<'_>, dim: Dim, what: &str, name: &str) -> Option<String> {
    let lanes = context.layout.lanes;
    match context.axis(dim).side {
        Side::Lanes if lanes == 1 => None,
        Side::Lanes => Some(format!("{what}_lanes<{lanes}>({name})")),
        Side::Columns => {
            let (scratch, turn) = (&context.names.scratch, &context.names.turn);
            Some(format!("{what}_block<{lanes}>({name}, {scratch}, {turn})"))
        }
    }
}

/// Loops over the registers of a state; `body` gets the text of one register of a state.
fn each_register(context: &Context<'_>, state: StateId, w: &mut Writer, body: impl FnOnce(&mut Writer)) {
    let form = context.timeline.form(state);
    let mut dims = form.key.into_iter().chain(form.value);
    match (dims.next(), dims.next()) {
        (Some(outer), Some(inner)) => {
            let (index, count) = (context.index(outer), context.axis(outer).registers);
            let row = |w: &mut Writer| {
                w.unrolled_block(context.index(inner), context.axis(inner).registers, body);
            };
            match context.layout.in_memory(form.key, form.value) {
                true => w.rolled_block(index, count, row),
                false => w.unrolled_block(index, count, row),
            }
        }
        (Some(dim), None) => w.unrolled_block(context.index(dim), context.axis(dim).registers, body),
        (None, _) => body(w),
    }
}

/// One register of a state, inside [`each_register`].
fn register(context: &Context<'_>, state: StateId) -> String {
    let form = context.timeline.form(state);
    let indices = form.key.into_iter().chain(form.value).map(|dim| format!("[{}]", context.index(dim)));
    format!("{}{}", context.names.states[state.index()].registers, indices.collect::<String>())
}

fn decay(context: &Context<'_>, state: StateId, factor: NodeId, w: &mut Writer) {
    let s = register(context, state);
    let text = match express::literal(context, factor) {
        // A reset forgets whatever there was.
        Some(0.0) => format!("{s} = 0.0f;"),
        _ => format!("{s} *= {};", express::value(context, factor)),
    };
    each_register(context, state, w, |w| w.line(text));
}

fn read(context: &Context<'_>, state: StateId, key: NodeId, into: NodeId, w: &mut Writer) {
    let form = context.timeline.form(state);
    let name = &context.names.nodes[into.index()];
    let s = register(context, state);
    let one = express::literal(context, key) == Some(1.0);
    let b = express::value(context, key);
    let p = form.value.map_or(name.clone(), |dim| format!("{name}[{}]", context.index(dim)));
    let Some(key) = form.key else {
        let size = form.value.map_or(String::new(), |dim| format!("[{}]", context.axis(dim).registers));
        w.line(format_args!("float {name}{size};"));
        let text = if one { format!("{p} = {s};") } else { format!("{p} = {b} * {s};") };
        return each_register(context, state, w, |w| w.line(text));
    };
    match form.value {
        None => w.line(format_args!("float {name} = 0.0f;")),
        Some(dim) => w.line(format_args!("float {name}[{}] = {{}};", context.axis(dim).registers)),
    }
    each_register(context, state, w, |w| w.line(format_args!("{p} = fmaf({b}, {s}, {p});")));
    let Some(text) = exchanged(context, key, "sum", &p) else { return };
    match form.value {
        None => w.line(format_args!("{p} = {text};")),
        Some(dim) => {
            w.unrolled(context.index(dim), context.axis(dim).registers, format_args!("{p} = {text};"))
        }
    }
}

fn write(context: &Context<'_>, state: StateId, key: NodeId, value: NodeId, w: &mut Writer) {
    let s = register(context, state);
    let (a, u) = (express::value(context, key), express::value(context, value));
    let one = |id: NodeId| express::literal(context, id) == Some(1.0);
    let text = match (one(key), one(value)) {
        (true, _) => format!("{s} += {u};"),
        (_, true) => format!("{s} += {a};"),
        _ => format!("{s} = fmaf({a}, {u}, {s});"),
    };
    each_register(context, state, w, |w| w.line(text));
}

fn mix(context: &Context<'_>, states: &[StateId], matrix: &[Vec<Option<NodeId>>], w: &mut Writer) {
    let is_one = |entry: &Option<NodeId>| entry.is_some_and(|id| express::literal(context, id) == Some(1.0));
    let unchanged = |row: usize| {
        matrix[row]
            .iter()
            .enumerate()
            .all(|(at, entry)| if at == row { is_one(entry) } else { entry.is_none() })
    };
    let changed: Vec<usize> = (0..states.len()).filter(|&row| !unchanged(row)).collect();
    let Some(&first) = changed.first() else { return };
    each_register(context, states[first], w, |w| {
        // All new values are made from the old ones.
        let mut assignments = Vec::new();
        for &row in &changed {
            let mut sum = String::new();
            for (at, entry) in matrix[row].iter().enumerate() {
                let Some(id) = entry else { continue };
                let (s, m) = (register(context, states[at]), express::value(context, *id));
                sum = match (sum.is_empty(), is_one(entry)) {
                    (true, true) => s,
                    (true, false) => format!("{m} * {s}"),
                    (false, true) => format!("{sum} + {s}"),
                    (false, false) => format!("fmaf({m}, {s}, {sum})"),
                };
            }
            let sum = if sum.is_empty() { "0.0f".to_owned() } else { sum };
            let s = register(context, states[row]);
            if changed.len() == 1 {
                w.line(format_args!("{s} = {sum};"));
            } else {
                let mixed = format!("mixed{row}");
                w.line(format_args!("const float {mixed} = {sum};"));
                assignments.push(format!("{s} = {mixed};"));
            }
        }
        for assignment in assignments {
            w.line(assignment);
        }
    });
}
