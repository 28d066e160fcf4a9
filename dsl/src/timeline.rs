//! The timeline: the one normal form of every rule, a fixed list of events per token.
//!
//! ```text
//! decay(s, d)       S <- d S         d: scalar, diag on the key side, or diag on the value side
//! p = read(s, b)    p = S^T b        taps the state where it stands; b from inputs alone
//! write(s, a, u)    S <- S + a u^T   a from inputs alone; u any function of inputs and of this token's reads
//! mix(M)            (S_1, .., S_m) <- M (S_1, .., S_m)
//! ```
//!
//! Gated DeltaNet is `decay(s, exp(g)); p0 = read(s, k); write(s, beta * k, v - p0); p1 = read(s, q); o = p1`.
//!
//! A `State<K>` takes one of two forms: a *column* (key dim `K`, no value dim: reads are dot products, `u` is a scalar) or,
//! where the rule reads it whole, a *row* (no key dim, value dim `K`: a read is the whole vector, decays act per channel).
//!
//! The graph of a timeline holds no matrix, no `State` and no `Updated`: the state is touched by events alone.
//! Source: `math/timeline.py`, `math/coupled.py` of the design.

use crate::graph::{Dim, Graph, ReadId, Shape, StateId, Value};
use crate::signature::Signature;

/// Events, and the expressions they use.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// Names and shapes of the rule this came from.
    pub signature: Signature,
    /// Expressions over inputs, reads and givens.
    pub graph: Graph,
    /// How each state is laid out, by [`StateId`].
    pub forms: Vec<Form>,
    /// Every read, by [`ReadId`], in event order.
    pub reads: Vec<Read>,
    /// The token, in order.
    pub events: Vec<Event>,
    /// One value an output.
    pub outputs: Vec<Value>,
    /// How reads print, before their number: `p`, and `du` in a dual.
    pub read_prefix: &'static str,
    /// Shapes and names of the `Given` leaves, by number (none in a timeline that came from a rule).
    pub givens: Vec<Given>,
}

/// The key and value side of a state: `S` is `key x value`, a missing side has length 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Form {
    /// The dim that reads contract.
    pub key: Option<Dim>,
    /// The dim of what is stored and read back.
    pub value: Option<Dim>,
}

impl Form {
    /// The shape of a read key and a write key.
    pub fn key_shape(self) -> Shape {
        Shape::of(self.key, None)
    }

    /// The shape of what a read returns and a write stores.
    pub fn value_shape(self) -> Shape {
        Shape::of(None, self.value)
    }
}

/// One read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Read {
    /// The state it taps.
    pub state: StateId,
    /// `b`, of the state's key shape.
    pub key: Value,
}

/// A value that the evaluator of a derived timeline is given (a cotangent, a saved read).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given {
    /// How it prints: `do`, `p0`.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
}

/// A decay factor: in log space where the rule said `exp(..)` (or `sigmoid`), raw otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Factor {
    /// `exp(value)`; the value is a natural logarithm, -inf is a reset.
    Log(Value),
    /// The value itself; 0 is a reset, negative values are allowed.
    Raw(Value),
}

impl Factor {
    /// The expression inside.
    pub fn value(self) -> Value {
        match self {
            Factor::Log(v) | Factor::Raw(v) => v,
        }
    }
}

/// Which side of the state a decay or a mix coefficient scales.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Side {
    /// The whole state by one number.
    Scalar,
    /// Each row: `diag(d) S`.
    Key,
    /// Each column: `S diag(d)`.
    Value,
}

/// One event.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// `S <- d S`; the side follows from the factor's shape ([`Timeline::side`]).
    Decay {
        /// The state.
        state: StateId,
        /// `d`.
        factor: Factor,
    },
    /// `p = S^T b`.
    Read(ReadId),
    /// `S <- S + a u^T`.
    Write {
        /// The state.
        state: StateId,
        /// `a`, of the key shape.
        key: Value,
        /// `u`, of the value shape.
        value: Value,
    },
    /// `S_i <- sum_j M_ij S_j` over the listed states; a missing entry is 0.
    Mix {
        /// The states, each once.
        states: Vec<StateId>,
        /// `matrix[i][j]`: what state `j` gives to state `i`.
        matrix: Vec<Vec<Option<Value>>>,
    },
}

impl Timeline {
    /// How a state is laid out.
    pub fn form(&self, s: StateId) -> Form {
        self.forms[s.index()]
    }

    /// A read event.
    pub fn read(&self, r: ReadId) -> Read {
        self.reads[r.index()]
    }

    /// The side of `state` that `value` scales.
    pub fn side(&self, state: StateId, value: Value) -> Side {
        match self.graph.shape(value) {
            Shape::Scalar => Side::Scalar,
            Shape::Vector(d) if Some(d) == self.form(state).key => Side::Key,
            _ => Side::Value,
        }
    }
}

impl Timeline {
    /// Which states take part in a mix.
    pub fn coupled(&self) -> Vec<bool> {
        let mut coupled = vec![false; self.forms.len()];
        for event in &self.events {
            if let Event::Mix { states, .. } = event {
                states.iter().for_each(|s| coupled[s.index()] = true);
            }
        }
        coupled
    }
}

impl Timeline {
    /// Every expression that an event or an output uses, in event order.
    pub fn roots(&self) -> Vec<Value> {
        let of_event = |e: &Event| match e {
            Event::Decay { factor, .. } => vec![factor.value()],
            Event::Read(r) => vec![self.read(*r).key],
            Event::Write { key, value, .. } => vec![*key, *value],
            Event::Mix { matrix, .. } => matrix.iter().flatten().flatten().copied().collect(),
        };
        self.events.iter().flat_map(of_event).chain(self.outputs.iter().copied()).collect()
    }
}
