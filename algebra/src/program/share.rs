//! What several states share: one Gram matrix, and one inverse, where they differ by their decays alone, or not at all.
//!
//! ```text
//! T1 = inverse(diag(c) gram(K', K))              T  = inverse(diag(c) plain(K', K))
//! T2 = inverse(diag(c) gram(K''', K''))    =>    T1 = decay(K, K) .* T        T2 = decay(K'', K'') .* T
//! ```
//!
//! An entry of an inverse is a sum over the ways from a write `s` to a write `t` through reads and writes between them, and each
//! way multiplies by the decays that it passes. A state that decays by numbers has the same ones on every way, `D(t, s)`, if
//! between a read and the write that it feeds there are none; so they can as well be multiplied by at the end.
//!
//! In numbers that is safe where no way grows that the decays would make small again: every write is proven to be a contraction
//! ([`contract`](super::contract)), and every decay at most 1. Rules apply where matrices become fewer, and nowhere else.
//!
//! Source: the gates' part of the policy on numerics; entries of the inverse of a product of contractions stay below 3.

use super::build::{Builder, by_number};
use super::contract::{decays_at_most_1, is_contraction};
use super::simplify::Was;
use super::{Columns, KeysId, Node, NodeId, Op, Program};
use chunkwise_dsl::graph::{StateId, Value};
use chunkwise_dsl::timeline::{Event, Factor, Timeline};

/// A Gram matrix that is another's: that of states which are read and written, and decay, alike.
pub(super) fn equal_gram(b: &mut Builder, was: &Was<'_>, node: &Node) -> Option<NodeId> {
    let (now, Op::Gram(reads, writes)) = (was.program, &node.op) else { return None };
    let (reads, writes) = (*reads, *writes);
    let (_, first) = products(now, node).find(|(pair, _)| are_equal(now, *pair, (reads, writes)))?;
    (*first != node.op).then(|| b.node(first.clone(), node.rows, node.columns))
}

/// The products of keys that several states read and write alike, once.
pub(super) fn common_gram(b: &mut Builder, was: &Was<'_>, node: &Node) -> Option<NodeId> {
    let (now, Op::Gram(reads, writes)) = (was.program, &node.op) else { return None };
    let (reads, writes) = (*reads, *writes);
    let (first, _) = products(now, node).next()?;
    // Equal matrices are one as they are.
    let is_other =
        |(pair, op): (Pair, &Op)| matches!(op, Op::Plain(..)) || !are_equal(now, pair, (reads, writes));
    products(now, node).any(is_other).then(|| {
        let plain = b.node(Op::Plain(first.0, first.1), node.rows, node.columns);
        match factors(&now.timeline, now.keys(reads).state).is_empty() {
            true => plain,
            false => b.node(Op::Decay(reads, writes, plain), node.rows, node.columns),
        }
    })
}

/// Reads and writes.
type Pair = (KeysId, KeysId);

/// The Gram matrices that are made of the same products as this one, itself among them, decayed or not; none where it may not
/// be parted from its decays.
fn products<'a>(p: &'a Program, node: &Node) -> impl Iterator<Item = (Pair, &'a Op)> {
    let own = match node.op {
        Op::Gram(reads, writes) if may_share(p, &node.op) => Some((reads, writes)),
        _ => None,
    };
    let alike = move |op: &'a Op| match *op {
        Op::Gram(reads, writes) if may_share(p, op) => Some(((reads, writes), op)),
        Op::Plain(reads, writes) => Some(((reads, writes), op)),
        _ => None,
    };
    let all = p.nodes.iter().filter_map(move |n| alike(&n.op));
    all.filter(move |(pair, _)| own.is_some_and(|own| same_products(p, own, *pair)))
}

/// Whether Gram matrices of the same products decay alike: by the same factors, that stand at the same places.
fn are_equal(p: &Program, x: Pair, y: Pair) -> bool {
    let places = |keys: KeysId| p.keys(keys).slots.iter().map(|s| s.place);
    let factors = |pair: Pair| factors(&p.timeline, p.keys(pair.0).state);
    places(x.0).eq(places(y.0)) && places(x.1).eq(places(y.1)) && factors(x) == factors(y)
}

/// Whether a Gram matrix can be parted from its decays, and nothing wants it whole.
fn may_share(p: &Program, op: &Op) -> bool {
    let Op::Gram(reads, writes) = *op else { return false };
    let (to, from) = (p.keys(reads).state, p.keys(writes).state);
    let in_system = |id: NodeId| p.systems.iter().any(|s| s.pairs().any(|(_, _, gram)| gram == id));
    let at = p.nodes.iter().position(|n| n.op == *op);
    to == from && by_number(&p.timeline, to) && at.is_some_and(|at| !in_system(NodeId(at as u32)))
}

/// Whether two pairs of reads and writes have the same directions, in the same order in their token.
fn same_products(p: &Program, x: Pair, y: Pair) -> bool {
    let directions = |keys: KeysId| p.keys(keys).slots.iter().map(|s| s.key);
    let order = |(reads, writes): Pair| {
        let before = move |event: usize| p.keys(writes).slots.iter().map(move |w| w.event < event);
        p.keys(reads).slots.iter().flat_map(move |r| before(r.event))
    };
    directions(x.0).eq(directions(y.0)) && directions(x.1).eq(directions(y.1)) && order(x).eq(order(y))
}

/// What a state that decays by numbers decays by, in order.
fn factors(t: &Timeline, state: StateId) -> Vec<Factor> {
    let of_state = |e: &Event| match e {
        Event::Decay { state: s, factor } if *s == state => Some(*factor),
        _ => None,
    };
    t.events.iter().filter_map(of_state).collect()
}

/// What is inverted, with the decays set apart.
struct Fed {
    /// Coefficients of rows, the outer ones first.
    scales: Vec<Vec<Value>>,
    /// Products of keys.
    plain: Pair,
    /// The reads and writes between which the state decays, where it does.
    decay: Option<Pair>,
}

/// Takes `diag(c) gram(B, A)` or `diag(c) (decay(B, A) .* plain(B, A))` apart.
fn fed(p: &Program, m: NodeId) -> Option<Fed> {
    let (mut at, mut scales, mut decay) = (m, Vec::new(), None);
    loop {
        match p.node(at).op {
            Op::Scale(ref by, x) => {
                scales.push(by.clone());
                at = x;
            }
            Op::Decay(reads, writes, x) => {
                decay = Some((reads, writes));
                at = x;
            }
            Op::Plain(reads, writes) => return Some(Fed { scales, plain: (reads, writes), decay }),
            Op::Gram(reads, writes) if may_share(p, &p.node(at).op) => {
                let decays = !factors(&p.timeline, p.keys(reads).state).is_empty();
                let plain = (reads, writes);
                return Some(Fed { scales, plain, decay: decays.then_some(plain) });
            }
            _ => return None,
        }
    }
}

/// The same where its inverse can be made without decays.
fn freed(p: &Program, m: NodeId) -> Option<Fed> {
    let fed = fed(p, m)?;
    let safe = fed.decay.is_none_or(|(reads, writes)| {
        let (b, a) = (p.keys(reads), p.keys(writes));
        let together = b.slots.iter().zip(&a.slots).all(|(b, a)| b.key.is_none() || b.place == a.place);
        together && decays_at_most_1(p, a.state) && is_contraction(p, &fed.scales, (b, a))
    });
    safe.then_some(fed)
}

/// The inverse that several states share up to their decays, once.
pub(super) fn common_inverse(b: &mut Builder, was: &Was<'_>, node: &Node) -> Option<NodeId> {
    let (now, Op::Inverse(m)) = (was.program, &was.node.op) else { return None };
    let Fed { scales, plain, decay } = freed(now, *m)?;
    let of = |n: &Node| match n.op {
        Op::Inverse(m) => freed(now, m),
        _ => None,
    };
    let same = |fed: &Fed| fed.scales == scales && same_products(now, fed.plain, plain);
    let all: Vec<Fed> = now.nodes.iter().filter_map(of).filter(same).collect();
    let equal = |fed: &&Fed| match (fed.decay, decay) {
        (Some(x), Some(y)) => are_equal(now, x, y),
        (x, y) => x == y,
    };
    let (first, alike) = (all.first()?, all.iter().find(equal)?);
    if all.iter().all(|fed| equal(&fed)) {
        return None;
    }
    let square = Columns::Rows(node.rows);
    let mut free = b.node(Op::Plain(first.plain.0, first.plain.1), node.rows, square);
    for by in scales.into_iter().rev() {
        free = b.scale(by, free);
    }
    let inverse = b.node(Op::Inverse(free), node.rows, square);
    Some(match alike.decay {
        Some((_, writes)) => b.node(Op::Decay(writes, writes, inverse), node.rows, square),
        None => inverse,
    })
}
