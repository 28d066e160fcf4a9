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
use crate::kernel::{Limitation, MAX_SIZE, Spec};
use crate::layout::{self, Axis, Layout};
use crate::program::{self, NodeId as TokenNode};
use chunkwise_algebra::program::{Columns, Found, Keys, KeysId, NodeId, Op, Program, Slot, derive};
use chunkwise_dsl::graph::{Binary, Dim, Expr, Graph, ParamId, Shape, StateId, Unary, Value};
use chunkwise_dsl::timeline::{Event, Factor, Timeline};

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

/// The plan of a kernel.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The chunk program.
    pub chunk: Program,
    /// Tokens of a chunk, a multiple of 16.
    pub tokens: u32,
    /// Warps in a block, 16 value columns each.
    pub warps: u32,
    /// Blocks that share one state.
    pub blocks: u32,
    /// The type of operands.
    pub operand: DType,
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
    /// What is computed of each token before the products, as a token program; its outputs are [`Plan::roots`].
    pub prologue: program::Program,
    /// What the prologue's outputs are, in order.
    pub roots: Vec<Root>,
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
    if !matches!(spec.dtype, DType::BF16 | DType::F16) {
        return Err(Limitation::DType(spec.dtype));
    }
    for (at, name) in timeline.signature.dims.iter().enumerate() {
        let size = spec.sizes.get(at).copied().unwrap_or(0);
        if !(1..=MAX_SIZE).contains(&size) {
            return Err(Limitation::Size { dim: name.clone(), size });
        }
    }
    let chunk = derive(timeline).map_err(|e| Limitation::NotFused(e.to_string()))?;
    if !chunk.systems.is_empty() {
        return not_fused(timeline, "has feedback that is not linear");
    }
    let dims = matrix_dims(timeline)?;
    let size = |dim: Dim| spec.sizes[dim.index()] as u32;
    let slots = chunk.stacks.iter().map(|s| s.slots as u32).max().unwrap_or(1);
    let tokens = ROWS / slots / 16 * 16;
    if tokens == 0 {
        return not_fused(timeline, "has more than four reads or writes of one kind a token");
    }
    let tiles = size(dims.1).div_ceil(WARP_COLUMNS);
    let blocks = tiles.div_ceil(MOST_WARPS);
    let warps = tiles.div_ceil(blocks).max(LEAST_WARPS);
    let mut plan = Plan {
        tokens,
        warps,
        blocks,
        operand: spec.dtype,
        dims,
        inputs: Vec::new(),
        operands: Vec::new(),
        coefficients: Vec::new(),
        clocks: Vec::new(),
        decayed: Vec::new(),
        own: Vec::new(),
        squares: Vec::new(),
        output: None,
        prologue: program::Program::default(),
        roots: Vec::new(),
        layout: token_layout(timeline, spec, dims, warps, blocks),
        chunk,
    };
    plan.take_inputs(spec)?;
    plan.take_operands();
    plan.take_clocks()?;
    plan.take_squares();
    plan.output =
        plan.operands.iter().position(|o| o.dim == dims.1 && plan.rows(o.rows.len()) >= plan.output_rows());
    plan.take_prologue()?;
    plan.fits(arch)?;
    Ok(plan)
}

fn not_fused<T>(timeline: &Timeline, why: &str) -> Result<T, Limitation> {
    Err(Limitation::NotFused(format!(
        "the fused plan of `{}` is not built: the rule {why}",
        timeline.signature.name
    )))
}

/// The dims of the states, which have to be alike.
fn matrix_dims(timeline: &Timeline) -> Result<(Dim, Dim), Limitation> {
    match timeline.forms.as_slice() {
        [form] => match (form.key, form.value) {
            (Some(key), Some(value)) if key != value => Ok((key, value)),
            _ => not_fused(timeline, "has a vector state"),
        },
        _ => not_fused(timeline, "has several states"),
    }
}

/// A group of lanes holds a token's vectors, 8 numbers or so a lane.
fn token_layout(timeline: &Timeline, spec: &Spec, dims: (Dim, Dim), warps: u32, blocks: u32) -> Layout {
    let size = |dim: Dim| spec.sizes[dim.index()] as u32;
    let lanes = (size(dims.0).max(WARP_COLUMNS * warps) / 8).next_power_of_two().clamp(4, 32);
    let axes = (0..timeline.signature.dims.len()).map(|at| {
        let dim = Dim(at as u32);
        let here = if dim == dims.1 { size(dim).min(WARP_COLUMNS * warps) } else { size(dim) };
        Axis { size: size(dim), ..layout::lane_axis(here, lanes) }
    });
    let axes = axes.collect();
    Layout { lanes, columns: 1, warps, blocks, whole: blocks == 1, axes, registers: 0 }
}

impl Plan {
    /// Columns of a tile of this dim: all of a key dim, the block's of the value dim.
    pub fn columns(&self, dim: Dim) -> u32 {
        if dim == self.dims.1 {
            self.warps * WARP_COLUMNS
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
        let mut wanted: Vec<(Vec<Option<Value>>, Dim)> = Vec::new();
        let mut scales: Vec<Vec<Value>> = Vec::new();
        for keys in &self.chunk.keys {
            wanted.push((keys.slots.iter().map(|s| s.key).collect(), key));
        }
        for node in &self.chunk.nodes {
            match &node.op {
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
        let wishes = roots.iter().map(|(root, v)| {
            let wish = match root {
                Root::Coefficient(..) => "coefficient",
                Root::Operand(..) => "operand",
                Root::Decay(..) | Root::DecayRow(_) => "decay",
                Root::Own(..) => "own",
            };
            (*v, wish)
        });
        self.prologue = program::expressions(&self.chunk.timeline, &wishes.collect::<Vec<_>>())?;
        self.roots = roots.into_iter().map(|(root, _)| root).collect();
        self.check_reductions()
    }

    /// A sum over the value dim needs all of it in one block.
    fn check_reductions(&self) -> Result<(), Limitation> {
        let sums = |id: TokenNode| self.prologue.node(id).dim == Some(self.dims.1);
        let reduced = self.prologue.nodes.iter().any(|n| n.op.is_reduction() && n.op.operands().any(sums));
        match reduced && self.blocks > 1 {
            true => not_fused(&self.chunk.timeline, "sums over a value dim of more than 128"),
            false => Ok(()),
        }
    }

    /// Bytes of shared memory.
    pub fn shared(&self) -> u32 {
        let tile = |rows: u32, columns: u32| rows * pitch(columns);
        let inputs: u32 = self.inputs.iter().map(|i| tile(self.tokens * i.slots, i.columns)).sum();
        let own = self.operands.iter().filter(|o| o.alias.is_none());
        let operands: u32 = own.map(|o| tile(self.rows(o.rows.len()), o.columns)).sum();
        let squares: u32 = self.squares.iter().map(|s| tile(s.rows, s.columns)).sum();
        let inverted = self.squares.iter().filter(|s| s.inverse_of.is_some());
        let floats = inverted.map(|s| s.rows * (s.rows + 8) * 4).max().unwrap_or(0);
        let rows = self.coefficients.iter().map(|c| self.rows(c.values.len()) * 4).sum::<u32>();
        let clocks = self.clocks.iter().map(|c| match &c.kind {
            ClockKind::Scalar { places, signed, .. } => {
                let rows: u32 = places.iter().map(|p| self.rows(p.len())).sum();
                let (befores, each) = if *signed { (2, 4) } else { (1, 3) };
                4 * (befores * (self.tokens + 4) + each * rows)
            }
            ClockKind::ByChannel { columns, .. } => 4 * columns * (self.tokens + 1),
        });
        let decayed: u32 = self.decayed.iter().map(|d| self.rows(self.chunk.keys(d.keys).slots.len())).sum();
        let decayed = tile(decayed, self.columns(self.dims.0));
        let own: u32 = self.own.iter().map(|o| self.tokens * o.values.len() as u32 * 4).sum();
        let output =
            if self.output.is_none() { tile(self.output_rows(), self.columns(self.dims.1)) } else { 0 };
        inputs + operands + output + squares + floats + rows + clocks.sum::<u32>() + decayed + own
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
    (columns / 8 | 1) * 16
}

/// How many 16-bit numbers one copy moves, where rows of `size` lie one after the other.
pub fn copy_run(size: u32) -> u32 {
    [8, 4, 2].into_iter().find(|run| size.is_multiple_of(*run)).unwrap_or(1)
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
