//! The evaluator of segments: what the plan `segmented` computes, in the order in which it does.
//!
//! ```text
//! each piece:              N from zero, M from the identity     (pieces know nothing of each other)
//! piece after piece:       S_0 = initial,  S_i = M_i S_(i-1) + N_i
//! each piece:              the rule itself, from S_i
//! ```

use super::{Map, Segment};
use crate::data::{Inputs, Outputs, Real};
use crate::eval::len;
use crate::events;
use chunkwise_dsl::timeline::{Form, Timeline};
use std::ops::Range;

/// Runs a sequence in pieces of `length` tokens, the last one shorter.
pub fn run<R: Real>(t: &Timeline, segment: &Segment, inputs: &Inputs<R>, length: usize) -> Outputs<R> {
    let mut all = Outputs { outputs: vec![Vec::new(); t.outputs.len()], states: inputs.states.clone() };
    let sizes = segment.sizes(inputs.sizes);
    let wide = Inputs { sizes: &sizes, ..inputs.clone() };
    for first in (0..inputs.tokens).step_by(length.max(1)) {
        let tokens = first..(first + length).min(inputs.tokens);
        let states = first_states(&segment.local, segment.maps.len(), inputs.sizes);
        let local = piece(&segment.local, inputs, states, tokens.clone()).states;
        let transition = segment.transition.as_ref();
        let transition =
            transition.map(|m| piece(m, &wide, first_states(m, 0, &sizes), tokens.clone()).states);
        let here = piece(t, inputs, all.states.clone(), tokens);
        all.outputs.iter_mut().zip(here.outputs).for_each(|(all, here)| all.extend(here));
        let next = |(at, map): (usize, &Map)| {
            let next = match map {
                Map::Identity => all.states[at].clone(),
                Map::Diagonal(d) => diagonal(&local[d.index()], &all.states[at]),
                Map::Matrix(m) => {
                    product(&transition.as_ref().expect("a matrix has a rule")[m.index()], &all.states[at])
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

/// What a rule of a segment begins with: `zeros` states of the rule itself, behind them maps that change nothing.
fn first_states<R: Real>(t: &Timeline, zeros: usize, sizes: &[usize]) -> Vec<Vec<R>> {
    let first = |(at, form): (usize, &Form)| {
        let (keys, columns) = (len(form.key_shape(), sizes), len(form.value_shape(), sizes));
        let diagonal = |i: usize| form.value.is_none() || i / columns == i % columns;
        let one = |i: usize| if at >= zeros && diagonal(i) { R::one() } else { R::zero() };
        (0..keys * columns).map(one).collect()
    };
    t.forms.iter().enumerate().map(first).collect()
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
