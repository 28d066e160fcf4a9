//! The evaluator of segments: what the plan `segmented` computes, in the order in which it does.
//!
//! ```text
//! each piece:              N from zero, M from the identity     (pieces know nothing of each other)
//! piece after piece:       S_0 = initial,  S_i = M_i S_(i-1) + N_i      (of states that meet a matrix each: a sum of products)
//! each piece:              the rule itself, from S_i
//! ```

use super::{Map, Segment, Start};
use crate::data::{Inputs, Outputs, Real};
use crate::eval::len;
use crate::events;
use chunkwise_dsl::graph::StateId;
use chunkwise_dsl::timeline::{Form, Timeline};
use std::ops::Range;

/// Runs a sequence in pieces of `length` tokens, the last one shorter.
pub fn run<R: Real>(t: &Timeline, segment: &Segment, inputs: &Inputs<R>, length: usize) -> Outputs<R> {
    let mut all = Outputs { outputs: vec![Vec::new(); t.outputs.len()], states: inputs.states.clone() };
    let sizes = segment.sizes(inputs.sizes);
    let wide = Inputs { sizes: &sizes, ..inputs.clone() };
    for first in (0..inputs.tokens).step_by(length.max(1)) {
        let tokens = first..(first + length).min(inputs.tokens);
        let states = first_states(&segment.local, &segment.local_starts(), inputs.sizes);
        let local = piece(&segment.local, inputs, states, tokens.clone()).states;
        let of_run = |run: usize| {
            let rule = segment.transition.as_ref()?;
            let states = first_states(rule, &segment.transition_starts(run), &sizes);
            Some(piece(rule, &wide, states, tokens.clone()).states)
        };
        let runs: Vec<Vec<Vec<R>>> = (0..segment.runs()).filter_map(of_run).collect();
        let here = piece(t, inputs, all.states.clone(), tokens);
        all.outputs.iter_mut().zip(here.outputs).for_each(|(all, here)| all.extend(here));
        let elements = |e: &StateId, s: &[R]| -> Vec<R> {
            local[e.index()].iter().zip(s).map(|(e, s)| *e * *s).collect()
        };
        let next = |(at, map): (usize, &Map)| {
            let next = match map {
                Map::Identity => all.states[at].clone(),
                Map::Diagonal(d) => diagonal(&local[d.index()], &all.states[at]),
                Map::Elements(e) => elements(e, &all.states[at]),
                Map::Matrices { state, from, elements: by } => {
                    let products = from.iter().zip(&runs);
                    let products =
                        products.map(|(from, run)| product(&run[state.index()], &all.states[from.index()]));
                    let sum = products.reduce(|x, y| x.iter().zip(y).map(|(x, y)| *x + y).collect());
                    let sum = sum.unwrap_or_default();
                    by.as_ref().map_or(sum.clone(), |by| elements(by, &sum))
                }
            };
            next.iter().zip(&local[at]).map(|(s, n)| *s + *n).collect()
        };
        let next = segment.maps.iter().enumerate().map(next).collect();
        all.states = next;
    }
    all
}

fn piece<R: Real>(t: &Timeline, inputs: &Inputs<R>, states: Vec<Vec<R>>, tokens: Range<usize>) -> Outputs<R> {
    events::run(t, &Inputs { states, ..inputs.clone() }, tokens, |_, _, _| {}, |_, _, _| {})
}

/// What the states of a segment's rule begin as.
fn first_states<R: Real>(t: &Timeline, starts: &[Start], sizes: &[usize]) -> Vec<Vec<R>> {
    let first = |(start, form): (&Start, &Form)| {
        let (keys, columns) = (len(form.key_shape(), sizes), len(form.value_shape(), sizes));
        let one = |i: usize| match start {
            Start::Ones => R::one(),
            Start::Identity if i / columns == i % columns => R::one(),
            _ => R::zero(),
        };
        (0..keys * columns).map(one).collect()
    };
    starts.iter().zip(&t.forms).map(first).collect()
}

/// `diag(d) S`
fn diagonal<R: Real>(d: &[R], s: &[R]) -> Vec<R> {
    let columns = s.len() / d.len().max(1);
    s.iter().enumerate().map(|(i, s)| d[i / columns] * *s).collect()
}

/// `M S`
fn product<R: Real>(m: &[R], s: &[R]) -> Vec<R> {
    let keys = (0..).find(|k| k * k >= m.len()).unwrap_or(0);
    let columns = s.len() / keys.max(1);
    let entry = |i: usize| {
        let (row, column) = (i / columns, i % columns);
        (0..keys).fold(R::zero(), |sum, k| sum + m[row * keys + k] * s[k * columns + column])
    };
    (0..s.len()).map(entry).collect()
}
