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

mod lower;
mod schedule;

use crate::kernel::Limitation;
use chunkwise_dsl::graph::{Binary, Dim, Literal, ParamId, ReadId, StateId, Unary, Value};
use chunkwise_dsl::timeline::Timeline;
use lower::Lowering;
use schedule::{choose_stored, schedule, without_unused_reads};

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

/// The wish of a node that nothing has named yet.
const UNNAMED: &str = "x";

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
    (0..).zip(kept).for_each(|(at, value)| lowering.keep(*value, at));
    let ready = |(index, (value, wish)): (usize, &(Value, &str))| {
        Ok(Step::Output { index, value: lowering.named(*value, wish)? })
    };
    let steps = roots.iter().enumerate().map(ready).collect::<Result<Vec<_>, _>>()?;
    let mut nodes = lowering.nodes;
    choose_stored(&mut nodes, &steps);
    Ok(schedule(nodes, steps))
}
