//! The CUDA text of the fused plan: position, shared memory, the state, the loop over chunks, the final state.
//!
//! A chunk reads from top to bottom as the equations do: inputs, what each token computes, square matrices, and then what
//! each warp does for its value columns on its own: reads, the solve, outputs, the next state.

mod recurrence;
mod squares;
mod tokens;

use super::names::Names;
use super::{Context, arguments, below, entry, memory, token};
use crate::device;
use crate::dtype::DType;
use crate::fused::{Clock, ClockKind, Operand, Plan, WARP_COLUMNS, copy_run, pitch};
use crate::kernel::{Kernel, Limitation, Spec};
use crate::layout;
use crate::namer::Namer;
use crate::writer::Writer;
use chunkwise_algebra::program::{KeysId, StackId};
use chunkwise_dsl::graph::{ParamId, Shape, StateId, Value};
use std::cell::RefCell;

/// Everything a printer function may look at.
struct Fused<'a> {
    plan: &'a Plan,
    /// Names, and what prints the prologue's expressions.
    context: Context<'a>,
    /// By [`Plan::inputs`].
    inputs: Vec<String>,
    /// By [`Plan::operands`]: the name of the tile, also where it is an input's.
    operands: Vec<String>,
    /// By [`Plan::coefficients`].
    coefficients: Vec<String>,
    /// By [`Plan::clocks`].
    clocks: Vec<ClockNames>,
    /// By [`Plan::decayed`].
    decayed: Vec<String>,
    /// By [`Plan::own`].
    own: Vec<String>,
    /// By [`Plan::squares`].
    squares: Vec<String>,
    /// The float square that inverses are made in.
    exact: String,
    warp: String,
    column: String,
    first: String,
    count: String,
    there: String,
    line: String,
    /// The tile that outputs leave through.
    output: String,
    namer: RefCell<Namer>,
}

/// What one clock is called.
enum ClockNames {
    Scalar {
        /// The log2 of the decays before each token; the last entry is that of the chunk.
        before: String,
        /// The log2 of each of a token's decays.
        steps: Vec<String>,
        /// Rows of keys, by combination of places.
        rows: Vec<RowNames>,
        /// Signs before each token, and of each of a token's decays.
        signs: Option<(String, Vec<String>)>,
    },
    ByChannel {
        /// Rows of decays.
        decay: String,
        /// The decays of the chunk.
        all: String,
    },
}

/// Numbers of the rows of keys.
struct RowNames {
    /// The log2 of the decay from the chunk's start.
    log: String,
    from_start: String,
    to_end: String,
    sign: Option<String>,
}

impl Fused<'_> {
    /// `bf16_pair` or `f16_pair`.
    fn operand(&self) -> &'static str {
        if self.plan.operand == DType::BF16 { "bf16_pair" } else { "f16_pair" }
    }

    /// A name that nothing has yet.
    fn fresh(&self, wish: &str) -> String {
        self.namer.borrow_mut().fresh(wish)
    }

    fn threads(&self) -> u32 {
        self.plan.warps * 32
    }

    /// The tile of keys.
    fn keys(&self, id: KeysId) -> String {
        let rows: Vec<Option<Value>> = self.plan.chunk.keys(id).slots.iter().map(|s| s.key).collect();
        self.plan.operand_of(&rows).map_or(String::new(), |o| self.operands[o].clone())
    }

    fn coefficient(&self, values: &[Value]) -> &str {
        self.plan.coefficient_of(values).map_or("", |c| &self.coefficients[c])
    }

    /// The clock of a state.
    fn clock(&self, state: StateId) -> Option<(&ClockKind, &ClockNames)> {
        let at = self.plan.clocks.iter().position(|c| c.state == state)?;
        Some((&self.plan.clocks[at].kind, &self.clocks[at]))
    }

    /// The rows of decays of keys whose state decays by one number.
    fn decays(&self, id: KeysId) -> Option<&RowNames> {
        let keys = self.plan.chunk.keys(id);
        let (ClockKind::Scalar { places, .. }, ClockNames::Scalar { rows, .. }) = self.clock(keys.state)?
        else {
            return None;
        };
        let here: Vec<usize> = keys.slots.iter().map(|s| s.place).collect();
        Some(&rows[places.iter().position(|p| *p == here)?])
    }

    /// The tile of keys as products with the state take them: decayed, where the state decays by channel.
    fn state_keys(&self, id: KeysId) -> String {
        let decayed = self.plan.decayed.iter().position(|d| d.keys == id);
        decayed.map_or_else(|| self.keys(id), |d| self.decayed[d].clone())
    }

    /// Groups of 8 rows of a stack: the columns of a fragment.
    fn eighths(&self, stack: StackId) -> u32 {
        self.plan.rows(self.plan.chunk.slots(stack)) / 8
    }

    /// Groups of 8 channels of the key dim.
    fn key_eighths(&self) -> u32 {
        self.plan.columns(self.plan.dims.0) / 8
    }

    fn barrier(&self, w: &mut Writer) {
        w.line("__syncthreads();");
    }
}

/// Prints a plan.
///
/// # Errors
/// [`Limitation::NotFused`]: outputs that are more than reads.
pub fn kernel(spec: &Spec, plan: &Plan) -> Result<Kernel, Limitation> {
    let fused = name(spec, plan);
    let used = used_params(plan);
    let run = |shape: Shape| {
        let size = shape.dims().last().map_or(1, |d| plan.layout.axis(d).size);
        copy_run(size) as usize
    };
    let arguments = arguments(&fused.context, &used, |shape, dtype| match dtype {
        DType::F32 => 4 * run(shape).min(4),
        dtype => dtype.size() * run(shape),
    });
    let outputs = recurrence::outputs(&fused)?;
    let body = body(&fused, &used, &outputs);
    let entry = entry(&fused.context, &arguments, &body);
    let mut w = Writer::default();
    header(&fused, spec, &mut w);
    w.section(&device::embed(&entry));
    w.section(&entry);
    Ok(Kernel {
        name: fused.context.names.kernel.clone(),
        source: w.finish(),
        arguments,
        threads: fused.threads(),
        shared: plan.shared(),
        blocks_per_head: plan.blocks,
    })
}

/// Parameters that the chunk uses.
fn used_params(plan: &Plan) -> Vec<ParamId> {
    let inputs = plan.prologue.inputs(false).chain(plan.prologue.inputs(true)).map(|(_, param, _)| param);
    let mut params: Vec<ParamId> = inputs.chain(plan.inputs.iter().map(|i| i.param)).collect();
    params.sort();
    params.dedup();
    params
}

fn name<'a>(spec: &Spec, plan: &'a Plan) -> Fused<'a> {
    let timeline = &plan.chunk.timeline;
    let mut namer = Namer::default();
    let n = &mut namer;
    let names = Names::new(timeline, &plan.prologue, "fused", n);
    let decays = layout::decay_params(timeline);
    let params = (0..timeline.signature.params.len() as u32)
        .map(|p| layout::dtype_of(timeline, &decays, ParamId(p), spec.dtype))
        .collect();
    let inputs: Vec<String> = plan
        .inputs
        .iter()
        .map(|i| n.fresh(&format!("{}_tile", timeline.signature.param(i.param).name)))
        .collect();
    let operand = |(at, o): (usize, &Operand), n: &mut Namer| match o.alias {
        Some(input) => inputs[input].clone(),
        None => n.fresh(&format!("operand{at}_tile")),
    };
    let operands = plan.operands.iter().enumerate().map(|o| operand(o, n)).collect();
    let coefficients = (0..plan.coefficients.len()).map(|c| n.fresh(&format!("c{c}"))).collect();
    let clocks =
        plan.clocks.iter().map(|clock| clock_names(clock, &timeline.signature.state(clock.state).name, n));
    let clocks = clocks.collect();
    let decayed = plan.decayed.iter().map(|d| {
        let what = if d.writes { "writes" } else { "reads" };
        n.fresh(&format!("{}_{what}_tile", timeline.signature.state(plan.chunk.keys(d.keys).state).name))
    });
    let decayed = decayed.collect();
    let own = plan.own.iter().map(|_| n.fresh("own")).collect();
    let squares = plan.squares.iter().map(|s| match s.inverse_of {
        Some(_) => n.fresh("inverse_tile"),
        None => n.fresh("gram_tile"),
    });
    let squares = squares.collect();
    let [exact, warp, column, first, count, there, line] =
        ["exact", "warp", "column", "first", "count", "there", "line"].map(|wish| n.fresh(wish));
    let operands: Vec<String> = operands;
    let output = plan.output.map_or_else(|| n.fresh("output_tile"), |o| operands[o].clone());
    let context = Context {
        timeline,
        program: &plan.prologue,
        layout: &plan.layout,
        names,
        params,
        output: spec.dtype,
    };
    Fused {
        plan,
        context,
        inputs,
        operands,
        coefficients,
        clocks,
        decayed,
        own,
        squares,
        exact,
        warp,
        column,
        first,
        count,
        there,
        line,
        output,
        namer: RefCell::new(namer),
    }
}

fn clock_names(clock: &Clock, state: &str, n: &mut Namer) -> ClockNames {
    let mut fresh = |what: &str| n.fresh(&format!("{state}_{what}"));
    match &clock.kind {
        ClockKind::Scalar { factors, places, signed } => ClockNames::Scalar {
            before: fresh("before"),
            steps: factors.iter().map(|_| fresh("step")).collect(),
            rows: places
                .iter()
                .map(|_| RowNames {
                    log: fresh("log"),
                    from_start: fresh("from_start"),
                    to_end: fresh("to_end"),
                    sign: signed.then(|| fresh("sign")),
                })
                .collect(),
            signs: signed.then(|| (fresh("sign_before"), factors.iter().map(|_| fresh("turn")).collect())),
        },
        ClockKind::ByChannel { .. } => {
            ClockNames::ByChannel { decay: fresh("decays"), all: fresh("decay_all") }
        }
    }
}

fn header(fused: &Fused<'_>, spec: &Spec, w: &mut Writer) {
    let Fused { plan, context, .. } = fused;
    let sizes: Vec<u32> = plan.layout.axes.iter().map(|axis| axis.size).collect();
    w.comment(format_args!(
        "{}, {}, {}: the fused plan, chunks of {} tokens.",
        context.timeline.signature.name,
        layout::describe(context.timeline, &sizes),
        spec.dtype,
        plan.tokens
    ));
    w.line("//");
    let events = chunkwise_dsl::print::timeline(context.timeline);
    w.verbatim_comment(events.lines().map(|line| format!("    {line}\n")).collect::<String>());
    w.line("//");
    w.comment(format_args!(
        "A block of {} warps walks the chunks of one sequence and head; a warp holds {WARP_COLUMNS} value columns of the \
         state, transposed, as accumulators. Blocks that share a head: {}.",
        plan.warps, plan.blocks
    ));
}

/// The braces and all between them.
fn body(fused: &Fused<'_>, used: &[ParamId], outputs: &[recurrence::Output]) -> String {
    let mut rest = Writer::default();
    rest.block("", |w| {
        shared_memory(fused, w);
        pointers(fused, used, w);
        token::once(&fused.context, w);
        states(fused, w);
        clear_decayed(fused, w);
        w.blank();
        let Fused { first, count, plan, context, .. } = fused;
        let length = &context.names.length;
        let tokens = plan.tokens;
        w.block(format_args!("for (i64 {first} = 0; {first} < {length}; {first} += {tokens})"), |w| {
            w.line(format_args!(
                "const int {count} = {length} - {first} < {tokens} ? int({length} - {first}) : {tokens};"
            ));
            tokens::fetch(fused, w);
            tokens::compute(fused, w);
            squares::print(fused, w);
            recurrence::print(fused, outputs, w);
            fused.barrier(w);
        });
        final_states(fused, w);
    });
    below(position(fused), &rest.finish(), |_| {})
}

fn position<'a>(fused: &'a Fused<'_>) -> Vec<(&'a str, String)> {
    let (n, plan) = (&fused.context.names, fused.plan);
    let (lanes, blocks) = (plan.layout.lanes, plan.blocks);
    let (pair, tile) = match blocks {
        1 => ("blockIdx.x".to_owned(), "0".to_owned()),
        _ => (
            format!("blockIdx.x / {blocks}"),
            format!("blockIdx.x % {blocks} * {}", plan.warps * WARP_COLUMNS),
        ),
    };
    let mut lines: Vec<(&str, String)> = vec![
        (&n.lane, format!("const int {} = threadIdx.x % 32;", n.lane)),
        (&fused.warp, format!("const int {} = __shfl_sync(0xffffffffu, threadIdx.x / 32, 0);", fused.warp)),
        (&n.member, format!("const int {} = {} % {lanes};", n.member, n.lane)),
        (&n.group, format!("const int {} = {} / {lanes};", n.group, n.lane)),
        (&fused.column, format!("const int {} = {tile};", fused.column)),
        (&n.head, format!("const unsigned {} = {pair} % {};", n.head, n.heads)),
        (&n.sequence, format!("const i64 {} = {pair} / {};", n.sequence, n.heads)),
        (&n.place, format!("const i64 {} = {} * {} + {};", n.place, n.sequence, n.heads, n.head)),
    ];
    for (at, (axis, dim)) in plan.layout.axes.iter().zip(&n.dims).enumerate() {
        let column = if at == plan.dims.1.index() { format!("{} + ", fused.column) } else { String::new() };
        lines.push((&dim.first, format!("const int {} = {column}{} * {};", dim.first, n.member, axis.run)));
        lines.push((&dim.left, format!("const int {} = {} - {};", dim.left, axis.size, dim.first)));
    }
    let (cu, sequence, tokens) = (&n.cu_seqlens, &n.sequence, &n.tokens);
    lines.push((
        &n.start,
        format!("const i64 {} = {cu} ? {cu}[{sequence}] : {sequence} * {tokens};", n.start),
    ));
    let packed = format!("{cu}[{sequence} + 1] - {cu}[{sequence}]");
    lines.push((&n.length, format!("const i64 {} = {cu} ? {packed} : {tokens};", n.length)));
    lines
}

/// Everything that a block shares, one after the other.
fn shared_memory(fused: &Fused<'_>, w: &mut Writer) {
    let plan = fused.plan;
    w.blank();
    w.comment("Shared memory");
    w.line("extern __shared__ uint4 memory[];");
    w.line("char *const shared = reinterpret_cast<char *>(memory);");
    let mut at = 0;
    let mut tile = |name: &str, rows: u32, columns: u32, w: &mut Writer| {
        w.line(format_args!("const Tile<{columns}> {name}{{shared + {at}}};"));
        at += rows * pitch(columns);
    };
    for (input, name) in plan.inputs.iter().zip(&fused.inputs) {
        tile(name, plan.tokens * input.slots, input.columns, w);
    }
    for (operand, name) in plan.operands.iter().zip(&fused.operands).filter(|(o, _)| o.alias.is_none()) {
        tile(name, plan.rows(operand.rows.len()), operand.columns, w);
    }
    for (decayed, name) in plan.decayed.iter().zip(&fused.decayed) {
        let rows = plan.rows(plan.chunk.keys(decayed.keys).slots.len());
        tile(name, rows, plan.operands[decayed.operand].columns, w);
    }
    for (square, name) in plan.squares.iter().zip(&fused.squares) {
        tile(name, square.rows, square.columns, w);
    }
    if plan.output.is_none() {
        tile(&fused.output, plan.output_rows(), plan.columns(plan.dims.1), w);
    }
    if let Some(rows) = plan.squares.iter().filter(|s| s.inverse_of.is_some()).map(|s| s.rows).max() {
        w.line(format_args!(
            "const Square<{rows}> {}{{reinterpret_cast<float *>(shared + {at})}};",
            fused.exact
        ));
        at += rows * (rows + 8) * 4;
    }
    let mut floats = |name: &str, count: u32, w: &mut Writer| {
        w.line(format_args!("float *const {name} = reinterpret_cast<float *>(shared + {at});"));
        at += count * 4;
    };
    for (coefficient, name) in plan.coefficients.iter().zip(&fused.coefficients) {
        floats(name, plan.rows(coefficient.values.len()), w);
    }
    for (own, name) in plan.own.iter().zip(&fused.own) {
        floats(name, plan.tokens * own.values.len() as u32, w);
    }
    for (clock, names) in plan.clocks.iter().zip(&fused.clocks) {
        match (&clock.kind, names) {
            (ClockKind::Scalar { places, .. }, ClockNames::Scalar { before, rows, signs, .. }) => {
                floats(before, plan.tokens + 4, w);
                if let Some((sign, _)) = signs {
                    floats(sign, plan.tokens + 4, w);
                }
                for (place, RowNames { log, from_start, to_end, sign }) in places.iter().zip(rows) {
                    let names = [log, from_start, to_end].into_iter().chain(sign);
                    names.for_each(|name| floats(name, plan.rows(place.len()), w));
                }
            }
            (ClockKind::ByChannel { columns, .. }, ClockNames::ByChannel { decay, all }) => {
                floats(decay, plan.tokens * columns, w);
                floats(all, *columns, w);
            }
            _ => {}
        }
    }
}

/// Where this head's part of each tensor begins.
fn pointers(fused: &Fused<'_>, used: &[ParamId], w: &mut Writer) {
    let (context, plan) = (&fused.context, fused.plan);
    let names = &context.names;
    w.blank();
    w.comment("This head's rows of each tensor");
    for &param in used {
        let declared = context.timeline.signature.param(param);
        if declared.per_head {
            continue;
        }
        let own = &names.params[param.index()];
        let dim = declared.shape.dims().next();
        let size = memory::row_size(context, dim);
        let row = memory::times(&format!("i64({})", own.heads), size * declared.count.unwrap_or(1));
        w.line(format_args!("const i64 {} = {row};", own.step));
        let offset = memory::times(&format!("i64({} / ({} / {}))", names.head, names.heads, own.heads), size);
        let column = if dim == Some(plan.dims.1) { format!(" + {}", fused.column) } else { String::new() };
        let dtype = context.params[param.index()];
        w.line(format_args!(
            "const {dtype} *{} = {} + {} * {} + {offset}{column};",
            own.at, own.pointer, names.start, own.step
        ));
    }
    for (output, own) in context.timeline.signature.outputs.iter().zip(&names.outputs) {
        let size = memory::row_size(context, output.shape.dims().next());
        let head = memory::times(&format!("i64({})", names.head), size);
        w.line(format_args!(
            "const i64 {} = {};",
            own.step,
            memory::times(&format!("i64({})", names.heads), size)
        ));
        w.line(format_args!(
            "{} *{} = {} + {} * {} + {head} + {};",
            context.output, own.at, own.pointer, names.start, own.step, fused.column
        ));
    }
}

/// `K, V, N` of a state's fragments.
fn fragments(fused: &Fused<'_>) -> String {
    let (key, value) = fused.plan.dims;
    let size = |dim| fused.plan.layout.axis(dim).size;
    format!("<{}, {}>", size(key), size(value))
}

fn states(fused: &Fused<'_>, w: &mut Writer) {
    w.blank();
    w.comment("The state, transposed: this warp's 16 value columns");
    each_state(fused, |names, size| {
        let name = &names.registers;
        w.line(format_args!("float {name}[{}][4] = {{}};", fused.key_eighths()));
        w.line(format_args!(
            "if ({}) load_state{}({name}, {} + {} * {size}, {} + {} * 16);",
            names.initial,
            fragments(fused),
            names.initial,
            fused.context.names.place,
            fused.column,
            fused.warp
        ));
    });
}

/// Decayed keys are written half by half: what a product meets before that must be a number.
fn clear_decayed(fused: &Fused<'_>, w: &mut Writer) {
    for (decayed, tile) in fused.plan.decayed.iter().zip(&fused.decayed) {
        let rows = fused.plan.rows(fused.plan.chunk.keys(decayed.keys).slots.len());
        w.line(format_args!("clear_tile<{rows}, {}>({tile});", fused.threads()));
    }
}

fn final_states(fused: &Fused<'_>, w: &mut Writer) {
    each_state(fused, |names, size| {
        w.line(format_args!(
            "if ({}) store_state{}({} + {} * {size}, {}, {} + {} * 16);",
            names.end,
            fragments(fused),
            names.end,
            fused.context.names.place,
            names.registers,
            fused.column,
            fused.warp
        ));
    });
}

fn each_state(fused: &Fused<'_>, mut body: impl FnMut(&super::names::StateNames, u32)) {
    let (key, value) = fused.plan.dims;
    let size = fused.plan.layout.axis(key).size * fused.plan.layout.axis(value).size;
    for state in fused.context.timeline.signature.state_ids() {
        body(&fused.context.names.states[state.index()], size);
    }
}

/// The registers of a state.
fn registers<'a>(fused: &'a Fused<'_>, state: StateId) -> &'a str {
    &fused.context.names.states[state.index()].registers
}
