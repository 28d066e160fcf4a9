//! What a block of the fused plan keeps, and where: tiles, rows of coefficients, squares, shared memory.
//!
//! ```text
//! gated_deltanet   inputs       q, k: 64 x 128    v: 64 x 128 of this block
//!                  coefficients c0 = -(beta * rsqrt(..) * rsqrt(..)), ..     a number a row, f32
//!                  clock        s: exp(g), once a token
//!                  squares      M and its inverse; gram(Q, K)
//! ```
//!
//! An operand that is an input as it lies in memory has no tile of its own. Pure data: the printer decides nothing.

use crate::arch::Arch;
use crate::dtype::DType;
use crate::kernel::{Limitation, MAX_SIZE, Precision, Spec};
use crate::layout::{self, Axis, Layout};
use crate::program::{self, NodeId as TokenNode};
use chunkwise_algebra::program::{Columns, Found, Keys, KeysId, NodeId, Op, Program, Slot, derive};
use chunkwise_dsl::graph::{Binary, Dim, Expr, Graph, ParamId, Shape, StateId, Unary, Value};
use chunkwise_dsl::timeline::{Event, Factor, Form, Side, Timeline};

/// Rows of a vector input in shared memory: `tokens * slots` of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Input {
    /// The parameter.
    pub param: ParamId,
    /// Entries of the array, or 1.
    pub slots: u32,
    /// The dim.
    pub dim: Dim,
    /// Columns of the tile, a multiple of 16.
    pub columns: u32,
    /// Numbers that one copy brings.
    pub run: u32,
}

/// Rows of 16-bit numbers that a product takes: keys, or the values of writes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operand {
    /// By slot; `None` is a row of zeros.
    pub rows: Vec<Option<Value>>,
    /// The dim.
    pub dim: Dim,
    /// Columns of the tile, a multiple of 16.
    pub columns: u32,
    /// The input that it is, by position in [`Plan::inputs`]; otherwise it is computed, token by token.
    pub alias: Option<usize>,
}

/// A number for each row of a stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coefficient {
    /// By slot, a scalar.
    pub values: Vec<Value>,
}

/// The decays of a state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Clock {
    /// The state.
    pub state: StateId,
    /// How they enter the products.
    pub kind: ClockKind,
}

/// How a state's decays enter the products.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClockKind {
    /// One number a token and factor: cumulative, applied to accumulators.
    Scalar {
        /// The token's decays in order.
        factors: Vec<Factor>,
        /// Every combination of places that keys stand at, by slot: each has its rows of decays.
        places: Vec<Vec<usize>>,
        /// Whether a factor may be negative, so that signs are kept beside the logarithms.
        signed: bool,
    },
    /// One number a token and key channel, all factors as one: applied to keys, run by run (`solve.cuh`).
    ByChannel {
        /// The decay itself, not its logarithm.
        decay: Value,
        /// Columns of its rows.
        columns: u32,
    },
}

/// Keys of a state that decays by channel, as products take them: multiplied by decays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decayed {
    /// The keys.
    pub keys: KeysId,
    /// Their rows, by position in [`Plan::operands`].
    pub operand: usize,
    /// Whether they are a write's.
    pub writes: bool,
    /// Bit `slot`: whether it stands after the token's decay.
    pub after: u32,
}

/// What reads find of writes of their own token, where the state decays by channel: a number for each read row and write slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Own {
    /// The Gram matrix.
    pub gram: NodeId,
    /// By `read slot * write slots + write slot`; `None` where the write comes after the read.
    pub values: Vec<Option<Value>>,
}

/// A chunk's square matrix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Square {
    /// Its node: a product's left side.
    pub node: NodeId,
    /// The matrix that it is the inverse of `I -`, where it is an inverse.
    pub inverse_of: Option<NodeId>,
    /// Rows.
    pub rows: u32,
    /// Columns.
    pub columns: u32,
}

/// The warps that hold a state, 16 value columns each. A vector state has one column: one warp works on it beside its own
/// columns, and between chunks it lies in shared memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The state.
    pub state: StateId,
    /// The first warp.
    pub first: u32,
    /// How many.
    pub warps: u32,
    /// Its value dim, where it has one.
    pub value: Option<Dim>,
}

/// What outputs are made of, where they are more than reads.
#[derive(Clone, PartialEq, Debug)]
pub struct Epilogue {
    /// A token's outputs, in order.
    pub program: program::Program,
    /// Matrices of reads that it takes, in order; each has rows in shared memory, in f32.
    pub reads: Vec<NodeId>,
}

/// The plan of a kernel.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The chunk program.
    pub chunk: Program,
    /// Tokens of a chunk, a multiple of 16.
    pub tokens: u32,
    /// Chunks whose inputs are in shared memory at one time: with 2, the next chunk's arrive while this one is computed.
    pub stages: u32,
    /// Warps in a block.
    pub warps: u32,
    /// Those of a matrix state: 16 value columns each.
    pub value_warps: u32,
    /// Who holds which state.
    pub owners: Vec<Owner>,
    /// Blocks that share one state.
    pub blocks: u32,
    /// The type of operands.
    pub operand: DType,
    /// The type of token vectors.
    pub dtype: DType,
    /// Whether operands are split in two where rounding loses anything.
    pub split: bool,
    /// The dim of keys, and of values.
    pub dims: (Dim, Dim),
    /// Vector inputs.
    pub inputs: Vec<Input>,
    /// Keys and values.
    pub operands: Vec<Operand>,
    /// Coefficients.
    pub coefficients: Vec<Coefficient>,
    /// Decays.
    pub clocks: Vec<Clock>,
    /// Keys of states that decay by channel.
    pub decayed: Vec<Decayed>,
    /// Gram matrices of states that decay by channel, each with what they hold within tokens.
    pub own: Vec<Own>,
    /// Square matrices, in order.
    pub squares: Vec<Square>,
    /// The operand whose tile outputs leave through; otherwise they have a tile of their own.
    pub output: Option<usize>,
    /// What outputs are made of; `None` where each is a read.
    pub epilogue: Option<Epilogue>,
    /// What is computed of each token before the products, as a token program; its outputs are [`Plan::roots`].
    pub prologue: program::Program,
    /// What the prologue's outputs are, in order.
    pub roots: Vec<Root>,
    /// Scalar decays that are made of scalars only: one warp computes them, a token a lane. Its outputs are
    /// [`Plan::decay_roots`].
    pub decays: program::Program,
    /// What the outputs of [`Plan::decays`] are.
    pub decay_roots: Vec<Root>,
    /// Where the prologue's numbers live: a group of lanes a token.
    pub layout: Layout,
}

/// What an output of the prologue is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Root {
    /// A slot of a coefficient.
    Coefficient(usize, usize),
    /// A slot of a computed operand.
    Operand(usize, usize),
    /// A decay of a scalar clock.
    Decay(usize, usize),
    /// The decay of a clock by channel.
    DecayRow(usize),
    /// A number of [`Plan::own`].
    Own(usize, usize),
}

/// A part of shared memory, by position in the plan's lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Region {
    /// The tile of an input.
    Input(usize, Part),
    /// The tile of a computed operand.
    Operand(usize, Part),
    /// The tile of decayed keys.
    Decayed(usize, Part),
    /// The tile of a square.
    Square(usize, Part),
    /// The float square that inverses are made in.
    Exact,
    /// The tile that outputs leave through.
    Output,
    /// Rows of reads for the epilogue.
    Read(usize),
    /// A coefficient's rows.
    Coefficient(usize),
    /// Pairs within tokens.
    Own(usize),
    /// A vector state between chunks, by position in [`Plan::owners`].
    Vector(usize),
    /// A part of a clock.
    Clock(usize, ClockPart),
}

/// A tile of a split operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The rounded numbers.
    High,
    /// What rounding lost.
    Low,
}

/// A part of a clock; the last four are by combination of places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClockPart {
    /// Rows of decays by channel.
    Decays,
    /// The chunk's decays by channel.
    All,
    /// The log2 of the decays before each token, and of all.
    Before,
    /// Their signs.
    SignBefore,
    /// The log2 of the decay from the chunk's start to each row.
    Log(usize),
    /// The decay from the chunk's start.
    FromStart(usize),
    /// The decay to the chunk's end.
    ToEnd(usize),
    /// The sign of the decay from the chunk's start.
    Sign(usize),
}

/// The most rows of a stack in one chunk.
const ROWS: u32 = 64;
/// Value columns of a warp.
pub const WARP_COLUMNS: u32 = 16;
/// Fewer warps would leave too little to share the square matrices.
const LEAST_WARPS: u32 = 4;
/// More would leave a thread fewer than 255 registers.
const MOST_WARPS: u32 = 8;

/// Chooses the plan of a rule.
///
/// # Errors
/// A [`Limitation`]: the rule has no chunk program, the type or a size has no fused kernel, or shared memory is too small.
pub fn choose(timeline: &Timeline, spec: &Spec, arch: Arch) -> Result<Plan, Limitation> {
    if spec.dtype == DType::F64 {
        return Err(Limitation::DType(spec.dtype));
    }
    for (at, name) in timeline.signature.dims.iter().enumerate() {
        let size = spec.sizes.get(at).copied().unwrap_or(0);
        if !(1..=MAX_SIZE).contains(&size) {
            return Err(Limitation::Size { dim: name.clone(), size });
        }
    }
    let chunk = derive(timeline).map_err(|e| Limitation::NotFused(e.to_string()))?;
    supported(&chunk)?;
    let dims = matrix_dims(timeline)?;
    let size = |dim: Dim| spec.sizes[dim.index()] as u32;
    let slots = chunk.stacks.iter().map(|s| s.slots as u32).max().unwrap_or(1);
    let mut tokens = ROWS / slots / 16 * 16;
    if tokens == 0 {
        return not_fused(timeline, "has more than four reads or writes of one kind a token");
    }
    while tokens > 16 && tokens as usize > spec.chunk {
        tokens /= 2;
    }
    let tiles = size(dims.1).div_ceil(WARP_COLUMNS);
    let blocks = tiles.div_ceil(MOST_WARPS);
    let owners = owners(timeline, tiles.div_ceil(blocks));
    // One stage where two do not fit, and shorter chunks where longer ones do not.
    loop {
        let mut plan = with_tokens(&chunk, spec, (dims, &owners, blocks), tokens)?;
        plan.stages = if spec.dtype == DType::F32 { 1 } else { 2 };
        if plan.fits(arch).is_err() {
            plan.stages = 1;
        }
        match plan.fits(arch) {
            Err(_) if tokens > 16 => tokens /= 2,
            other => return other.map(|()| plan),
        }
    }
}

/// The plan with chunks of this length.
fn with_tokens(
    chunk: &Program,
    spec: &Spec,
    (dims, owners, blocks): ((Dim, Dim), &[Owner], u32),
    tokens: u32,
) -> Result<Plan, Limitation> {
    let value_warps = owners.iter().filter(|o| o.value.is_some()).map(|o| o.warps).max().unwrap_or(1);
    let warps = owners.iter().map(|o| o.first + o.warps).max().unwrap_or(1).max(LEAST_WARPS);
    let mut plan = Plan {
        chunk: chunk.clone(),
        tokens,
        stages: 1,
        warps,
        value_warps,
        owners: owners.to_vec(),
        blocks,
        operand: if spec.dtype == DType::F16 { DType::F16 } else { DType::BF16 },
        dtype: spec.dtype,
        split: spec.dtype == DType::F32 || spec.precision == Precision::High,
        dims,
        inputs: Vec::new(),
        operands: Vec::new(),
        coefficients: Vec::new(),
        clocks: Vec::new(),
        decayed: Vec::new(),
        own: Vec::new(),
        squares: Vec::new(),
        output: None,
        epilogue: None,
        prologue: program::Program::default(),
        roots: Vec::new(),
        decays: program::Program::default(),
        decay_roots: Vec::new(),
        layout: token_layout(&chunk.timeline, spec, dims, (warps, value_warps), blocks),
    };
    plan.take_inputs(spec)?;
    plan.take_operands();
    plan.take_clocks()?;
    plan.take_squares();
    plan.take_prologue()?;
    plan.take_epilogue()?;
    Ok(plan)
}

/// Each matrix state has warps of its own, 16 value columns each.
fn owners(timeline: &Timeline, value_warps: u32) -> Vec<Owner> {
    let mut matrices = 0;
    let owner = |state: StateId| {
        let value = timeline.form(state).value;
        matrices += u32::from(value.is_some());
        match value {
            Some(_) => Owner { state, first: (matrices - 1) * value_warps, warps: value_warps, value },
            None => Owner { state, first: 0, warps: 1, value },
        }
    };
    timeline.signature.state_ids().map(owner).collect()
}

fn not_fused<T>(timeline: &Timeline, why: &str) -> Result<T, Limitation> {
    Err(Limitation::NotFused(format!(
        "the fused plan of `{}` is not built: the rule {why}",
        timeline.signature.name
    )))
}

/// What the printer can say of a chunk program: each state on its own, its rows linear in its own reads.
fn supported(chunk: &Program) -> Result<(), Limitation> {
    let t = &chunk.timeline;
    if !chunk.systems.is_empty() {
        return not_fused(t, "has feedback that is not linear");
    }
    let value_side = |e: &Event| match e {
        Event::Decay { state, factor } => t.side(*state, factor.value()) == Side::Value,
        _ => false,
    };
    if t.events.iter().any(value_side) {
        return not_fused(t, "decays its value channels");
    }
    if t.coupled().contains(&true) {
        return not_fused(t, "has coupled states");
    }
    let alone = |node: NodeId, state: StateId| states_of(chunk, node).iter().all(|s| *s == state);
    let deposits = chunk.deposits.iter().all(|d| alone(d.values, chunk.keys(d.keys).state));
    match deposits && chunk.reads.iter().all(|(r, found)| alone(found.node, t.read(*r).state)) {
        true => Ok(()),
        false => not_fused(t, "stores reads of one state in another"),
    }
}

/// The states that a matrix is made from.
fn states_of(chunk: &Program, node: NodeId) -> Vec<StateId> {
    match &chunk.node(node).op {
        Op::Gram(reads, writes) => vec![chunk.keys(*reads).state, chunk.keys(*writes).state],
        Op::Tap(keys) => vec![chunk.keys(*keys).state],
        Op::Scale(_, x) | Op::Inverse(x) => states_of(chunk, *x),
        Op::Add(x, y) | Op::Product(x, y) => [states_of(chunk, *x), states_of(chunk, *y)].concat(),
        Op::Values(_) | Op::Reach { .. } | Op::Solved(..) => Vec::new(),
    }
}

/// The key and the value dim, which all states share.
fn matrix_dims(timeline: &Timeline) -> Result<(Dim, Dim), Limitation> {
    let matrix = |f: &Form| f.key.zip(f.value);
    let Some((key, value)) = timeline.forms.iter().find_map(matrix).filter(|(key, value)| key != value)
    else {
        return not_fused(timeline, "has no matrix state");
    };
    match timeline.forms.iter().all(|f| f.key == Some(key) && f.value.is_none_or(|v| v == value)) {
        true => Ok((key, value)),
        false => not_fused(timeline, "has states of different dims"),
    }
}

/// A group of lanes holds a token's vectors, 8 numbers or so a lane.
fn token_layout(
    timeline: &Timeline,
    spec: &Spec,
    dims: (Dim, Dim),
    (warps, value_warps): (u32, u32),
    blocks: u32,
) -> Layout {
    let size = |dim: Dim| spec.sizes[dim.index()] as u32;
    let lanes = (size(dims.0).max(WARP_COLUMNS * value_warps) / 8).next_power_of_two().clamp(4, 32);
    let axes = (0..timeline.signature.dims.len()).map(|at| {
        let dim = Dim(at as u32);
        // Runs divide the size, and the lanes reach the end of the tile: they write its padding too.
        let (here, tile, parts) = match dim == dims.1 {
            true => (size(dim).min(WARP_COLUMNS * value_warps), WARP_COLUMNS * value_warps, blocks),
            false => (size(dim), size(dim).div_ceil(16) * 16, 1),
        };
        let axis = layout::lane_axis(here, lanes);
        let registers = tile.div_ceil(axis.stride) * axis.run;
        Axis { size: size(dim), registers, padded: registers * lanes * parts != size(dim), ..axis }
    });
    let axes = axes.collect();
    Layout { lanes, columns: 1, warps, blocks, whole: blocks == 1, axes, registers: 0 }
}

impl Plan {
    /// Columns of a tile of this dim: all of a key dim, the block's of the value dim.
    pub fn columns(&self, dim: Dim) -> u32 {
        if dim == self.dims.1 {
            self.value_warps * WARP_COLUMNS
        } else {
            self.layout.axis(dim).size.div_ceil(16) * 16
        }
    }

    /// Rows of a stack in a chunk.
    pub fn rows(&self, slots: usize) -> u32 {
        self.tokens * slots as u32
    }

    /// Vector inputs that any product, coefficient or output is made from.
    fn take_inputs(&mut self, spec: &Spec) -> Result<(), Limitation> {
        let t = &self.chunk.timeline;
        let live = t.graph.reachable(self.values().chain(t.outputs.iter().copied()));
        let decays = layout::decay_params(t);
        let mut inputs: Vec<Input> = Vec::new();
        for value in t.graph.values().filter(|v| live[v.index()]) {
            let Expr::Param(param, _) = t.graph.expr(value) else { continue };
            let declared = t.signature.param(param);
            let Some(dim) = declared.shape.dims().next() else { continue };
            if declared.per_head || inputs.iter().any(|i| i.param == param) {
                continue;
            }
            // Decays are f32 and used once: they go to registers.
            if decays[param.index()] {
                continue;
            }
            let size = spec.sizes[dim.index()] as u32;
            let (slots, columns, run) = (declared.count.unwrap_or(1), self.columns(dim), copy_run(size));
            inputs.push(Input { param, slots, dim, columns, run });
        }
        inputs.sort_by_key(|i| i.param);
        self.inputs = inputs;
        Ok(())
    }

    /// Everything that is computed of a token before the products.
    fn values(&self) -> impl Iterator<Item = Value> + '_ {
        let keys = self.chunk.keys.iter().flat_map(|k| k.slots.iter().filter_map(|s| s.key));
        let of_node = |op: &Op| match op {
            Op::Values(rows) => rows.iter().flatten().copied().collect(),
            Op::Scale(by, _) => by.clone(),
            _ => Vec::new(),
        };
        let scales = self.chunk.reads.iter().map(|(_, found)| found.scale);
        keys.chain(self.chunk.nodes.iter().flat_map(move |n| of_node(&n.op))).chain(scales)
    }

    fn take_operands(&mut self) {
        let (key, value) = self.dims;
        self.chunk.timeline.graph.constant(0.0);
        let mut wanted: Vec<(Vec<Option<Value>>, Dim)> = Vec::new();
        let mut scales: Vec<Vec<Value>> = Vec::new();
        for keys in &self.chunk.keys {
            wanted.push((keys.slots.iter().map(|s| s.key).collect(), key));
        }
        for node in &self.chunk.nodes {
            match &node.op {
                Op::Values(rows) if node.columns == Columns::Value(None) => scales.push(self.numbers(rows)),
                Op::Values(rows) => wanted.push((rows.clone(), value)),
                Op::Scale(by, _) => {
                    scales.push(by.clone());
                }
                _ => {}
            }
        }
        scales.extend(self.chunk.reads.iter().filter_map(|(_, found)| self.scale_of(found.node)));
        for values in scales {
            if self.coefficient_of(&values).is_none() {
                self.coefficients.push(Coefficient { values });
            }
        }
        for (rows, dim) in wanted {
            if self.operand_of(&rows).is_none() {
                let alias = self.alias(&rows);
                self.operands.push(Operand { columns: self.columns(dim), rows, dim, alias });
            }
        }
    }

    /// The values of a vector state's writes, by slot: one number each.
    pub fn numbers(&self, rows: &[Option<Value>]) -> Vec<Value> {
        let mut g = self.chunk.timeline.graph.clone();
        let zero = g.constant(0.0);
        rows.iter().map(|v| v.unwrap_or(zero)).collect()
    }

    /// What the rows of reads are multiplied by before they leave, by slot; `None` where nothing is.
    pub fn scale_of(&self, node: NodeId) -> Option<Vec<Value>> {
        let mut reads: Vec<_> =
            self.chunk.reads.iter().filter(|(_, f)| f.node == node).map(|(_, f)| f).collect();
        reads.sort_by_key(|f| f.slot);
        let g = &self.chunk.timeline.graph;
        let scales: Vec<Value> = reads.iter().map(|f| f.scale).collect();
        scales.iter().any(|s| g.literal(*s) != Some(1.0)).then_some(scales)
    }

    /// Rows of the tile that outputs leave through.
    pub fn output_rows(&self) -> u32 {
        let rows = |(_, found): &(_, Found)| self.rows(self.chunk.slots(self.chunk.node(found.node).rows));
        self.chunk.reads.iter().map(rows).max().unwrap_or(0)
    }

    /// The operand with these rows.
    pub fn operand_of(&self, rows: &[Option<Value>]) -> Option<usize> {
        self.operands.iter().position(|o| o.rows == rows)
    }

    /// The coefficient of these numbers.
    pub fn coefficient_of(&self, values: &[Value]) -> Option<usize> {
        self.coefficients.iter().position(|c| c.values == values)
    }

    /// The input whose tile is these rows, entry by entry.
    fn alias(&self, rows: &[Option<Value>]) -> Option<usize> {
        let g = &self.chunk.timeline.graph;
        self.inputs.iter().position(|input| {
            let is = |(slot, row): (usize, &Option<Value>)| match row.map(|v| g.expr(v)) {
                Some(Expr::Param(p, entry)) => p == input.param && entry.unwrap_or(0) as usize == slot,
                _ => false,
            };
            rows.len() == input.slots as usize && rows.iter().enumerate().all(is)
        })
    }

    fn take_clocks(&mut self) -> Result<(), Limitation> {
        for state in self.chunk.timeline.signature.state_ids() {
            let t = &self.chunk.timeline;
            let of_state = |e: &Event| match e {
                Event::Decay { state: s, factor } if *s == state => Some(*factor),
                _ => None,
            };
            let factors: Vec<Factor> = t.events.iter().filter_map(of_state).collect();
            if factors.is_empty() {
                continue;
            }
            let kind = match factors.iter().any(|f| t.graph.shape(f.value()) != Shape::Scalar) {
                false => self.scalar_clock(state, factors),
                true => self.clock_by_channel(state, &factors)?,
            };
            self.clocks.push(Clock { state, kind });
        }
        Ok(())
    }

    fn scalar_clock(&self, state: StateId, factors: Vec<Factor>) -> ClockKind {
        let g = &self.chunk.timeline.graph;
        let signed = factors.iter().any(|f| matches!(f, Factor::Raw(v) if !never_negative(g, *v)));
        let mut places: Vec<Vec<usize>> = Vec::new();
        for keys in self.chunk.keys.iter().filter(|k| k.state == state) {
            let here = keys.slots.iter().map(|s| s.place).collect();
            if !places.contains(&here) {
                places.push(here);
            }
        }
        ClockKind::Scalar { factors, places, signed }
    }

    fn clock_by_channel(&mut self, state: StateId, factors: &[Factor]) -> Result<ClockKind, Limitation> {
        let mine = |k: &&Keys| k.state == state;
        let mut places = self.chunk.keys.iter().filter(mine).flat_map(|k| k.slots.iter().map(|s| s.place));
        if places.any(|place| place != 0 && place != factors.len()) {
            return not_fused(&self.chunk.timeline, "reads or writes between two decays by channel");
        }
        let g = &mut self.chunk.timeline.graph;
        let key = Shape::of(Some(self.dims.0), None);
        let mut decay = g.constant(1.0);
        for factor in factors {
            let factor = match *factor {
                Factor::Raw(v) => v,
                Factor::Log(v) => g.unary(Unary::Exp, v),
            };
            decay = g.binary(Binary::Mul, decay, factor).unwrap_or(factor);
        }
        let decay = g.spread(decay, key);
        let ids = (0..self.chunk.keys.len() as u32).map(KeysId);
        for keys in ids.filter(|id| self.chunk.keys(*id).state == state) {
            let slots = &self.chunk.keys(keys).slots;
            let rows: Vec<Option<Value>> = slots.iter().map(|s| s.key).collect();
            let after = slots.iter().enumerate().map(|(at, s)| u32::from(s.place > 0) << at).sum();
            let writes = self.chunk.deposits.iter().any(|d| d.keys == keys);
            let operand = self.operand_of(&rows).unwrap_or(0);
            self.decayed.push(Decayed { keys, operand, writes, after });
        }
        for at in 0..self.chunk.nodes.len() {
            if let Op::Gram(reads, writes) = self.chunk.nodes[at].op
                && self.chunk.keys(reads).state == state
            {
                let values = self.own_pairs(reads, writes, decay);
                self.own.push(Own { gram: NodeId(at as u32), values });
            }
        }
        Ok(ClockKind::ByChannel { decay, columns: self.columns(self.dims.0) })
    }

    /// `b . a`, with the token's decay where it stands between the two.
    fn own_pairs(&mut self, reads: KeysId, writes: KeysId, decay: Value) -> Vec<Option<Value>> {
        let (reads, writes) = (self.chunk.keys(reads).slots.clone(), self.chunk.keys(writes).slots.clone());
        let g = &mut self.chunk.timeline.graph;
        let mut pair = |read: &Slot, write: &Slot| {
            let (b, mut a) = (read.key?, write.key?);
            if write.event > read.event {
                return None;
            }
            if write.place == 0 && read.place > 0 {
                a = g.binary(Binary::Mul, a, decay)?;
            }
            Some(g.contract(b, a, Shape::Scalar))
        };
        reads
            .iter()
            .flat_map(|read| writes.iter().map(|write| pair(read, write)).collect::<Vec<_>>())
            .collect()
    }

    /// The left sides of products, in order.
    fn take_squares(&mut self) {
        for node in &self.chunk.nodes {
            let Op::Product(left, _) = node.op else { continue };
            if self.squares.iter().any(|s| s.node == left) {
                continue;
            }
            let of = self.chunk.node(left);
            let columns = match of.columns {
                Columns::Rows(stack) => self.chunk.slots(stack),
                Columns::Value(_) => 1,
            };
            let inverse_of = match of.op {
                Op::Inverse(m) => Some(m),
                _ => None,
            };
            let (rows, columns) = (self.rows(self.chunk.slots(of.rows)), self.rows(columns));
            self.squares.push(Square { node: left, inverse_of, rows, columns });
        }
    }

    fn take_prologue(&mut self) -> Result<(), Limitation> {
        let mut roots: Vec<(Root, Value)> = Vec::new();
        for (c, coefficient) in self.coefficients.iter().enumerate() {
            roots.extend(coefficient.values.iter().enumerate().map(|(s, v)| (Root::Coefficient(c, s), *v)));
        }
        for (o, operand) in self.operands.iter().enumerate().filter(|(_, o)| o.alias.is_none()) {
            let rows = operand.rows.iter().enumerate();
            roots.extend(rows.filter_map(|(s, v)| Some((Root::Operand(o, s), (*v)?))));
        }
        for (c, clock) in self.clocks.iter().enumerate() {
            match &clock.kind {
                ClockKind::Scalar { factors, .. } => {
                    roots.extend(factors.iter().enumerate().map(|(f, v)| (Root::Decay(c, f), v.value())));
                }
                ClockKind::ByChannel { decay, .. } => roots.push((Root::DecayRow(c), *decay)),
            }
        }
        for (o, own) in self.own.iter().enumerate() {
            let values = own.values.iter().enumerate();
            roots.extend(values.filter_map(|(at, v)| Some((Root::Own(o, at), (*v)?))));
        }
        let is_decay = |(root, _): &(Root, Value)| matches!(root, Root::Decay(..));
        let (decays, rest): (Vec<_>, Vec<_>) = roots.iter().copied().partition(is_decay);
        let alone = program::expressions(&self.chunk.timeline, &wishes(&decays))?;
        let scalars = alone.nodes.iter().all(|node| node.dim.is_none() && !node.op.is_reduction());
        if scalars {
            self.decays = alone;
            self.decay_roots = decays.into_iter().map(|(root, _)| root).collect();
            roots = rest;
        }
        self.prologue = program::expressions(&self.chunk.timeline, &wishes(&roots))?;
        self.roots = roots.into_iter().map(|(root, _)| root).collect();
        self.check_reductions(&self.prologue)
    }

    /// Outputs that are reads leave as they are; all others are computed, token by token, from rows of reads.
    fn take_epilogue(&mut self) -> Result<(), Limitation> {
        let t = &self.chunk.timeline;
        let rows_of = |v: &Value| match t.graph.expr(*v) {
            Expr::Read(r) => {
                self.chunk.reads.iter().find(|(read, _)| *read == r).map(|(_, found)| found.node)
            }
            _ => None,
        };
        let matrix = |node: NodeId| self.chunk.node(node).columns == Columns::Value(Some(self.dims.1));
        if self.dtype != DType::F32 && t.outputs.iter().all(|v| rows_of(v).is_some_and(matrix)) {
            let fits = |o: &Operand| o.dim == self.dims.1 && self.rows(o.rows.len()) >= self.output_rows();
            self.output = self.operands.iter().position(fits);
            return Ok(());
        }
        for output in &t.signature.outputs {
            if output.shape.dims().any(|dim| dim != self.dims.1) {
                return not_fused(t, "has an output of another dim than the states' values");
            }
        }
        let roots: Vec<(Value, &str)> =
            t.outputs.iter().zip(&t.signature.outputs).map(|(v, o)| (*v, o.name.as_str())).collect();
        let program = program::expressions(t, &roots)?;
        self.check_reductions(&program)?;
        let mut reads: Vec<NodeId> = self.chunk.reads.iter().map(|(_, found)| found.node).collect();
        reads.sort();
        reads.dedup();
        self.epilogue = Some(Epilogue { program, reads });
        Ok(())
    }

    /// A sum over the value dim needs all of it in one block.
    fn check_reductions(&self, program: &program::Program) -> Result<(), Limitation> {
        let sums = |id: TokenNode| program.node(id).dim == Some(self.dims.1);
        let reduced = program.nodes.iter().any(|n| n.op.is_reduction() && n.op.operands().any(sums));
        match reduced && self.blocks > 1 {
            true => not_fused(&self.chunk.timeline, "sums over a value dim of more than 128"),
            false => Ok(()),
        }
    }

    /// Whether an input's tile has a second one, of what rounding lost.
    pub fn input_split(&self) -> bool {
        self.dtype == DType::F32
    }

    /// Whether an operand's tile has a second one.
    pub fn operand_split(&self, operand: &Operand) -> bool {
        if operand.alias.is_some() { self.input_split() } else { self.split }
    }

    /// What a block keeps in shared memory, in order, each with its bytes: a multiple of 16.
    pub fn regions(&self) -> Vec<(Region, u32)> {
        let mut all = self.tiles();
        if let Some(rows) = self.exact_rows() {
            all.push((Region::Exact, rows * (rows + 8) * 4));
        }
        match (&self.epilogue, self.output) {
            (Some(epilogue), _) => {
                let reads = epilogue.reads.iter().enumerate();
                all.extend(reads.map(|(at, node)| (Region::Read(at), self.read_floats(*node) * 4)));
            }
            (None, None) => {
                all.push((Region::Output, self.output_rows() * pitch(self.columns(self.dims.1))));
            }
            (None, Some(_)) => {}
        }
        for (at, c) in self.coefficients.iter().enumerate() {
            all.push((Region::Coefficient(at), self.rows(c.values.len()) * 4));
        }
        for (at, own) in self.own.iter().enumerate() {
            all.push((Region::Own(at), self.tokens * own.values.len() as u32 * 4));
        }
        for (at, clock) in self.clocks.iter().enumerate() {
            self.clock_regions(at, clock, &mut all);
        }
        let vectors = self.owners.iter().enumerate().filter(|(_, o)| o.value.is_none());
        all.extend(vectors.map(|(at, _)| (Region::Vector(at), self.columns(self.dims.0) * 4)));
        all
    }

    /// Tiles of operands, each with its second one where it is split.
    fn tiles(&self) -> Vec<(Region, u32)> {
        let mut all = Vec::new();
        let mut tile =
            |of: fn(usize, Part) -> Region, at: usize, (rows, columns): (u32, u32), split: bool| {
                all.push((of(at, Part::High), rows * pitch(columns)));
                if split {
                    all.push((of(at, Part::Low), rows * pitch(columns)));
                }
            };
        for (at, i) in self.inputs.iter().enumerate() {
            tile(Region::Input, at, (self.tokens * i.slots, i.columns), self.input_split());
        }
        for (at, o) in self.operands.iter().enumerate().filter(|(_, o)| o.alias.is_none()) {
            tile(Region::Operand, at, (self.rows(o.rows.len()), o.columns), self.split);
        }
        for (at, d) in self.decayed.iter().enumerate() {
            let rows = self.rows(self.chunk.keys(d.keys).slots.len());
            tile(Region::Decayed, at, (rows, self.operands[d.operand].columns), self.split);
        }
        for (at, s) in self.squares.iter().enumerate() {
            tile(Region::Square, at, (s.rows, s.columns), self.split);
        }
        all
    }

    fn clock_regions(&self, at: usize, clock: &Clock, all: &mut Vec<(Region, u32)>) {
        let mut push = |part: ClockPart, numbers: u32| all.push((Region::Clock(at, part), numbers * 4));
        match &clock.kind {
            ClockKind::Scalar { places, signed, .. } => {
                push(ClockPart::Before, self.tokens + 4);
                if *signed {
                    push(ClockPart::SignBefore, self.tokens + 4);
                }
                for (place, slots) in places.iter().enumerate() {
                    let rows = self.rows(slots.len());
                    push(ClockPart::Log(place), rows);
                    push(ClockPart::FromStart(place), rows);
                    push(ClockPart::ToEnd(place), rows);
                    if *signed {
                        push(ClockPart::Sign(place), rows);
                    }
                }
            }
            ClockKind::ByChannel { columns, .. } => {
                push(ClockPart::Decays, self.tokens * columns);
                push(ClockPart::All, *columns);
            }
        }
    }

    /// Whether a region is there once for each stage: what tokens compute while other warps may still use the last chunk's.
    pub fn is_staged(&self, region: Region) -> bool {
        use Region::{Clock, Coefficient, Input, Operand};
        let kept = matches!(region, Clock(_, ClockPart::Decays | ClockPart::All));
        self.stages > 1 && !kept && matches!(region, Input(..) | Operand(..) | Coefficient(_) | Clock(..))
    }

    /// Bytes of shared memory.
    pub fn shared(&self) -> u32 {
        let stages = |region: Region| if self.is_staged(region) { self.stages } else { 1 };
        self.regions().iter().map(|(region, bytes)| bytes * stages(*region)).sum()
    }

    /// Rows of the float square that inverses are made in.
    pub fn exact_rows(&self) -> Option<u32> {
        self.squares.iter().filter(|s| s.inverse_of.is_some()).map(|s| s.rows).max()
    }

    /// Numbers that the rows of a matrix of reads take, for the epilogue.
    pub fn read_floats(&self, node: NodeId) -> u32 {
        let of = self.chunk.node(node);
        let rows = self.rows(self.chunk.slots(of.rows));
        match of.columns {
            Columns::Value(Some(dim)) => rows * wide_pitch(self.columns(dim)),
            _ => rows,
        }
    }

    fn fits(&self, arch: Arch) -> Result<(), Limitation> {
        match self.shared() as usize <= arch.max_shared_per_block() {
            true => Ok(()),
            false => Err(Limitation::NotFused(format!(
                "the fused plan of `{}` needs {} bytes of shared memory a block; {arch} has {}",
                self.chunk.timeline.signature.name,
                self.shared(),
                arch.max_shared_per_block()
            ))),
        }
    }
}

/// Bytes between rows of a tile: an odd number of 16-byte pieces, as in `tiles.cuh`.
pub fn pitch(columns: u32) -> u32 {
    ((columns / 8) | 1) * 16
}

/// Numbers between rows of f32, as in `tiles.cuh`: fragments are stored transposed without a bank conflict.
pub fn wide_pitch(columns: u32) -> u32 {
    columns.div_ceil(32) * 32 + 4
}

/// How many 16-bit numbers one copy moves, where rows of `size` lie one after the other.
pub fn copy_run(size: u32) -> u32 {
    [8, 4, 2].into_iter().find(|run| size.is_multiple_of(*run)).unwrap_or(1)
}

/// Roots with what their variables would like to be called.
fn wishes(roots: &[(Root, Value)]) -> Vec<(Value, &'static str)> {
    let wish = |root: &Root| match root {
        Root::Coefficient(..) => "coefficient",
        Root::Operand(..) => "operand",
        Root::Decay(..) | Root::DecayRow(_) => "decay",
        Root::Own(..) => "own",
    };
    roots.iter().map(|(root, v)| (*v, wish(root))).collect()
}

/// Whether an expression is nowhere negative, by its form alone.
fn never_negative(g: &Graph, v: Value) -> bool {
    match g.expr(v) {
        Expr::Const(number) => number.0 >= 0.0,
        Expr::Size(_) | Expr::Softmax(_) => true,
        Expr::Unary(op, _) => {
            use Unary::*;
            matches!(op, Exp | Sigmoid | Softplus | Relu | Square | Sqrt | Rsqrt | Abs | Step)
        }
        Expr::Binary(Binary::Add | Binary::Mul | Binary::Div | Binary::Min, x, y) => {
            never_negative(g, x) && never_negative(g, y)
        }
        Expr::Binary(Binary::Max, x, y) => never_negative(g, x) || never_negative(g, y),
        Expr::Sum(x) | Expr::Spread(x) => never_negative(g, x),
        _ => false,
    }
}
