//! From a timeline's events and expressions to steps and nodes; softmax and l2norm are taken apart on the way.
//!
//! ```text
//! s += outer(beta * k, v)     x0 = k, x1 = beta, s_key = x1 * x0, x3 = v;  Write s += s_key x3^T
//! l2norm(x)                   squares = dot(x, x);  scale = rsqrt(squares + epsilon);  normed = x * scale
//! ```
//!
//! Equal nodes are one. Operands come before users; which nodes get a variable, and when they are computed, is decided afterwards
//! ([`super::schedule`]).

use super::{Node, NodeId, Op, Step, UNNAMED};
use crate::kernel::Limitation;
use chunkwise_algebra::eval::NORM_EPSILON;
use chunkwise_dsl::graph::{Binary, Dim, Expr, Literal, ParamId, ReadId, Shape, StateId, Unary, Value};
use chunkwise_dsl::timeline::{Event, Factor, Timeline};
use std::collections::HashMap;

/// A timeline, as far as it is lowered.
pub(super) struct Lowering<'a> {
    timeline: &'a Timeline,
    pub(super) nodes: Vec<Node>,
    index: HashMap<(Op, Option<Dim>), NodeId>,
    values: HashMap<Value, NodeId>,
}

impl<'a> Lowering<'a> {
    pub(super) fn new(timeline: &'a Timeline) -> Lowering<'a> {
        Lowering { timeline, nodes: Vec::new(), index: HashMap::new(), values: HashMap::new() }
    }

    /// A value that was computed before.
    pub(super) fn keep(&mut self, value: Value, at: u32) {
        let dim = self.timeline.graph.shape(value).dims().next();
        let node = self.push(Op::Kept(at), dim, "kept");
        self.values.insert(value, node);
    }

    /// Every event and output, with its operands lowered.
    pub(super) fn events(&mut self) -> Result<Vec<Step>, Limitation> {
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
    pub(super) fn named(&mut self, value: Value, wish: &str) -> Result<NodeId, Limitation> {
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

    /// A sum of squares is a vector's product with itself, as in its norm: the two are one value.
    fn sum(&mut self, x: NodeId, keep: Option<Dim>) -> NodeId {
        let Node { op, dim, .. } = self.nodes[x.index()];
        match (dim, op) {
            (Some(dim), Op::Unary(Unary::Square, of)) if Some(dim) != keep => {
                self.push(Op::Dot(of, of), None, "squares")
            }
            (Some(dim), _) if Some(dim) != keep => self.push(Op::Sum(x), None, "sum"),
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
