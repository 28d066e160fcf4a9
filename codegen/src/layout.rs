//! Where every number lives: which dim is split over lanes, which over columns, and how many registers each takes.
//!
//! A warp holds a strip of value columns of one state. Its 32 lanes form `32 / lanes` groups; a group of `lanes` lanes
//! shares `columns` columns and splits the key dim among its lanes:
//!
//! ```text
//!                 group 0          group 1          ..      K = 64, lanes = 8, run = 4, columns = 4
//!               c0 c1 c2 c3      c4 c5 c6 c7                lane 0 of a group: rows 0..4, 32..36   (8 registers)
//!  rows 0..4      lane 0           lane 8                   lane 1: rows 4..8, 36..40              and so on
//!  rows 4..8      lane 1           lane 9                   each lane: 8 x 4 registers of state
//!  ..             ..               ..
//! ```
//!
//! Key vectors are spread over the lanes of a group and repeated in every group; value vectors are spread over groups,
//! warps and blocks and repeated in the lanes of a group; scalars are everywhere. So a read is a sum in registers, then
//! `log2(lanes)` shuffles, and a write needs no exchange at all. Strips are independent: no barrier, except where an
//! expression sums over a value dim, in which case one block holds all columns (`whole`). Where a state then takes more
//! registers than a block has, matrix states lie in the thread's local memory (`memory`), in the same layout.
//!
//! The choice is by a count of instructions (see [`choose`]); it is data, and `verify` checks it.

use crate::dtype::DType;
use crate::kernel::{Limitation, Spec};
use crate::program::{NodeId, Program, Step};
use chunkwise_dsl::graph::{Dim, Expr, ParamId, StateId};
use chunkwise_dsl::timeline::{Event, Timeline};

/// What a dim is split over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The lanes of a group: a key dim.
    Lanes,
    /// Groups, warps and blocks: a value dim.
    Columns,
}

/// How one dim is laid out. A lane's register `r` is element `first + r / run * stride + r % run`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Axis {
    /// Number of elements.
    pub size: u32,
    /// What it is split over.
    pub side: Side,
    /// Neighbouring elements that one load brings; a power of two that divides the size.
    pub run: u32,
    /// Distance between a lane's runs.
    pub stride: u32,
    /// Registers a lane needs for a vector.
    pub registers: u32,
    /// Whether some registers lie beyond the size.
    pub padded: bool,
}

impl Axis {
    /// The first register that can be padding.
    pub fn first_padded(&self) -> u32 {
        match self.side {
            // Lanes may reach further than one run beyond the end.
            Side::Lanes => (self.size / self.stride * self.run).min(self.registers - self.run),
            Side::Columns => 0,
        }
    }
}

/// The layout of a kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Lanes in a group, a power of two.
    pub lanes: u32,
    /// Columns of a lane.
    pub columns: u32,
    /// Warps in a block.
    pub warps: u32,
    /// Blocks that share one state.
    pub blocks: u32,
    /// Whether one block holds all columns, because something is summed over them.
    pub whole: bool,
    /// Whether matrix states lie in thread-local memory, because they do not fit into registers; see
    /// [`Layout::in_memory`].
    pub memory: bool,
    /// The dims, by [`Dim`].
    pub axes: Vec<Axis>,
    /// Registers a thread needs, by estimate.
    pub registers: u32,
}

impl Layout {
    /// Groups in a warp.
    pub fn groups(&self) -> u32 {
        32 / self.lanes
    }

    /// Threads in a block.
    pub fn threads(&self) -> u32 {
        self.warps * 32
    }

    /// The axis of a dim.
    pub fn axis(&self, dim: Dim) -> &Axis {
        &self.axes[dim.index()]
    }

    /// Whether a state of this form lies in local memory: a matrix, whose rows a loop indexes. That loop is not unrolled,
    /// so key vectors that it indexes too are in memory with the state. One row alone is an array of registers.
    pub fn in_memory(&self, key: Option<Dim>, value: Option<Dim>) -> bool {
        self.memory && value.is_some() && key.is_some_and(|key| self.axis(key).registers > 1)
    }
}

/// What each dim is split over: key dims of matrix states over lanes, value dims over columns. A dim of no matrix state
/// goes over lanes where something sums over it (shuffles are cheaper than barriers), otherwise over columns.
///
/// # Errors
/// [`Limitation::BothSides`].
pub fn sides(timeline: &Timeline, program: &Program) -> Result<Vec<Side>, Limitation> {
    let mut sides: Vec<Option<Side>> = vec![None; timeline.signature.dims.len()];
    for form in &timeline.forms {
        if let (Some(key), Some(value)) = (form.key, form.value) {
            for (dim, side) in [(key, Side::Lanes), (value, Side::Columns)] {
                if sides[dim.index()].replace(side).is_some_and(|other| other != side) {
                    return Err(Limitation::BothSides { dim: timeline.signature.dim(dim).to_owned() });
                }
            }
        }
    }
    for dim in summed_dims(timeline, program) {
        sides[dim.index()].get_or_insert(Side::Lanes);
    }
    Ok(sides.into_iter().map(|side| side.unwrap_or(Side::Columns)).collect())
}

/// Every dim that an expression or the read of a vector state sums over.
fn summed_dims(timeline: &Timeline, program: &Program) -> Vec<Dim> {
    let live = program.nodes.iter().filter(|node| node.stored && node.op.is_reduction());
    let by_nodes = live.flat_map(|node| node.op.operands()).filter_map(|x| program.node(x).dim);
    by_nodes.chain(timeline.forms.iter().filter_map(|form| form.key)).collect()
}

/// What the choice depends on, counted once.
struct Counts {
    sizes: Vec<u32>,
    sides: Vec<Side>,
    /// `(key, value)` of every state.
    states: Vec<(Option<Dim>, Option<Dim>)>,
    /// `(state, is a read)` of every pass over a state.
    passes: Vec<(StateId, bool)>,
    /// `(dim, bytes)` of every vector input of a token.
    fetched: Vec<(Dim, u32)>,
    /// Dim of every stored vector.
    stored: Vec<Dim>,
    /// The values that are alive at each step: the dim, and the state whose rows index the value.
    live: Vec<Vec<(Option<Dim>, Option<StateId>)>>,
    /// Dim of every reduction.
    reductions: Vec<Dim>,
    /// Scalar inputs of a token.
    scalars: u32,
}

/// Registers that a thread may use, and those of a multiprocessor.
const THREAD_REGISTERS: u32 = 255;
const BLOCK_REGISTERS: u32 = 65536;
/// How much of the registers is kept free, in parts of a hundred, since the estimate is rough: over 163 kernels the compiler
/// took 35 more at most.
const RESERVE: u32 = 20;
/// Registers for pointers, counters and addresses.
const OVERHEAD: u32 = 40;
const MAX_WARPS: u32 = 32;
/// Warps in a block where strips are independent: one for each scheduler of a multiprocessor.
const INDEPENDENT_WARPS: u32 = 4;
/// Instructions that a warp could have issued while a row of a state arrives from local memory: a loop that is not unrolled
/// waits for each.
const ROW_WAIT: u32 = 32;

/// Chooses the layout with the least `instructions per token of a warp * warps ^ 0.8` among those whose registers fit
/// by estimate. The exponent lies between latency (0: few heads, idle multiprocessors) and throughput (1: many heads).
/// States are in memory only where no layout has them in registers; the exponent is half as large then. Where that is not
/// enough either, nothing is kept free: what the compiler then spills lies beside the state.
///
/// # Errors
/// [`Limitation::Size`], [`Limitation::BothSides`], [`Limitation::Registers`].
pub fn choose(timeline: &Timeline, program: &Program, spec: &Spec) -> Result<Layout, Limitation> {
    let counts = count(timeline, program, spec)?;
    let mut smallest = u32::MAX;
    for (memory, reserve) in [(false, RESERVE), (true, RESERVE), (true, 0)] {
        let all = candidates(&counts, memory);
        smallest = all.iter().map(|layout| layout.registers).fold(smallest, u32::min);
        let fitting = all.into_iter().filter(|layout| fits(layout, reserve));
        // `min_by` keeps the first of equals.
        if let Some(best) = fitting.min_by(|x, y| cost(&counts, x).total_cmp(&cost(&counts, y))) {
            return Ok(best);
        }
    }
    Err(Limitation::Registers { sizes: describe(timeline, &counts.sizes), needed: smallest })
}

/// Every layout that a block has enough warps for.
fn candidates(counts: &Counts, memory: bool) -> Vec<Layout> {
    let whole = summed_columns(counts);
    let columns: &[u32] = if memory { &[1, 2, 4, 8, 16, 32] } else { &[1, 2, 4, 8] };
    let pairs = [1, 2, 4, 8, 16, 32].into_iter().flat_map(|lanes| columns.iter().map(move |&c| (lanes, c)));
    pairs.filter_map(|(lanes, columns)| candidate(counts, lanes, columns, whole, memory)).collect()
}

/// Whether the registers suffice, with this part of a hundred kept free.
fn fits(layout: &Layout, reserve: u32) -> bool {
    let limit = match layout.whole {
        true => THREAD_REGISTERS.min(BLOCK_REGISTERS / layout.threads() / 8 * 8),
        false => THREAD_REGISTERS,
    };
    layout.registers <= limit - limit * reserve / 100
}

fn cost(counts: &Counts, layout: &Layout) -> f64 {
    let warps = f64::from(layout.warps * layout.blocks);
    // A state in memory fills the cache of a multiprocessor, so few other blocks share it: latency counts for more.
    instructions(counts, layout) * warps.powf(if layout.memory { 0.4 } else { 0.8 })
}

/// The dims as text: `K = 128, V = 64`.
pub fn describe(timeline: &Timeline, sizes: &[u32]) -> String {
    let named = timeline.signature.dims.iter().zip(sizes);
    named.map(|(dim, size)| format!("{dim} = {size}")).collect::<Vec<_>>().join(", ")
}

fn count(timeline: &Timeline, program: &Program, spec: &Spec) -> Result<Counts, Limitation> {
    let signature = &timeline.signature;
    let decays = decay_params(timeline);
    let sizes = spec.checked_sizes(&signature.dims)?;
    let token_inputs = || program.inputs(false);
    let bytes = |p: ParamId| dtype_of(timeline, &decays, p, spec.dtype).size() as u32;
    let stored = program.nodes.iter().filter(|node| node.stored);
    let indexed = indexed_by_rows(timeline, program);
    let alive = |id: &NodeId| (program.node(*id).dim, indexed[id.index()]);
    Ok(Counts {
        sizes,
        sides: sides(timeline, program)?,
        states: timeline.forms.iter().map(|form| (form.key, form.value)).collect(),
        passes: program.steps.iter().flat_map(passes).collect(),
        fetched: token_inputs().filter_map(|(n, p, _)| Some((program.node(n).dim?, bytes(p)))).collect(),
        stored: stored.clone().filter_map(|node| node.dim).collect(),
        live: program.live().iter().map(|set| set.iter().map(alive).collect()).collect(),
        reductions: stored
            .filter(|node| node.op.is_reduction())
            .flat_map(|node| node.op.operands().take(1))
            .filter_map(|x| program.node(x).dim)
            .collect(),
        scalars: token_inputs().filter(|&(n, ..)| program.node(n).dim.is_none()).count() as u32,
    })
}

/// The matrix state, by node, whose rows the node has a number for: keys of reads and writes, factors of rows.
fn indexed_by_rows(timeline: &Timeline, program: &Program) -> Vec<Option<StateId>> {
    let mut indexed = vec![None; program.nodes.len()];
    for step in &program.steps {
        let Some(&(state, _)) = passes(step).first() else { continue };
        let form = timeline.form(state);
        if form.key.is_some() && form.value.is_some() {
            for id in step.operands().into_iter().filter(|id| program.node(*id).dim == form.key) {
                indexed[id.index()] = Some(state);
            }
        }
    }
    indexed
}

fn passes(step: &Step) -> Vec<(StateId, bool)> {
    match step {
        Step::Decay { state, .. } | Step::Write { state, .. } => vec![(*state, false)],
        Step::Read { state, .. } => vec![(*state, true)],
        Step::Mix { states, matrix } => {
            let entries = matrix.iter().flatten().flatten().count().max(states.len());
            (0..entries).map(|at| (states[at % states.len()], false)).collect()
        }
        Step::Define(_) | Step::Output { .. } => Vec::new(),
    }
}

/// Whether something sums over a dim that lies on columns.
fn summed_columns(counts: &Counts) -> bool {
    let on_columns = |dim: &Dim| counts.sides[dim.index()] == Side::Columns;
    counts.reductions.iter().any(on_columns)
        || counts.states.iter().any(|(key, _)| key.iter().any(on_columns))
}

fn candidate(counts: &Counts, lanes: u32, columns: u32, whole: bool, memory: bool) -> Option<Layout> {
    let per_warp = 32 / lanes * columns;
    let dims = || counts.sizes.iter().zip(&counts.sides);
    let widest = dims().filter(|(_, side)| **side == Side::Columns).map(|(size, _)| *size).max();
    let strips = widest.unwrap_or(1).div_ceil(per_warp);
    let blocks = if whole { 1 } else { strips.div_ceil(INDEPENDENT_WARPS) };
    let warps = strips.div_ceil(blocks);
    if warps > MAX_WARPS {
        return None;
    }
    let covered = warps * blocks * per_warp;
    let axes = dims().map(|(&size, side)| match side {
        Side::Lanes => lane_axis(size, lanes),
        Side::Columns => {
            let run = largest_run(size).min(columns);
            Axis { size, side: *side, run, stride: run, registers: columns, padded: covered != size }
        }
    });
    let mut layout =
        Layout { lanes, columns, warps, blocks, whole, memory, axes: axes.collect(), registers: 0 };
    layout.registers = registers(counts, &layout);
    Some(layout)
}

/// The longest run (at most 4 numbers, 16 bytes of f32) that divides the size: runs never straddle a row's end.
fn largest_run(size: u32) -> u32 {
    [4, 2].into_iter().find(|run| size.is_multiple_of(*run)).unwrap_or(1)
}

/// Longer runs mean fewer loads, shorter ones less padding; padding costs more, since state is padded too.
pub(crate) fn lane_axis(size: u32, lanes: u32) -> Axis {
    lane_axis_of(size, size, lanes, 4)
}

/// The same for a part of rows of `whole` numbers, in runs that divide both and have no more than `longest`.
pub(crate) fn lane_axis_of(whole: u32, size: u32, lanes: u32, longest: u32) -> Axis {
    let with_run = |run: u32| {
        let stride = lanes * run;
        let registers = size.div_ceil(stride) * run;
        Axis { size, side: Side::Lanes, run, stride, registers, padded: registers * lanes != size }
    };
    let fits = |run: &u32| *run <= longest && size.is_multiple_of(*run) && whole.is_multiple_of(*run);
    let runs = [8, 4, 2, 1].into_iter().filter(fits);
    // `min_by_key` keeps the first of equals: the longest run.
    runs.map(with_run).min_by_key(|axis| axis.registers).unwrap_or_else(|| with_run(1))
}

/// An estimate: states and values that are not in memory, inputs of the next token as they were fetched, and the most
/// values alive at one step.
fn registers(counts: &Counts, layout: &Layout) -> u32 {
    let of = |dim: Dim| layout.axis(dim).registers;
    let side = |dim: Option<Dim>| dim.map_or(1, of);
    let in_memory = |state: StateId| {
        let (key, value) = counts.states[state.index()];
        layout.in_memory(key, value)
    };
    let in_registers = counts.states.iter().filter(|(key, value)| !layout.in_memory(*key, *value));
    let states: u32 = in_registers.map(|&(key, value)| side(key) * side(value)).sum();
    let fetched: u32 = counts.fetched.iter().map(|&(dim, bytes)| (of(dim) * bytes).div_ceil(4)).sum();
    let taken = |&(dim, state): &(Option<Dim>, Option<StateId>)| {
        if state.is_some_and(in_memory) { 0 } else { side(dim) }
    };
    let alive = counts.live.iter().map(|set| set.iter().map(taken).sum::<u32>()).max();
    let pointers = 2 * (counts.fetched.len() as u32 + counts.scalars);
    states + fetched + alive.unwrap_or(0) + counts.scalars + pointers + OVERHEAD
}

/// Instructions of one warp at one token, roughly.
fn instructions(counts: &Counts, layout: &Layout) -> f64 {
    let of = |dim: Dim| layout.axis(dim).registers;
    let steps = layout.lanes.ilog2() * 2;
    let mut total = 20 + 2 * counts.scalars;
    for &(state, is_read) in &counts.passes {
        let (key, value) = counts.states[state.index()];
        let width = value.map_or(1, of);
        total += key.map_or(1, of) * if layout.in_memory(key, value) { width + ROW_WAIT } else { width };
        total += if is_read && key.is_some() { steps * width } else { 0 };
    }
    for &dim in &counts.reductions {
        total += of(dim) + steps.max(2);
    }
    for &(dim, bytes) in &counts.fetched {
        total += 2 * of(dim) / layout.axis(dim).run + if bytes < 4 { of(dim) } else { 0 };
    }
    total += counts.stored.iter().map(|&dim| of(dim)).sum::<u32>();
    f64::from(total)
}

/// Which parameters are decays, by [`ParamId`]: those that a decay factor is made from. They are f32 whatever the dtype of
/// the other token vectors (`1 - 2^-12` is 1 in bf16).
pub fn decay_params(timeline: &Timeline) -> Vec<bool> {
    let graph = &timeline.graph;
    let factors = timeline.events.iter().filter_map(|event| match event {
        Event::Decay { factor, .. } => Some(factor.value()),
        _ => None,
    });
    let live = graph.reachable(factors);
    let mut decays = vec![false; timeline.signature.params.len()];
    for value in graph.values().filter(|value| live[value.index()]) {
        if let Expr::Param(param, _) = graph.expr(value) {
            decays[param.index()] = true;
        }
    }
    decays
}

/// The element type of a parameter's tensor: the kernel's dtype for token vectors, f32 for scalars, decays and what is
/// constant in time.
pub fn dtype_of(timeline: &Timeline, decays: &[bool], param: ParamId, dtype: DType) -> DType {
    let declared = timeline.signature.param(param);
    let is_vector = declared.shape.dims().next().is_some();
    if is_vector && !declared.per_head && !decays[param.index()] { dtype } else { DType::F32 }
}
