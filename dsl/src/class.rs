//! What kind of rule a timeline is: which decays, how many writes feed back, and through what kind of function.
//!
//! | feedback | a write's value is | inside a chunk |
//! |---|---|---|
//! | none | free of reads | no solve |
//! | linear | `v + sum_r c_r p_r`, one scalar a read | a unit lower triangular solve |
//! | per channel | any function that keeps value channels apart | substitution, channels apart |
//! | row mixing | any function (a sum over the row) | substitution, with a reduction a row |
//!
//! Reads of an earlier stratum are inputs, not feedback. Source: design, section 2; `math/substitution.py`.

use crate::graph::{Binary, Expr, Graph, ReadId, Shape, Unary, Value};
use crate::strata;
use crate::timeline::{Event, Factor, Side, Timeline};
use std::fmt;

/// The class of a timeline.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Class {
    /// All decays together.
    pub decay: Decay,
    /// Reads per token.
    pub reads: usize,
    /// Writes per token.
    pub writes: usize,
    /// Writes per token whose value depends on a read: the rank of the transition beside its diagonal.
    pub rank: usize,
    /// The widest feedback of any write.
    pub feedback: Feedback,
    /// Whether states are mixed.
    pub coupled: bool,
    /// Number of passes over a chunk: 1 + the highest stratum.
    pub passes: u32,
}

/// What scales the states.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Decay {
    /// Nothing.
    None,
    /// Numbers that no input changes from token to token (literals, `PerHead`).
    Constant,
    /// One number a token.
    Scalar,
    /// A vector over the key dim.
    Key,
    /// A vector over the value dim.
    Value,
    /// Both.
    Both,
}

/// How reads enter what is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Feedback {
    /// They do not.
    None,
    /// `v + sum_r c_r p_r` with scalars `c_r` from inputs.
    Linear,
    /// Each value channel by itself.
    PerChannel,
    /// Value channels mix.
    RowMixing,
}

impl fmt::Display for Decay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Decay::None => "none",
            Decay::Constant => "constant",
            Decay::Scalar => "scalar",
            Decay::Key => "key",
            Decay::Value => "value",
            Decay::Both => "both",
        })
    }
}

impl fmt::Display for Feedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Feedback::None => "none",
            Feedback::Linear => "linear",
            Feedback::PerChannel => "per channel",
            Feedback::RowMixing => "row mixing",
        })
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "decay {}, rank {}, feedback {}", self.decay, self.rank, self.feedback)?;
        if self.coupled {
            write!(f, ", coupled states")?;
        }
        if self.passes > 1 {
            write!(f, ", {} passes", self.passes)?;
        }
        Ok(())
    }
}

/// Classifies a timeline.
pub fn classify(t: &Timeline) -> Class {
    let feedback: Vec<Feedback> = (0..t.events.len()).map(|n| feedback_of(t, n)).collect();
    let is_write = |e: &&Event| matches!(e, Event::Write { .. });
    Class {
        decay: decay(t),
        reads: t.reads.len(),
        writes: t.events.iter().filter(is_write).count(),
        rank: feedback.iter().filter(|f| **f != Feedback::None).count(),
        feedback: feedback.into_iter().max().unwrap_or(Feedback::None),
        coupled: t.coupled().contains(&true),
        passes: 1 + strata::strata(t).into_iter().max().unwrap_or(0),
    }
}

fn decay(t: &Timeline) -> Decay {
    let varies = t.graph.dependents(|e| match e {
        Expr::Param(p, _) => !t.signature.param(p).per_head,
        Expr::Read(_) | Expr::Given(_) => true,
        _ => false,
    });
    let mut found = [false; 3];
    let mut constant = false;
    for event in &t.events {
        if let Event::Decay { state, factor } = event {
            let side = t.side(*state, factor.value());
            if varies[factor.value().index()] || side != Side::Scalar {
                found[side as usize] = true
            } else {
                constant = true
            }
        }
    }
    match found {
        [_, true, true] => Decay::Both,
        [_, true, _] => Decay::Key,
        [_, _, true] => Decay::Value,
        [true, ..] => Decay::Scalar,
        _ if constant => Decay::Constant,
        _ => Decay::None,
    }
}

/// The feedback of event `n` (`None` for anything but a write whose value depends on a read of its stratum).
pub fn feedback_of(t: &Timeline, n: usize) -> Feedback {
    let Event::Write { state, value, .. } = t.events[n] else { return Feedback::None };
    let strata = strata::strata(t);
    let here = |r: ReadId| strata[t.read(r).state.index()] == strata[state.index()];
    let tainted = t.graph.dependents(|e| matches!(e, Expr::Read(r) if here(r)));
    if !tainted[value.index()] {
        return Feedback::None;
    }
    let mut scratch = t.graph.clone();
    let linear = linear(&mut scratch, value, &tainted).is_some_and(|l| {
        l.terms.iter().all(|&(r, c)| {
            scratch.shape(c) == Shape::Scalar && t.form(t.read(r).state).value == t.form(state).value
        })
    });
    let mixes = |v: Value| {
        let reduces =
            matches!(t.graph.expr(v), Expr::Contract(..) | Expr::Sum(_) | Expr::Softmax(_) | Expr::L2norm(_));
        reduces && t.graph.expr(v).operands().any(|o| tainted[o.index()] && t.graph.shape(o) != Shape::Scalar)
    };
    let live = t.graph.reachable([value]);
    if linear && !value_decay_between(t, n, &live) {
        Feedback::Linear
    } else if t.graph.values().any(|v| live[v.index()] && mixes(v)) {
        Feedback::RowMixing
    } else {
        Feedback::PerChannel
    }
}

/// Whether a value-side decay stands between write `n` and a read that it uses: its coefficient is then per channel.
fn value_decay_between(t: &Timeline, n: usize, live: &[bool]) -> bool {
    let Event::Write { state, .. } = t.events[n] else { return false };
    let used = |r: ReadId| t.graph.values().any(|v| live[v.index()] && t.graph.expr(v) == Expr::Read(r));
    let first = t.events.iter().position(|e| matches!(e, Event::Read(r) if used(*r))).unwrap_or(n);
    t.events[first..n].iter().any(|e| match e {
        Event::Decay { state: s, factor } => *s == state && t.side(*s, factor.value()) == Side::Value,
        _ => false,
    })
}

/// `u = constant + sum coefficient * read`, with coefficients that no read enters.
pub struct Linear {
    /// The part that is free of reads; `None` is 0.
    pub constant: Option<Value>,
    /// Coefficients by read, each read once, in read order.
    pub terms: Vec<(ReadId, Value)>,
}

/// Takes a value apart that is linear in tainted reads, adding the products of coefficients to the graph.
/// `tainted[v]` says which of the graph's values depend on such a read; `None` where the value is not linear in them.
pub fn linear(g: &mut Graph, v: Value, tainted: &[bool]) -> Option<Linear> {
    let mut l = Linear { constant: None, terms: Vec::new() };
    let one = g.constant(1.0);
    collect(g, v, one, tainted, &mut l)?;
    l.terms.sort_by_key(|t| t.0);
    Some(l)
}

fn collect(g: &mut Graph, v: Value, scale: Value, tainted: &[bool], l: &mut Linear) -> Option<()> {
    let is_tainted = |v: Value| tainted.get(v.index()).copied().unwrap_or(false);
    if !is_tainted(v) {
        let term = g.binary(Binary::Mul, scale, v)?;
        l.constant = Some(match l.constant {
            Some(c) => g.binary(Binary::Add, c, term)?,
            None => term,
        });
        return Some(());
    }
    match g.expr(v) {
        Expr::Read(r) => {
            let at = l.terms.iter().position(|t| t.0 == r);
            match at {
                Some(at) => l.terms[at].1 = g.binary(Binary::Add, l.terms[at].1, scale)?,
                None => l.terms.push((r, scale)),
            }
            Some(())
        }
        Expr::Binary(Binary::Add, x, y) => {
            collect(g, x, scale, tainted, l)?;
            collect(g, y, scale, tainted, l)
        }
        Expr::Binary(Binary::Sub, x, y) => {
            collect(g, x, scale, tainted, l)?;
            let minus = g.unary(Unary::Neg, scale);
            collect(g, y, minus, tainted, l)
        }
        Expr::Unary(Unary::Neg, x) => {
            let minus = g.unary(Unary::Neg, scale);
            collect(g, x, minus, tainted, l)
        }
        Expr::Binary(Binary::Mul, x, y) if !is_tainted(y) => {
            let scale = g.binary(Binary::Mul, scale, y)?;
            collect(g, x, scale, tainted, l)
        }
        Expr::Binary(Binary::Mul, x, y) if !is_tainted(x) => {
            let scale = g.binary(Binary::Mul, scale, x)?;
            collect(g, y, scale, tainted, l)
        }
        Expr::Binary(Binary::Div, x, y) if !is_tainted(y) => {
            let scale = g.binary(Binary::Div, scale, y)?;
            collect(g, x, scale, tainted, l)
        }
        _ => None,
    }
}

/// Whether a factor is a reset for every input: the literal 0.
pub fn is_reset(t: &Timeline, factor: Factor) -> bool {
    matches!(factor, Factor::Raw(v) if t.graph.literal(v) == Some(0.0))
}
