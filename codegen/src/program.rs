//! One token as a kernel runs it: a timeline whose expressions are cut into named values and whose steps are in order.
//!
//! ```text
//! decay(s, exp(g))             Define g            (an input, fetched one token ahead)
//! write(s, beta * k, v)        Define s_decay = exp(g)
//! o = read(s, q)               Decay s by s_decay
//!                              Define k, beta, s_key = beta * k, v
//!                              Write s += s_key v^T
//!                              Define q
//!                              Read p0 = s^T q
//!                              Output o = p0
//! ```
//!
//! A [`Node`] is either *stored* (it has a variable) or part of the expression of its user. Values that do not change
//! from token to token are defined once, before the loop. Reads that nothing uses are gone, and so are inputs.
//! Softmax and l2norm are taken apart into reductions, so that later stages know of sums, dots and maxima only.
//!
//! Sizes are not known here: a program depends on the timeline alone.

use crate::kernel::Limitation;
use chunkwise_algebra::eval::NORM_EPSILON;
use chunkwise_dsl::graph::{Binary, Dim, Expr, Literal, ParamId, ReadId, Shape, StateId, Unary, Value};
use chunkwise_dsl::timeline::{Event, Factor, Timeline};
use std::collections::HashMap;

/// A value of a [`Program`], by position.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The position in [`Program::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a node computes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// A number.
    Constant(Literal),
    /// The size of a dim, as a number.
    Size(Dim),
    /// An input of this token (or `PerHead`).
    Input(ParamId, Option<u32>),
    /// What a read gave.
    Tap(ReadId),
    /// A number or a row that was computed before, by position in what [`expressions`] was given.
    Kept(u32),
    /// Elementwise.
    Unary(Unary, NodeId),
    /// Elementwise, uniform operands broadcast.
    Binary(Binary, NodeId, NodeId),
    /// A uniform value as a vector.
    Spread(NodeId),
    /// Sum of products of two vectors of one dim.
    Dot(NodeId, NodeId),
    /// Sum of a vector.
    Sum(NodeId),
    /// Greatest element of a vector.
    Greatest(NodeId),
}

impl Op {
    /// The operands, in order.
    pub fn operands(self) -> impl Iterator<Item = NodeId> {
        let (a, b) = match self {
            Op::Unary(_, x) | Op::Spread(x) | Op::Sum(x) | Op::Greatest(x) => (Some(x), None),
            Op::Binary(_, x, y) | Op::Dot(x, y) => (Some(x), Some(y)),
            Op::Constant(_) | Op::Size(_) | Op::Input(..) | Op::Tap(_) | Op::Kept(_) => (None, None),
        };
        a.into_iter().chain(b)
    }

    /// Whether this sums or compares over a dim.
    pub fn is_reduction(self) -> bool {
        matches!(self, Op::Dot(..) | Op::Sum(_) | Op::Greatest(_))
    }
}

/// One value.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// What it computes.
    pub op: Op,
    /// Its dim; `None` for one number.
    pub dim: Option<Dim>,
    /// Whether it has a variable of its own.
    pub stored: bool,
    /// Whether it is the same at every token.
    pub constant: bool,
    /// What the variable would like to be called.
    pub wish: String,
}

/// One step of a token, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// Computes a stored node.
    Define(NodeId),
    /// `S <- d S`.
    Decay {
        /// The state.
        state: StateId,
        /// `d`: uniform, or of the key or the value dim.
        factor: NodeId,
    },
    /// `p = S^T b`.
    Read {
        /// The state.
        state: StateId,
        /// `b`.
        key: NodeId,
        /// The node that receives it.
        into: NodeId,
    },
    /// `S <- S + a u^T`.
    Write {
        /// The state.
        state: StateId,
        /// `a`.
        key: NodeId,
        /// `u`.
        value: NodeId,
    },
    /// `S_i <- sum_j M_ij S_j`.
    Mix {
        /// The states.
        states: Vec<StateId>,
        /// `matrix[i][j]`; a missing entry is 0.
        matrix: Vec<Vec<Option<NodeId>>>,
    },
    /// Stores an output.
    Output {
        /// Its position.
        index: usize,
        /// Its value.
        value: NodeId,
    },
}

impl Step {
    /// The nodes that the step uses (the one it defines left out).
    pub fn operands(&self) -> Vec<NodeId> {
        match self {
            Step::Define(_) => Vec::new(),
            Step::Decay { factor, .. } => vec![*factor],
            Step::Read { key, .. } => vec![*key],
            Step::Write { key, value, .. } => vec![*key, *value],
            Step::Mix { matrix, .. } => matrix.iter().flatten().flatten().copied().collect(),
            Step::Output { value, .. } => vec![*value],
        }
    }
}

/// The steps of a token and the values they use.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Program {
    /// All values, operands before users.
    pub nodes: Vec<Node>,
    /// Stored values that are the same at every token, in order.
    pub once: Vec<NodeId>,
    /// The token.
    pub steps: Vec<Step>,
}

impl Program {
    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The stored inputs, by tensor and entry: those of a token, or those of a head where `constant` says so.
    pub fn inputs(&self, constant: bool) -> impl Iterator<Item = (NodeId, ParamId, Option<u32>)> {
        self.nodes.iter().enumerate().filter_map(move |(at, node)| match node.op {
            Op::Input(param, entry) if node.stored && node.constant == constant => {
                Some((NodeId(at as u32), param, entry))
            }
            _ => None,
        })
    }
}

impl Program {
    /// The stored values that are alive at each step: defined, and needed by it or by a later one. Inputs of a token are
    /// alive from its start, and what is the same at every token always.
    pub fn live(&self) -> Vec<Vec<NodeId>> {
        let mut alive = vec![false; self.nodes.len()];
        let mut sets = Vec::new();
        for step in self.steps.iter().rev() {
            let defined = match step {
                Step::Define(id) | Step::Read { into: id, .. } => Some(*id),
                _ => None,
            };
            for operand in step.operands().into_iter().chain(defined) {
                self.need(operand, &mut alive);
            }
            for operand in defined.into_iter().flat_map(|id| self.node(id).op.operands()) {
                self.need(operand, &mut alive);
            }
            sets.push((0..self.nodes.len() as u32).map(NodeId).filter(|id| alive[id.index()]).collect());
            if let Some(id) = defined.filter(|&id| !matches!(self.node(id).op, Op::Input(..))) {
                alive[id.index()] = false;
            }
        }
        sets.reverse();
        sets
    }

    fn need(&self, id: NodeId, alive: &mut [bool]) {
        if self.node(id).stored {
            alive[id.index()] = true;
        } else {
            self.node(id).op.operands().for_each(|x| self.need(x, alive));
        }
    }
}

/// Cuts a timeline into steps and values.
///
/// # Errors
/// [`Limitation::Invalid`] for leaves and shapes that no rule's timeline has.
pub fn lower(timeline: &Timeline) -> Result<Program, Limitation> {
    let mut lowering = Lowering::new(timeline);
    let events = lowering.events()?;
    let mut nodes = lowering.nodes;
    let events = without_unused_reads(&nodes, events);
    choose_stored(&mut nodes, &events);
    Ok(schedule(nodes, events))
}

/// Cuts expressions that are free of states into steps, for a prologue: a [`Step::Output`] stands where the root of that
/// number is ready. Each root comes with what its variable would like to be called.
///
/// # Errors
/// [`Limitation::Invalid`], as [`lower`].
pub fn expressions(timeline: &Timeline, roots: &[(Value, &str)]) -> Result<Program, Limitation> {
    expressions_of(timeline, roots, &[])
}

/// The same, where some values were computed before: they are [`Op::Kept`], and what they are made of is gone.
///
/// # Errors
/// [`Limitation::Invalid`], as [`lower`].
pub fn expressions_of(
    timeline: &Timeline,
    roots: &[(Value, &str)],
    kept: &[Value],
) -> Result<Program, Limitation> {
    let mut lowering = Lowering::new(timeline);
    for (at, value) in kept.iter().enumerate() {
        let dim = timeline.graph.shape(*value).dims().next();
        let node = lowering.push(Op::Kept(at as u32), dim, "kept");
        lowering.values.insert(*value, node);
    }
    let ready = |(index, (value, wish)): (usize, &(Value, &str))| {
        Ok(Step::Output { index, value: lowering.named(*value, wish)? })
    };
    let steps = roots.iter().enumerate().map(ready).collect::<Result<Vec<_>, _>>()?;
    let mut nodes = lowering.nodes;
    choose_stored(&mut nodes, &steps);
    Ok(schedule(nodes, steps))
}

struct Lowering<'a> {
    timeline: &'a Timeline,
    nodes: Vec<Node>,
    index: HashMap<(Op, Option<Dim>), NodeId>,
    values: HashMap<Value, NodeId>,
}

impl<'a> Lowering<'a> {
    fn new(timeline: &'a Timeline) -> Lowering<'a> {
        Lowering { timeline, nodes: Vec::new(), index: HashMap::new(), values: HashMap::new() }
    }

    /// Every event and output, with its operands lowered.
    fn events(&mut self) -> Result<Vec<Step>, Limitation> {
        let timeline = self.timeline;
        let mut steps = Vec::new();
        for event in &timeline.events {
            steps.push(match event {
                Event::Decay { state, factor } => self.decay(*state, *factor)?,
                Event::Read(read) => self.read(*read)?,
                Event::Write { state, key, value } => {
                    let name = &timeline.signature.state(*state).name;
                    let key = self.named(*key, &format!("{name}_key"))?;
                    let value = self.named(*value, &format!("{name}_value"))?;
                    Step::Write { state: *state, key, value }
                }
                Event::Mix { states, matrix } => {
                    let row = |row: &Vec<Option<Value>>| {
                        row.iter().map(|entry| entry.map(|v| self.named(v, "weight")).transpose()).collect()
                    };
                    Step::Mix {
                        states: states.clone(),
                        matrix: matrix.iter().map(row).collect::<Result<_, _>>()?,
                    }
                }
            });
        }
        for (index, (&value, output)) in timeline.outputs.iter().zip(&timeline.signature.outputs).enumerate()
        {
            let node = self.named(value, &output.name)?;
            let node = match (output.shape, self.nodes[node.index()].dim) {
                (Shape::Vector(dim), None) => self.push(Op::Spread(node), Some(dim), &output.name),
                _ => node,
            };
            steps.push(Step::Output { index, value: node });
        }
        Ok(steps)
    }

    fn decay(&mut self, state: StateId, factor: Factor) -> Result<Step, Limitation> {
        let wish = format!("{}_decay", self.timeline.signature.state(state).name);
        let factor = match factor {
            Factor::Raw(value) => self.named(value, &wish)?,
            Factor::Log(value) => {
                let log = self.value(value)?;
                let Node { op, dim, .. } = self.nodes[log.index()];
                // exp(log_sigmoid(x)) is sigmoid(x): fewer instructions, fewer roundings.
                let factor = match op {
                    Op::Unary(Unary::LogSigmoid, x) => Op::Unary(Unary::Sigmoid, x),
                    _ => Op::Unary(Unary::Exp, log),
                };
                self.push(factor, dim, &wish)
            }
        };
        Ok(Step::Decay { state, factor })
    }

    fn read(&mut self, read: ReadId) -> Result<Step, Limitation> {
        let tap = self.timeline.read(read);
        let name = &self.timeline.signature.state(tap.state).name;
        let key = self.named(tap.key, &format!("{name}_query"))?;
        let dim = self.timeline.form(tap.state).value;
        let into = self.push(Op::Tap(read), dim, &read.to_string());
        Ok(Step::Read { state: tap.state, key, into })
    }

    /// A value's node; called `wish` where neither the rule nor an earlier use gave it a name.
    fn named(&mut self, value: Value, wish: &str) -> Result<NodeId, Limitation> {
        let node = self.value(value)?;
        let named = &mut self.nodes[node.index()].wish;
        if named == UNNAMED {
            *named = wish.to_owned();
        }
        Ok(node)
    }

    /// A value's node. Operands come before users in a graph, so the recursion is as deep as the expression.
    fn value(&mut self, value: Value) -> Result<NodeId, Limitation> {
        if let Some(&node) = self.values.get(&value) {
            return Ok(node);
        }
        let node = self.expression(value)?;
        if let Some(name) = self.timeline.graph.names.get(&value) {
            let given = &mut self.nodes[node.index()];
            if !matches!(given.op, Op::Input(..)) {
                given.wish = name.clone();
            }
        }
        self.values.insert(value, node);
        Ok(node)
    }

    fn expression(&mut self, value: Value) -> Result<NodeId, Limitation> {
        let graph = &self.timeline.graph;
        let shape = graph.shape(value);
        let dim = match shape {
            Shape::Scalar => None,
            Shape::Vector(dim) => Some(dim),
            Shape::Matrix(..) => return Err(Limitation::Invalid(format!("{value} is a matrix"))),
        };
        Ok(match graph.expr(value) {
            Expr::Const(number) => self.push(Op::Constant(number), None, UNNAMED),
            Expr::Size(dim) => self.push(Op::Size(dim), None, UNNAMED),
            Expr::Param(param, entry) => self.input(param, entry, dim),
            Expr::Read(read) => self.push(Op::Tap(read), dim, &read.to_string()),
            Expr::Unary(op, x) => {
                let x = self.value(x)?;
                self.push(Op::Unary(op, x), dim, UNNAMED)
            }
            Expr::Binary(op, x, y) => {
                let x = self.value(x)?;
                let y = self.value(y)?;
                self.push(Op::Binary(op, x, y), dim, UNNAMED)
            }
            Expr::Contract(x, y) => {
                let x = self.value(x)?;
                let y = self.value(y)?;
                self.contract(x, y, dim)
            }
            Expr::Sum(x) => {
                let x = self.value(x)?;
                self.sum(x, dim)
            }
            Expr::Spread(x) => {
                let x = self.value(x)?;
                self.push(Op::Spread(x), dim, UNNAMED)
            }
            Expr::Softmax(x) => {
                let x = self.value(x)?;
                self.softmax(x, dim)
            }
            Expr::L2norm(x) => {
                let x = self.value(x)?;
                self.l2norm(x, dim)
            }
            Expr::State(_) | Expr::Updated(_) | Expr::Given(_) => {
                return Err(Limitation::Invalid(format!(
                    "{value} = {:?} is no value of a token",
                    graph.expr(value)
                )));
            }
        })
    }

    fn input(&mut self, param: ParamId, entry: Option<u32>, dim: Option<Dim>) -> NodeId {
        let name = &self.timeline.signature.param(param).name;
        let wish = entry.map_or(name.clone(), |entry| format!("{name}{entry}"));
        self.push(Op::Input(param, entry), dim, &wish)
    }

    fn contract(&mut self, x: NodeId, y: NodeId, keep: Option<Dim>) -> NodeId {
        let (dx, dy) = (self.nodes[x.index()].dim, self.nodes[y.index()].dim);
        if dx.is_some() && dx == dy && dx != keep {
            return self.push(Op::Dot(x, y), None, "dot");
        }
        let x = self.sum(x, keep);
        let y = self.sum(y, keep);
        self.push(Op::Binary(Binary::Mul, x, y), keep, UNNAMED)
    }

    fn sum(&mut self, x: NodeId, keep: Option<Dim>) -> NodeId {
        match self.nodes[x.index()].dim {
            Some(dim) if Some(dim) != keep => self.push(Op::Sum(x), None, "sum"),
            _ => x,
        }
    }

    fn softmax(&mut self, x: NodeId, dim: Option<Dim>) -> NodeId {
        let peak = self.push(Op::Greatest(x), None, "peak");
        let shifted = self.push(Op::Binary(Binary::Sub, x, peak), dim, UNNAMED);
        let grown = self.push(Op::Unary(Unary::Exp, shifted), dim, "grown");
        let total = self.push(Op::Sum(grown), None, "total");
        self.push(Op::Binary(Binary::Div, grown, total), dim, "softmax")
    }

    fn l2norm(&mut self, x: NodeId, dim: Option<Dim>) -> NodeId {
        let squares = self.push(Op::Dot(x, x), None, "squares");
        let epsilon = self.push(Op::Constant(Literal(NORM_EPSILON)), None, UNNAMED);
        let shifted = self.push(Op::Binary(Binary::Add, squares, epsilon), None, UNNAMED);
        let scale = self.push(Op::Unary(Unary::Rsqrt, shifted), None, "scale");
        self.push(Op::Binary(Binary::Mul, x, scale), dim, "normed")
    }

    fn push(&mut self, op: Op, dim: Option<Dim>, wish: &str) -> NodeId {
        let constant = match op {
            Op::Tap(_) | Op::Kept(_) => false,
            Op::Input(param, _) => self.timeline.signature.param(param).per_head,
            other => other.operands().all(|x| self.nodes[x.index()].constant),
        };
        let nodes = &mut self.nodes;
        *self.index.entry((op, dim)).or_insert_with(|| {
            nodes.push(Node { op, dim, stored: false, constant, wish: wish.to_owned() });
            NodeId(nodes.len() as u32 - 1)
        })
    }
}

/// The wish of a node that nothing has named yet.
const UNNAMED: &str = "x";

/// Drops reads whose value reaches no write, decay, mix or output.
fn without_unused_reads(nodes: &[Node], events: Vec<Step>) -> Vec<Step> {
    let mut live = vec![false; nodes.len()];
    let mut kept: Vec<Step> = Vec::new();
    // A read is used by later events only, so one walk backwards decides.
    for step in events.into_iter().rev() {
        if matches!(&step, Step::Read { into, .. } if !live[into.index()]) {
            continue;
        }
        for operand in step.operands() {
            mark(nodes, operand, &mut live);
        }
        kept.push(step);
    }
    kept.reverse();
    kept
}

fn mark(nodes: &[Node], node: NodeId, live: &mut [bool]) {
    if !live[node.index()] {
        live[node.index()] = true;
        for operand in nodes[node.index()].op.operands() {
            mark(nodes, operand, live);
        }
    }
}

/// Decides which live nodes have a variable: inputs and reads, what the rule named, what events use, reductions and
/// their operands, what is used twice, one number used in a vector's loop, what need not be computed at every token.
fn choose_stored(nodes: &mut [Node], events: &[Step]) {
    let mut uses = vec![0u32; nodes.len()];
    let mut stored = vec![false; nodes.len()];
    let mut live = vec![false; nodes.len()];
    for operand in events.iter().flat_map(Step::operands) {
        mark(nodes, operand, &mut live);
        stored[operand.index()] = true;
    }
    for (at, node) in nodes.iter().enumerate().filter(|&(at, _)| live[at]) {
        for x in node.op.operands() {
            let operand = &nodes[x.index()];
            uses[x.index()] += 1;
            stored[x.index()] |= node.op.is_reduction()
                || operand.dim != node.dim
                || (operand.constant && !node.constant)
                || uses[x.index()] > 1;
        }
        stored[at] |= matches!(node.op, Op::Input(..) | Op::Tap(_) | Op::Kept(_))
            || node.op.is_reduction()
            || node.wish != UNNAMED;
    }
    for (at, node) in nodes.iter_mut().enumerate() {
        let number = matches!(node.op, Op::Constant(_) | Op::Size(_));
        node.stored = live[at] && stored[at] && !number;
    }
}

/// Puts every definition just before the first step that needs it.
fn schedule(nodes: Vec<Node>, events: Vec<Step>) -> Program {
    let mut program = Program { nodes, once: Vec::new(), steps: Vec::new() };
    let mut done = vec![false; program.nodes.len()];
    for step in events {
        for operand in step.operands() {
            define(&mut program, operand, &mut done);
        }
        if let Step::Read { into, .. } = step {
            done[into.index()] = true;
        }
        program.steps.push(step);
    }
    program
}

fn define(program: &mut Program, node: NodeId, done: &mut [bool]) {
    if done[node.index()] {
        return;
    }
    done[node.index()] = true;
    for operand in program.node(node).op.operands() {
        define(program, operand, done);
    }
    let Node { stored, constant, .. } = *program.node(node);
    match (stored, constant) {
        (false, _) => {}
        (true, true) => program.once.push(node),
        (true, false) => program.steps.push(Step::Define(node)),
    }
}
