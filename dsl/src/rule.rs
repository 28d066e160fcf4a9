//! A checked rule: its signature, its body as a graph, and the timeline derived from it.
//!
//! ```text
//! s *= exp(g);                            update 0:  s <- mul s (exp g)
//! s += outer(beta * k, v - s.read(k));    update 1:  s <- add after0 (mul (mul beta k) (sub v (contract after0 k)))
//! s.read(q)                               output:    contract after1 q
//! ```
//!
//! The body is what the user wrote, loops unrolled and names resolved. Every assignment to a state is one [`Update`];
//! the state after update `n` is the leaf `Expr::Updated(n)`, never the update's expression itself, so "the state as it
//! stands at that point" is a value of its own. Evaluating the updates in order, then the outputs, *is* the rule
//! (`algebra::token`): everything else is checked against that.

use crate::diagnostic::{Diagnostic, Span};
use crate::graph::{Graph, StateId, Value};
use crate::signature::Signature;
use crate::timeline::Timeline;
use std::collections::BTreeMap;

/// A rule that has passed every check.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Names, shapes and docs.
    pub signature: Signature,
    /// What happens at one token.
    pub body: Body,
    /// The source text of the function.
    pub source: String,
    /// The normal form; `Err` says why the rule has none, and then only the recurrent plan exists
    /// (possible under `#[rule(recurrent)]` alone).
    pub timeline: Result<Timeline, Diagnostic>,
}

/// What happens at one token.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// All expressions.
    pub graph: Graph,
    /// Assignments to states, in program order.
    pub updates: Vec<Update>,
    /// One value an output.
    pub outputs: Vec<Value>,
    /// Where a value was first written, for messages.
    pub origins: BTreeMap<Value, Span>,
}

/// One assignment to a state.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// The state.
    pub state: StateId,
    /// Its new value.
    pub value: Value,
    /// The statement.
    pub span: Span,
}
