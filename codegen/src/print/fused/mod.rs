//! The CUDA text of the fused plan: position, shared memory, the state, the loop over chunks, the final state.
//!
//! A chunk reads from top to bottom as the equations do: inputs, what each token computes, square matrices, and then what
//! each warp does for its value columns on its own: reads, the solve, outputs, the next state.

mod epilogue;
mod recurrence;
mod squares;
mod tokens;

use super::names::Names;
use super::{Context, arguments, below, entry, memory, token};
use crate::device;
use crate::dtype::DType;
use crate::fused::{Clock, ClockKind, ClockPart, Operand, Owner, Part, Plan, Region, WARP_COLUMNS, copy_run};
use crate::kernel::{Kernel, Spec};
use crate::layout;
use crate::namer::Namer;
use crate::program::Program;
use crate::writer::Writer;
use chunkwise_algebra::program::{Columns, KeysId, StackId};
use chunkwise_dsl::graph::{Dim, ParamId, Shape, StateId, Value};
use std::cell::RefCell;

/// A tile of rounded numbers, and one of what rounding lost, where there is one.
#[derive(Clone)]
struct TileName {
    high: String,
    low: Option<String>,
}

/// Numbers in registers as the left operand of a product: rounded, and what rounding lost.
#[derive(Clone)]
struct Packed {
    high: String,
    low: Option<String>,
}

/// Everything a printer function may look at.
struct Fused<'a> {
    plan: &'a Plan,
    /// Names, and what prints the prologue's expressions.
    context: Context<'a>,
    /// By [`Plan::inputs`].
    inputs: Vec<TileName>,
    /// By [`Plan::operands`]: the name of the tile, also where it is an input's.
    operands: Vec<TileName>,
    /// By [`Plan::coefficients`].
    coefficients: Vec<String>,
    /// By [`Plan::clocks`].
    clocks: Vec<ClockNames>,
    /// By [`Plan::decayed`].
    decayed: Vec<TileName>,
    /// By [`Plan::own`].
    own: Vec<String>,
    /// By [`Plan::squares`].
    squares: Vec<TileName>,
    /// The float square that inverses are made in.
    exact: String,
    warp: String,
    column: String,
    first: String,
    count: String,
    there: String,
    line: String,
    /// The tile that outputs leave through, where each is a read.
    output: String,
    /// By [`Epilogue::reads`](crate::fused::Epilogue): the rows that outputs are made from.
    reads: Vec<String>,
    /// By [`Plan::owners`]: where a vector state lies between chunks.
    vectors: Vec<String>,
    /// What prints the expressions of scalar decays.
    decays: Option<Context<'a>>,
    /// What prints the epilogue's expressions.
    after: Option<Context<'a>>,
    /// The number of a chunk's stage, and the function that fetches a chunk.
    stage: String,
    fetch: String,
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

impl ClockNames {
    fn part(&self, part: ClockPart) -> &str {
        match (self, part) {
            (ClockNames::ByChannel { decay, .. }, ClockPart::Decays) => decay,
            (ClockNames::ByChannel { all, .. }, ClockPart::All) => all,
            (ClockNames::Scalar { before, .. }, ClockPart::Before) => before,
            (ClockNames::Scalar { signs: Some((before, _)), .. }, ClockPart::SignBefore) => before,
            (ClockNames::Scalar { rows, .. }, ClockPart::Log(at)) => &rows[at].log,
            (ClockNames::Scalar { rows, .. }, ClockPart::FromStart(at)) => &rows[at].from_start,
            (ClockNames::Scalar { rows, .. }, ClockPart::ToEnd(at)) => &rows[at].to_end,
            (ClockNames::Scalar { rows, .. }, ClockPart::Sign(at)) => {
                rows[at].sign.as_deref().unwrap_or_default()
            }
            _ => "",
        }
    }
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

    /// The same, of one number.
    fn element(&self) -> DType {
        self.plan.operand
    }

    /// A product of parts: `head(into, a, b, tail)` for the rounded parts, and for each part that rounding lost.
    fn product(&self, (head, into, tail): (&str, &str, &str), a: &Packed, b: &TileName, w: &mut Writer) {
        if let Some(low) = &a.low {
            w.line(format_args!("{head}({into}, {low}, {}{tail});", b.high));
        }
        if let Some(low) = &b.low {
            w.line(format_args!("{head}({into}, {}, {low}{tail});", a.high));
        }
        w.line(format_args!("{head}({into}, {}, {}{tail});", a.high, b.high));
    }

    /// Packs accumulators of `rows` columns of 8.
    fn pack(&self, from: &str, eighths: u32, wish: &str, w: &mut Writer) -> Packed {
        let high = self.fresh(wish);
        w.line(format_args!("unsigned {high}[{}][4];", eighths / 2));
        w.line(format_args!("pack_pairs<{}>({high}, {from});", self.operand()));
        let low = self.plan.split.then(|| {
            let low = self.fresh(&format!("{wish}_low"));
            w.line(format_args!("unsigned {low}[{}][4];", eighths / 2));
            w.line(format_args!("pack_rest<{}>({low}, {from});", self.operand()));
            low
        });
        Packed { high, low }
    }

    /// The tile of keys.
    fn keys(&self, id: KeysId) -> TileName {
        let rows: Vec<Option<Value>> = self.plan.chunk.keys(id).slots.iter().map(|s| s.key).collect();
        let none = || TileName { high: String::new(), low: None };
        self.plan.operand_of(&rows).map_or_else(none, |o| self.operands[o].clone())
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
    fn state_keys(&self, id: KeysId) -> TileName {
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
pub fn kernel(spec: &Spec, plan: &Plan) -> Kernel {
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
    let body = body(&fused, &used);
    let entry = entry(&fused.context, &arguments, &body);
    let mut w = Writer::default();
    header(&fused, spec, &mut w);
    w.section(&device::embed(&entry));
    w.section(&entry);
    Kernel {
        name: fused.context.names.kernel.clone(),
        source: w.finish(),
        arguments,
        threads: fused.threads(),
        shared: plan.shared(),
        blocks_per_head: plan.blocks,
    }
}

/// Parameters that the chunk uses.
fn used_params(plan: &Plan) -> Vec<ParamId> {
    let programs = [Some(&plan.prologue), Some(&plan.decays), plan.epilogue.as_ref().map(|e| &e.program)];
    let inputs = programs.into_iter().flatten().flat_map(|p| p.inputs(false).chain(p.inputs(true)));
    let mut params: Vec<ParamId> =
        inputs.map(|(_, param, _)| param).chain(plan.inputs.iter().map(|i| i.param)).collect();
    params.sort();
    params.dedup();
    params
}

fn name<'a>(spec: &Spec, plan: &'a Plan) -> Fused<'a> {
    let timeline = &plan.chunk.timeline;
    let mut namer = Namer::default();
    let n = &mut namer;
    let names = Names::new(timeline, &plan.prologue, "fused", n);
    let of_decays = layout::decay_params(timeline);
    let params: Vec<DType> = (0..timeline.signature.params.len() as u32)
        .map(|p| layout::dtype_of(timeline, &of_decays, ParamId(p), spec.dtype))
        .collect();
    let inputs: Vec<TileName> = plan
        .inputs
        .iter()
        .map(|i| tile_name(n, &timeline.signature.param(i.param).name, plan.input_split()))
        .collect();
    let operand = |(at, o): (usize, &Operand), n: &mut Namer| match o.alias {
        Some(input) => inputs[input].clone(),
        None => tile_name(n, &format!("operand{at}"), plan.split),
    };
    let operands: Vec<TileName> = plan.operands.iter().enumerate().map(|o| operand(o, n)).collect();
    let coefficients = (0..plan.coefficients.len()).map(|c| n.fresh(&format!("c{c}"))).collect();
    let clocks =
        plan.clocks.iter().map(|clock| clock_names(clock, &timeline.signature.state(clock.state).name, n));
    let clocks = clocks.collect();
    let decayed = plan.decayed.iter().map(|d| {
        let what = if d.writes { "writes" } else { "reads" };
        let state = &timeline.signature.state(plan.chunk.keys(d.keys).state).name;
        tile_name(n, &format!("{state}_{what}"), plan.split)
    });
    let decayed = decayed.collect();
    let own = plan.own.iter().map(|_| n.fresh("own")).collect();
    let squares = plan.squares.iter().map(|s| match s.inverse_of {
        Some(_) => tile_name(n, "inverse", plan.split),
        None => tile_name(n, "gram", plan.split),
    });
    let squares = squares.collect();
    let [exact, warp, column, first, count, there, line] =
        ["exact", "warp", "column", "first", "count", "there", "line"].map(|wish| n.fresh(wish));
    let reads = plan.epilogue.iter().flat_map(|e| &e.reads).map(|_| n.fresh("reads")).collect();
    let output = plan.output.map_or_else(|| n.fresh("output_tile"), |o| operands[o].high.clone());
    let mut of = |program: &'a Program| {
        let names = names.with(program, n);
        Context { timeline, program, layout: &plan.layout, names, params: params.clone(), output: spec.dtype }
    };
    let after = plan.epilogue.as_ref().map(|epilogue| of(&epilogue.program));
    let decays = (!plan.decay_roots.is_empty()).then(|| of(&plan.decays));
    let vectors =
        plan.owners.iter().map(|o| n.fresh(&format!("{}_numbers", timeline.signature.state(o.state).name)));
    let vectors = vectors.collect();
    let [stage, fetch] = ["stage", "fetch"].map(|wish| n.fresh(wish));
    let program = &plan.prologue;
    let context = Context { timeline, program, layout: &plan.layout, names, params, output: spec.dtype };
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
        reads,
        vectors,
        decays,
        after,
        stage,
        fetch,
        namer: RefCell::new(namer),
    }
}

fn tile_name(n: &mut Namer, of: &str, split: bool) -> TileName {
    let high = n.fresh(&format!("{of}_tile"));
    TileName { low: split.then(|| n.fresh(&format!("{of}_rest"))), high }
}

impl TileName {
    /// The same tile as the left side of a product of tiles.
    fn left(&self) -> Packed {
        Packed { high: self.high.clone(), low: self.low.clone() }
    }

    fn part(&self, part: Part) -> &str {
        match part {
            Part::High => &self.high,
            Part::Low => self.low.as_deref().unwrap_or_default(),
        }
    }

    /// Both tiles as a `Split` of `columns` columns; without a second one its place is null.
    fn both(&self, columns: u32) -> String {
        let low = self.low.clone().unwrap_or_else(|| format!("Tile<{columns}>{{nullptr}}"));
        format!("Split<{columns}>{{{}, {low}}}", self.high)
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
fn body(fused: &Fused<'_>, used: &[ParamId]) -> String {
    let mut rest = Writer::default();
    rest.block("", |w| {
        w.blank();
        w.comment("Shared memory");
        w.line("extern __shared__ uint4 memory[];");
        w.line("char *const shared = reinterpret_cast<char *>(memory);");
        shared_memory(fused, |region| !fused.plan.is_staged(region), w);
        pointers(fused, used, w);
        for context in
            [Some(&fused.context), fused.decays.as_ref(), fused.after.as_ref()].into_iter().flatten()
        {
            token::once(context, w);
        }
        states(fused, w);
        clear_decayed(fused, w);
        w.blank();
        match fused.plan.stages {
            1 => one_stage(fused, w),
            _ => two_stages(fused, w),
        }
        final_states(fused, w);
    });
    below(position(fused), &rest.finish(), |_| {})
}

/// The loop over chunks, each of which waits for its inputs.
fn one_stage(fused: &Fused<'_>, w: &mut Writer) {
    each_chunk(fused, w, |w| {
        count(fused, w);
        tokens::fetch(fused, w);
        tokens::compute(fused, w);
        products(fused, w);
        fused.barrier(w);
    });
}

/// The loop over chunks; the inputs of the next one arrive while this one is computed.
fn two_stages(fused: &Fused<'_>, w: &mut Writer) {
    let Fused { first, stage, fetch, plan, .. } = fused;
    let length = &fused.context.names.length;
    w.block_ending(format_args!("const auto {fetch} = [&](i64 {first}, int {stage})"), "};", |w| {
        count(fused, w);
        shared_memory(fused, |region| matches!(region, Region::Input(..)), w);
        tokens::fetch(fused, w);
    });
    w.line(format_args!("int {stage} = 0;"));
    w.line(format_args!("if ({length} > 0) {fetch}(0, {stage});"));
    each_chunk(fused, w, |w| {
        count(fused, w);
        shared_memory(fused, |region| plan.is_staged(region), w);
        tokens::compute(fused, w);
        let tokens = plan.tokens;
        w.line(format_args!("if ({first} + {tokens} < {length}) {fetch}({first} + {tokens}, {stage} ^ 1);"));
        products(fused, w);
        w.line(format_args!("{stage} ^= 1;"));
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
    w.line(format_args!(
        "const int {count} = {length} - {first} < {tokens} ? int({length} - {first}) : {tokens};"
    ));
}

/// Everything after the tokens' own numbers.
fn products(fused: &Fused<'_>, w: &mut Writer) {
    squares::print(fused, w);
    recurrence::print(fused, w);
    epilogue::print(fused, w);
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
        (&n.sequence, format!("const i64 {} = {pair} / {};", n.sequence, n.heads)),
        (&n.place, format!("const i64 {} = {} * {} + {};", n.place, n.sequence, n.heads, n.head)),
    ];
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
    let (cu, sequence, tokens) = (&n.cu_seqlens, &n.sequence, &n.tokens);
    lines.push((
        &n.start,
        format!("const i64 {} = {cu} ? {cu}[{sequence}] : {sequence} * {tokens};", n.start),
    ));
    let packed = format!("{cu}[{sequence} + 1] - {cu}[{sequence}]");
    lines.push((&n.length, format!("const i64 {} = {cu} ? {packed} : {tokens};", n.length)));
    lines
}

/// The chosen ones of the things that a block shares, which lie one after the other; a staged one lies there stage by stage.
fn shared_memory(fused: &Fused<'_>, chosen: impl Fn(Region) -> bool, w: &mut Writer) {
    let mut at = 0;
    for (region, bytes) in fused.plan.regions() {
        let staged = fused.plan.is_staged(region);
        if chosen(region) {
            let (ty, name) = region_name(fused, region);
            let place = match staged {
                true => format!("shared + {at} + {} * {bytes}", fused.stage),
                false => format!("shared + {at}"),
            };
            w.line(match ty {
                Some(tile @ Type::Tile(_)) => format!("const {tile} {name}{{{place}}};"),
                Some(floats) => format!("const {floats} {name}{{reinterpret_cast<float *>({place})}};"),
                None => format!("float *const {name} = reinterpret_cast<float *>({place});"),
            });
        }
        at += if staged { bytes * fused.plan.stages } else { bytes };
    }
}

/// The type of a matrix in shared memory, with its columns.
enum Type {
    Tile(u32),
    Square(u32),
    Wide(u32),
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Type::Tile(columns) => write!(f, "Tile<{columns}>"),
            Type::Square(columns) => write!(f, "Square<{columns}>"),
            Type::Wide(columns) => write!(f, "Wide<{columns}>"),
        }
    }
}

/// What a region is called, and what it is; `None` is a list of numbers.
fn region_name<'a>(fused: &'a Fused<'_>, region: Region) -> (Option<Type>, &'a str) {
    let plan = fused.plan;
    let decayed = |at: usize| plan.operands[plan.decayed[at].operand].columns;
    match region {
        Region::Input(at, part) => (Some(Type::Tile(plan.inputs[at].columns)), fused.inputs[at].part(part)),
        Region::Operand(at, part) => {
            (Some(Type::Tile(plan.operands[at].columns)), fused.operands[at].part(part))
        }
        Region::Decayed(at, part) => (Some(Type::Tile(decayed(at))), fused.decayed[at].part(part)),
        Region::Square(at, part) => {
            (Some(Type::Tile(plan.squares[at].columns)), fused.squares[at].part(part))
        }
        Region::Exact => (plan.exact_rows().map(Type::Square), &fused.exact),
        Region::Output => (Some(Type::Tile(plan.columns(plan.dims.1))), &fused.output),
        Region::Read(at) => {
            let node = plan.epilogue.as_ref().map(|e| plan.chunk.node(e.reads[at]).columns);
            let columns = match node {
                Some(Columns::Value(Some(dim))) => Some(Type::Wide(plan.columns(dim))),
                _ => None,
            };
            (columns, &fused.reads[at])
        }
        Region::Coefficient(at) => (None, &fused.coefficients[at]),
        Region::Own(at) => (None, &fused.own[at]),
        Region::Vector(at) => (None, &fused.vectors[at]),
        Region::Clock(at, part) => (None, fused.clocks[at].part(part)),
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
        let dim = output.shape.dims().next();
        let column = dim.map_or(String::new(), |_| format!(" + {}", fused.column));
        let size = memory::row_size(context, dim);
        let head = memory::times(&format!("i64({})", names.head), size);
        w.line(format_args!(
            "const i64 {} = {};",
            own.step,
            memory::times(&format!("i64({})", names.heads), size)
        ));
        w.line(format_args!(
            "{} *{} = {} + {} * {} + {head}{column};",
            context.output, own.at, own.pointer, names.start, own.step
        ));
    }
}

fn states(fused: &Fused<'_>, w: &mut Writer) {
    w.blank();
    w.comment("The states, transposed: 16 value columns of a warp; vector states lie in shared memory between chunks");
    for (at, owner) in fused.plan.owners.iter().enumerate() {
        let names = &fused.context.names.states[owner.state.index()];
        let (initial, numbers) = (&names.initial, &fused.vectors[at]);
        match owner.value {
            None => each_number(fused, w, |k, size, from| {
                format!("{numbers}[{k}] = {initial} && {k} < {size} ? {initial}[{from}].wide() : 0.0f;")
            }),
            Some(value) => {
                w.line(format_args!("float {}[{}][4] = {{}};", names.registers, fused.key_eighths()));
                move_state(fused, (owner, value), "load_state", initial, w);
            }
        }
    }
}

fn final_states(fused: &Fused<'_>, w: &mut Writer) {
    if fused.plan.owners.iter().any(|o| o.value.is_none()) {
        fused.barrier(w);
    }
    for (at, owner) in fused.plan.owners.iter().enumerate() {
        let end = &fused.context.names.states[owner.state.index()].end;
        match owner.value {
            Some(value) => move_state(fused, (owner, value), "store_state", end, w),
            None => each_number(fused, w, |k, size, to| {
                let wanted = format!("{end} && {k} < {size} && {} == 0", fused.column);
                format!("if ({wanted}) {end}[{to}] = f32::of({}[{k}]);", fused.vectors[at])
            }),
        }
    }
}

/// A statement for each number of a vector state, from its index, the state's size and its place in memory.
fn each_number(fused: &Fused<'_>, w: &mut Writer, statement: impl Fn(&str, u32, &str) -> String) {
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
fn move_state(
    fused: &Fused<'_>,
    (owner, value): (&Owner, Dim),
    function: &str,
    pointer: &str,
    w: &mut Writer,
) {
    let (plan, warp, names) = (fused.plan, &fused.warp, &fused.context.names);
    let size = |dim| plan.layout.axis(dim).size;
    let (k, v) = (size(plan.dims.0), size(value));
    let mut conditions = vec![pointer.to_owned()];
    if owner.first > 0 {
        conditions.push(format!("{warp} >= {}", owner.first));
    }
    if owner.first + owner.warps < plan.warps {
        conditions.push(format!("{warp} < {}", owner.first + owner.warps));
    }
    let column = match owner.first {
        0 => format!("{} + {warp} * 16", fused.column),
        first => format!("{} + ({warp} - {first}) * 16", fused.column),
    };
    let registers = &names.states[owner.state.index()].registers;
    let memory = format!("{pointer} + {} * {}", names.place, k * v);
    let both = match function {
        "load_state" => format!("{registers}, {memory}"),
        _ => format!("{memory}, {registers}"),
    };
    w.line(format_args!("if ({}) {function}<{k}, {v}>({both}, {column});", conditions.join(" && ")));
}

/// Decayed keys are written half by half: what a product meets before that must be a number.
fn clear_decayed(fused: &Fused<'_>, w: &mut Writer) {
    for (decayed, tile) in fused.plan.decayed.iter().zip(&fused.decayed) {
        let rows = fused.plan.rows(fused.plan.chunk.keys(decayed.keys).slots.len());
        for tile in [Some(&tile.high), tile.low.as_ref()].into_iter().flatten() {
            w.line(format_args!("clear_tile<{rows}, {}>({tile});", fused.threads()));
        }
    }
}

/// The registers of a state.
fn registers<'a>(fused: &'a Fused<'_>, state: StateId) -> &'a str {
    &fused.context.names.states[state.index()].registers
}
