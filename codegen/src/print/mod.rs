//! The CUDA text of the recurrent plan. Everything is decided before; this says it.
//!
//! A kernel reads from top to bottom: what it is (a comment with the events), the device functions it uses, the
//! arguments, which part of the problem a thread has, the states, what is the same at every token, the inputs of the next
//! token, the loop over tokens, the final states.
//!
//! Register arrays of key vectors are indexed by `i`, of value vectors by `j`; a state is `s[i][j]`.

pub mod compose;
mod express;
pub mod fused;
mod memory;
mod names;
mod token;

use crate::device;
use crate::dtype::DType;
use crate::kernel::{Argument, Begin, Ends, Kernel, Role, Spec};
use crate::layout::{self, Axis, Layout, Side};
use crate::namer::Namer;
use crate::program::Program;
use crate::schedule::Unit;
use crate::writer::Writer;
use chunkwise_dsl::graph::{Dim, ParamId, Shape, StateId};
use chunkwise_dsl::timeline::Timeline;
use names::Names;

/// Everything a printer function may look at.
struct Context<'a> {
    timeline: &'a Timeline,
    program: &'a Program,
    layout: &'a Layout,
    names: Names,
    /// Element type of each parameter's tensor.
    params: Vec<DType>,
    /// Element type of the outputs.
    output: DType,
}

impl Context<'_> {
    fn axis(&self, dim: Dim) -> &Axis {
        self.layout.axis(dim)
    }

    /// The loop variable of a dim's registers.
    fn index(&self, dim: Dim) -> &str {
        match self.axis(dim).side {
            Side::Lanes => &self.names.i,
            Side::Columns => &self.names.j,
        }
    }

    /// The parameters that the program uses, each once, in order.
    fn used_params(&self) -> Vec<ParamId> {
        let inputs = self.program.inputs(false).chain(self.program.inputs(true));
        let mut params: Vec<ParamId> = inputs.map(|(_, param, _)| param).collect();
        params.sort();
        params.dedup();
        params
    }
}

/// Prints a verified program in a verified layout.
pub fn kernel(timeline: &Timeline, spec: &Spec, program: &Program, layout: &Layout) -> Kernel {
    let decays = layout::decay_params(timeline);
    let params = (0..timeline.signature.params.len() as u32)
        .map(|p| layout::dtype_of(timeline, &decays, ParamId(p), spec.dtype))
        .collect();
    let names = Names::new(timeline, program, "recurrent", &mut Namer::default());
    let context = Context { timeline, program, layout, names, params, output: spec.dtype };
    let of_vector = |shape: Shape, dtype: DType| {
        shape.dims().last().map_or(1, |d| context.axis(d).run as usize) * dtype.size()
    };
    let ends: Vec<Ends> = timeline.signature.state_ids().map(Ends::whole).collect();
    let arguments = arguments(&context, &context.used_params(), (Unit::Sequence, &ends), of_vector);
    let body = body(&context);
    let entry = entry(&context, &arguments, &body);

    let mut w = Writer::default();
    header(&context, spec, &mut w);
    w.section(&device::embed(&entry));
    w.section(&entry);
    Kernel {
        name: context.names.kernel.clone(),
        source: w.finish(),
        arguments,
        threads: layout.threads(),
        shared: 0,
        unit: Unit::Sequence,
        blocks_per_head: layout.blocks,
    }
}

fn header(context: &Context<'_>, spec: &Spec, w: &mut Writer) {
    let Context { timeline, layout, .. } = context;
    let sizes: Vec<u32> = layout.axes.iter().map(|axis| axis.size).collect();
    let name = &timeline.signature.name;
    w.comment(format_args!(
        "{name}, {}, {}: the recurrent plan.",
        layout::describe(timeline, &sizes),
        spec.dtype
    ));
    w.line("//");
    w.verbatim_comment(indented(&chunkwise_dsl::print::timeline(timeline)));
    w.line("//");
    let share = match layout.blocks {
        1 => "one block".to_owned(),
        blocks => format!("{blocks} blocks"),
    };
    let place = if layout.memory { "" } else { " in registers" };
    w.comment(format_args!(
        "A warp walks the tokens of one sequence and head with {} value columns of the state{place}; {share} of {} warps \
         hold a head.",
        layout.groups() * layout.columns,
        layout.warps,
    ));
    if layout.memory {
        w.comment(
            "The state does not fit into registers: it lies in local memory, and so do the key vectors that meet its rows. \
             It is indexed by loops that are not unrolled.",
        );
    }
    for (axis, dim) in layout.axes.iter().zip(&timeline.signature.dims) {
        w.comment(axis_text(axis, dim, layout));
    }
}

fn axis_text(axis: &Axis, dim: &str, layout: &Layout) -> String {
    let runs = match axis.run {
        1 => String::new(),
        run => format!(", in runs of {run}"),
    };
    let padding = if axis.padded { ", padded" } else { "" };
    match axis.side {
        Side::Lanes => {
            let lanes = layout.lanes;
            format!("{dim} lies over {lanes} lanes, {} registers each{runs}{padding}.", axis.registers)
        }
        Side::Columns => {
            let lanes = layout.groups() * layout.warps * layout.blocks;
            format!(
                "{dim} lies over {lanes} groups of lanes, {} registers each{runs}{padding}.",
                axis.registers
            )
        }
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// The arguments: pointers by tensor, then integers, then where inputs lie. Parameters that nothing uses have none.
/// `of_vector` is how vectors of a tensor are aligned.
fn arguments(
    context: &Context<'_>,
    used: &[ParamId],
    (unit, ends): (Unit, &[Ends]),
    of_vector: impl Fn(Shape, DType) -> usize,
) -> Vec<Argument> {
    let signature = &context.timeline.signature;
    let mut arguments = Vec::new();
    let mut push = |name: String, role: Role, dtype: Option<DType>, align: usize| {
        arguments.push(Argument { name, role, dtype, align });
    };
    for &param in used {
        let declared = signature.param(param);
        let dtype = context.params[param.index()];
        push(declared.name.clone(), Role::Input(param), Some(dtype), of_vector(declared.shape, dtype));
    }
    let names = &context.names;
    for (state, ends) in signature.state_ids().zip(ends) {
        let Begin::Memory(role) = ends.begin else { continue };
        let declared = signature.state(state);
        let name = match role {
            Role::InitialState(_) => format!("{}0", declared.name),
            _ => names.states[state.index()].initial.clone(),
        };
        push(name, role, Some(DType::F32), of_vector(declared.shape, DType::F32));
    }
    for (index, output) in signature.outputs.iter().enumerate() {
        let align = of_vector(output.shape, context.output);
        push(output.name.clone(), Role::Output(index), Some(context.output), align);
    }
    for (state, ends) in signature.state_ids().zip(ends) {
        let Some(role) = ends.end else { continue };
        let declared = signature.state(state);
        let name = match role {
            Role::FinalState(_) => declared.name.clone(),
            _ => names.states[state.index()].end.clone(),
        };
        push(name, role, Some(DType::F32), of_vector(declared.shape, DType::F32));
    }
    push("cu_seqlens".to_owned(), Role::CuSeqlens, None, 8);
    push(context.names.tokens.clone(), Role::Tokens, None, 8);
    push(context.names.heads.clone(), Role::Heads, None, 4);
    for &param in used {
        push(context.names.params[param.index()].strides.clone(), Role::Strides(param), None, 8);
    }
    if unit == Unit::Piece {
        push(context.names.sequences.clone(), Role::Sequences, None, 8);
        push(context.names.piece_tokens.clone(), Role::PieceTokens, None, 8);
    }
    arguments
}

/// How an argument is declared, without its comma.
fn declaration(context: &Context<'_>, argument: &Argument) -> String {
    let names = &context.names;
    let element = argument.dtype.map_or("i64", DType::name);
    match argument.role {
        Role::Input(p) => format!("const {element} *__restrict__ {}", names.params[p.index()].pointer),
        Role::InitialState(s) => format!("const {element} *{}", names.states[s.index()].initial),
        Role::Output(o) => format!("{element} *__restrict__ {}", names.outputs[o].pointer),
        Role::FinalState(s) => format!("{element} *{}", names.states[s.index()].end),
        Role::CuSeqlens => format!("const i64 *__restrict__ {}", names.cu_seqlens),
        Role::Tokens => format!("i64 {}", names.tokens),
        Role::Heads => format!("unsigned {}", argument.name),
        Role::Workspace(_) => format!("{element} *{}", argument.name),
        Role::Sequences | Role::PieceTokens => format!("i64 {}", argument.name),
        Role::Strides(_) => format!("Strides {}", argument.name),
    }
}

/// What a tensor's layout is, for the comment beside its pointer.
fn described(context: &Context<'_>, argument: &Argument) -> String {
    let signature = &context.timeline.signature;
    let sizes =
        |shape: Shape| shape.dims().map(|d| format!(", {}", context.axis(d).size)).collect::<String>();
    let name = &argument.name;
    match argument.role {
        Role::Input(p) => {
            let declared = signature.param(p);
            let entries = declared.count.map_or(String::new(), |n| format!(", {n}"));
            let before = if declared.per_head { String::new() } else { format!("B, T{entries}, ") };
            format!("{name} [{before}H{}]", sizes(declared.shape))
        }
        Role::InitialState(s) => {
            format!("{name} [N, heads{}], null is zero", sizes(signature.state(s).shape))
        }
        Role::FinalState(s) => format!("{name} [N, heads{}], may be null", sizes(signature.state(s).shape)),
        Role::Output(o) => format!("{name} [B, T, heads{}]", sizes(signature.outputs[o].shape)),
        Role::CuSeqlens => "[N + 1], null where sequences are all of `tokens`".to_owned(),
        Role::Tokens => "T".to_owned(),
        Role::Heads => "HV".to_owned(),
        Role::Strides(_) => String::new(),
        // A state that begins or ends in memory between kernels.
        Role::Workspace(_) => {
            let own = |s: &StateId| {
                let names = &context.names.states[s.index()];
                *name == names.initial || *name == names.end
            };
            let state = signature.state_ids().find(own);
            state.map_or(String::new(), |s| format!("[pieces, heads{}]", sizes(signature.state(s).shape)))
        }
        Role::Sequences => "N".to_owned(),
        Role::PieceTokens => "tokens of a piece".to_owned(),
    }
}

fn entry(context: &Context<'_>, arguments: &[Argument], body: &str) -> String {
    let mut w = Writer::default();
    w.line(format_args!("extern \"C\" __global__ void __launch_bounds__({}, 1)", context.layout.threads()));
    w.line(format_args!("{}(", context.names.kernel));
    for (at, argument) in arguments.iter().enumerate() {
        let end = if at + 1 == arguments.len() { ")" } else { "," };
        let (declared, described) = (declaration(context, argument), described(context, argument));
        let comment = if described.is_empty() { String::new() } else { format!(" // {described}") };
        w.line(format_args!("    {declared}{end}{comment}"));
    }
    let text = w.finish();
    format!("{}{}", text, body)
}

/// The braces and all between them. What comes last is printed first, so that only what it mentions is defined.
fn body(context: &Context<'_>) -> String {
    let mut rest = Writer::default();
    rest.block("", |w| {
        memory::initial_states(context, w);
        token::once(context, w);
        memory::fetch_inputs(context, w);
        memory::output_pointers(context, w);
        token::tokens(context, w);
        memory::final_states(context, w);
    });
    let rest = rest.finish();
    let sums_over_block = device::mentions(&rest, &context.names.scratch);
    below(memory::position(context), &rest, |w| {
        if sums_over_block {
            memory::scratch(context, w);
        }
    })
}

/// `rest`, a block, with those of the lines `(name, text)` above it that it mentions, directly or through each other.
fn below(lines: Vec<(&str, String)>, rest: &str, then: impl FnOnce(&mut Writer)) -> String {
    let mut wanted = device::words(rest);
    let mut kept = Vec::new();
    for (name, line) in lines.iter().rev() {
        if wanted.contains(name) {
            wanted.extend(device::words(line));
            kept.push(line);
        }
    }
    let mut first = Writer::default();
    first.block("", |w| {
        kept.iter().rev().for_each(|line| w.line(line));
        then(w);
    });
    let first = first.finish();
    // Both are one block: the second's opening brace and the first's closing brace meet and go.
    let first = first.trim_start_matches("{\n").trim_end_matches("}\n");
    let rest = rest.trim_start_matches("{\n");
    format!("{{\n{first}\n{rest}")
}
