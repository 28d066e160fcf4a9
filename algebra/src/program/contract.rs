//! Whether what a token does to a state is proven to make it no longer, from the form of the rule and from declared ranges.
//!
//! ```text
//! s += outer(beta * k, v - s.read(k))      S <- (I - beta k k^T) S + ..    a contraction where 0 <= beta |k|^2 <= 2
//! ```
//!
//! The factors of a key stand in the coefficients here ([`factor`](super::factor)): of `l2norm(k)` twice `1 / sqrt(|k|^2 + 1e-6)`,
//! which together with `|k|^2` is at most 1. Everything else is interval arithmetic ([`bounds`](crate::bounds)).

use super::simplify::factors;
use super::{Keys, Program};
use crate::bounds::{Bounds, bounds};
use chunkwise_dsl::graph::{Binary, Expr, Graph, Shape, StateId, Unary, Value};
use chunkwise_dsl::signature::Signature;
use chunkwise_dsl::timeline::{Event, Factor};

/// Whether every decay of a state is proven to lie between -1 and 1.
pub(super) fn decays_at_most_1(p: &Program, state: StateId) -> bool {
    let t = &p.timeline;
    let of = |v: Value| bounds(&t.graph, &t.signature, v);
    t.events.iter().all(|e| match e {
        Event::Decay { state: s, factor } if *s == state => match factor {
            Factor::Log(v) => of(*v).within(f64::NEG_INFINITY, 0.0),
            Factor::Raw(v) => of(*v).within(-1.0, 1.0),
        },
        _ => true,
    })
}

/// Whether each write of a state, with what the read of the same slot feeds it times coefficients, is a contraction by itself: no
/// other write stands between the two, both are on one direction `k`, and the coefficient times `|k|^2` is between -2 and 0.
pub(super) fn is_contraction(p: &Program, scales: &[Vec<Value>], (reads, writes): (&Keys, &Keys)) -> bool {
    let t = &p.timeline;
    let alone = |from: usize, to: usize| {
        let between = t.events.iter().take(to).skip(from);
        between.into_iter().all(|e| !matches!(e, Event::Write { state, .. } if *state == writes.state))
    };
    let mut graph = t.graph.clone();
    let mut slots = reads.slots.iter().zip(&writes.slots).enumerate();
    slots.all(|(at, (read, write))| {
        let Some(key) = read.key else { return true };
        let by: Vec<Value> = scales.iter().map(|by| by[at]).collect();
        let same = write.key == Some(key) && alone(read.event, write.event);
        same && strength(&mut graph, &t.signature, &by, key).within(-2.0, 0.0)
    })
}

/// The bounds of a product of coefficients times `|key|^2`.
fn strength(g: &mut Graph, signature: &Signature, by: &[Value], key: Value) -> Bounds {
    let mut list = Vec::new();
    by.iter().for_each(|v| factors(g, *v, false, &mut list));
    let squares = g.unary(Unary::Square, key);
    let lengths = [g.sum(squares, Shape::Scalar), g.contract(key, key, Shape::Scalar)];
    let of = |v: Value| bounds(g, signature, v);
    // What the length is over: `|key|^2` plus what is not negative. A square root counts half.
    let is_over = |x: Value| {
        let more = |n: Value, rest: Value| lengths.contains(&n) && of(rest).least >= 0.0;
        lengths.contains(&x)
            || matches!(g.expr(x), Expr::Binary(Binary::Add, x, y) if more(x, y) || more(y, x))
    };
    let root = |&(v, below): &(Value, bool)| match g.expr(v) {
        Expr::Unary(Unary::Rsqrt, x) if !below && is_over(x) => Some((x, 1)),
        Expr::Unary(Unary::Sqrt, x) if below && is_over(x) => Some((x, 1)),
        _ if below && is_over(v) => Some((v, 2)),
        _ => None,
    };
    let all: Vec<(Value, i32)> = list.iter().filter_map(root).collect();
    let whole = |x: Value| all.iter().filter(|(y, _)| *y == x).map(|(_, halves)| halves).sum::<i32>() >= 2;
    let over = all.iter().map(|(x, _)| *x).find(|x| whole(*x));
    let mut halves = if over.is_some() { 2 } else { 0 };
    let rest = list.iter().filter(|item| match root(item) {
        Some((x, counts)) if Some(x) == over && halves >= counts => {
            halves -= counts;
            false
        }
        _ => true,
    });
    let one = Bounds { least: 1.0, most: 1.0 };
    let factor = |&(v, below): &(Value, bool)| if below { one.over(of(v)) } else { of(v) };
    let length = match over {
        Some(_) => Bounds { least: 0.0, most: 1.0 },
        None => of(lengths[0]),
    };
    rest.map(factor).fold(length, |product, x| product.times(x, false))
}
