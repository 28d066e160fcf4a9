//! Strata: states ordered by dependence.
//!
//! A key, a decay or a mix of state `A` that depends on a read of state `B` puts `A` in a later stratum than `B`: seen from
//! `A`, the reads of `B` are inputs. A write's *value* may depend on any read, so it orders nothing by itself, but a
//! state whose values feed `B` must not stand after `B`. Where that goes in a circle there is no order, and no
//! chunkwise form: `violations` names the event that closes it.
//!
//! ```text
//! p = s.read(q);  z += outer(softmax(p), v)      s: stratum 0, z: stratum 1   (GSA, ABC: two passes)
//! s *= sigmoid(dot(s.read(k), v))                violation: a decay depends on a read of the same state
//! ```

use crate::graph::{Expr, ReadId, StateId, Value};
use crate::timeline::{Event, Timeline};

/// A key, decay or mix that depends on a read which depends on it.
pub(crate) struct Dependence {
    /// The event, by position.
    pub event: usize,
    /// Which operand: "a decay", "a write key" ..
    pub what: &'static str,
    /// A read it depends on.
    pub read: ReadId,
}

/// The stratum of each state, from 0; all 0 where one pass is enough. The timeline has passed the check in `lower`.
pub fn strata(t: &Timeline) -> Vec<u32> {
    let edges = edges(t);
    let mut level = vec![0u32; t.forms.len()];
    for _ in 0..level.len() {
        for e in &edges {
            let least = level[e.on.index()] + u32::from(e.hard.is_some());
            level[e.of.index()] = level[e.of.index()].max(least);
        }
    }
    level
}

/// Operands that depend on a read of their own stratum.
pub(crate) fn violations(t: &Timeline) -> Vec<Dependence> {
    let edges = edges(t);
    let n = t.forms.len();
    let mut reach = vec![vec![false; n]; n];
    for e in &edges {
        reach[e.of.index()][e.on.index()] = true;
    }
    for via in 0..n {
        for i in 0..n {
            for j in 0..n {
                reach[i][j] |= reach[i][via] && reach[via][j];
            }
        }
    }
    let circular = |e: &&Edge| e.of == e.on || reach[e.on.index()][e.of.index()];
    let hard = edges.iter().filter(circular).filter_map(|e| e.hard.map(|(what, read)| (e.event, what, read)));
    let mut found: Vec<Dependence> = Vec::new();
    for (event, what, read) in hard {
        if !found.iter().any(|d| d.event == event && d.what == what) {
            found.push(Dependence { event, what, read });
        }
    }
    found
}

/// State `of` depends on state `on`.
struct Edge {
    event: usize,
    of: StateId,
    on: StateId,
    /// The operand and the read, where it is not a write's value.
    hard: Option<(&'static str, ReadId)>,
}

fn edges(t: &Timeline) -> Vec<Edge> {
    let reads_under = reads_under(t);
    let mut edges = Vec::new();
    let mut add = |event: usize, of: StateId, operand: Value, what: Option<&'static str>| {
        for &read in &reads_under[operand.index()] {
            edges.push(Edge { event, of, on: t.read(read).state, hard: what.map(|w| (w, read)) });
        }
    };
    for (n, event) in t.events.iter().enumerate() {
        match event {
            Event::Decay { state, factor } => add(n, *state, factor.value(), Some("a decay")),
            Event::Read(r) => add(n, t.read(*r).state, t.read(*r).key, Some("a read key")),
            Event::Write { state, key, value } => {
                add(n, *state, *key, Some("a write key"));
                add(n, *state, *value, None);
            }
            Event::Mix { states, matrix } => {
                for m in matrix.iter().flatten().flatten() {
                    states.iter().for_each(|&s| add(n, s, *m, Some("a coefficient between states")));
                }
            }
        }
    }
    for (n, event) in t.events.iter().enumerate() {
        if let Event::Mix { states, .. } = event {
            let pairs =
                states.iter().flat_map(|&a| states.iter().map(move |&b| (a, b))).filter(|(a, b)| a != b);
            edges.extend(pairs.map(|(of, on)| Edge { event: n, of, on, hard: None }));
        }
    }
    edges
}

/// The reads that each value depends on directly (a read's own key is not looked into).
pub(crate) fn reads_under(t: &Timeline) -> Vec<Vec<ReadId>> {
    let mut under: Vec<Vec<ReadId>> = Vec::with_capacity(t.graph.len());
    for v in t.graph.values() {
        let mut reads = match t.graph.expr(v) {
            Expr::Read(r) => vec![r],
            e => e.operands().flat_map(|o| under[o.index()].iter().copied()).collect(),
        };
        reads.sort_unstable();
        reads.dedup();
        under.push(reads);
    }
    under
}
