//! Carrying a key through the events of a chunk: where every decay mask comes from.
//!
//! The state enters a chunk's algebra linearly, so what stands in it at some place is known from what was put there: start
//! with a key in one state, and let every later event act on it,
//!
//! ```text
//! decay   key_i <- d key_i    or, on the value side,    channels <- d channels
//! mix     key_i <- sum_j M_ij key_j
//! ```
//!
//! Products of decays are formed one factor at a time, as in the token loop: there is no division and no exponential of a
//! positive sum, so that decays of exactly 0 and below 0 are exact.

use crate::data::Real;
use crate::eval::{Workspace, len};
use chunkwise_dsl::graph::StateId;
use chunkwise_dsl::timeline::{Event, Factor, Side, Timeline};

/// A place on the chunk's timeline: just before an event of a token.
pub(super) type Place = (usize, usize);

/// The decays and mixes of a chunk, in numbers.
pub(super) struct Clock<'a, R> {
    timeline: &'a Timeline,
    sizes: &'a [usize],
    tokens: usize,
    ws: &'a Workspace<R>,
}

/// What is left of one key.
pub(super) struct Carried<R> {
    /// By state, its key channels.
    pub keys: Vec<Vec<R>>,
    /// The value channels' factors, of the state where the key was put.
    pub channels: Vec<R>,
}

impl<'a, R: Real> Clock<'a, R> {
    pub(super) fn new(
        timeline: &'a Timeline,
        sizes: &'a [usize],
        tokens: usize,
        ws: &'a Workspace<R>,
    ) -> Self {
        Clock { timeline, sizes, tokens, ws }
    }

    /// Length of a state's keys.
    pub(super) fn key_len(&self, state: StateId) -> usize {
        len(self.timeline.form(state).key_shape(), self.sizes)
    }

    /// Length of what a state stores.
    pub(super) fn value_len(&self, state: StateId) -> usize {
        len(self.timeline.form(state).value_shape(), self.sizes)
    }

    /// Carries `key` from a place in `state` to the chunk's end; `at` is told what there is before each event on the way.
    pub(super) fn carry(
        &self,
        (token, event): Place,
        state: StateId,
        key: &[R],
        mut at: impl FnMut(Place, &Carried<R>),
    ) -> Carried<R> {
        let nothing = |s| vec![R::zero(); self.key_len(s)];
        let keys = self.timeline.signature.state_ids().map(nothing).collect();
        let mut carried = Carried { keys, channels: vec![R::one(); self.value_len(state)] };
        carried.keys[state.index()].copy_from_slice(key);
        for t in token..self.tokens {
            let first = if t == token { event } else { 0 };
            for (n, e) in self.timeline.events.iter().enumerate().skip(first) {
                at((t, n), &carried);
                self.act(e, t, state, &mut carried);
            }
        }
        carried
    }

    /// The product of the value-side decays of a state between two places.
    pub(super) fn channels(&self, state: StateId, from: Place, to: Place) -> Vec<R> {
        let mut channels = vec![R::one(); self.value_len(state)];
        for t in from.0..=to.0 {
            for (n, e) in self.timeline.events.iter().enumerate() {
                match e {
                    Event::Decay { state: s, factor }
                        if *s == state
                            && (t, n) >= from
                            && (t, n) < to
                            && self.timeline.side(*s, factor.value()) == Side::Value =>
                    {
                        multiply(&mut channels, &self.factor(*factor, t));
                    }
                    _ => {}
                }
            }
        }
        channels
    }

    fn act(&self, event: &Event, token: usize, origin: StateId, carried: &mut Carried<R>) {
        match event {
            Event::Decay { state, factor } => {
                let d = self.factor(*factor, token);
                match self.timeline.side(*state, factor.value()) {
                    Side::Value if *state == origin => multiply(&mut carried.channels, &d),
                    Side::Value => {}
                    _ => multiply(&mut carried.keys[state.index()], &d),
                }
            }
            Event::Mix { states, matrix } => {
                let old: Vec<Vec<R>> = states.iter().map(|s| carried.keys[s.index()].clone()).collect();
                for (state, row) in states.iter().zip(matrix) {
                    let new = &mut carried.keys[state.index()];
                    new.fill(R::zero());
                    for (old, m) in old.iter().zip(row).filter_map(|(old, m)| Some((old, (*m)?))) {
                        let mut term = old.clone();
                        multiply(&mut term, self.ws.row(m, token));
                        new.iter_mut().zip(term).for_each(|(new, x)| *new += x);
                    }
                }
            }
            Event::Read(_) | Event::Write { .. } => {}
        }
    }

    fn factor(&self, factor: Factor, token: usize) -> Vec<R> {
        let row = self.ws.row(factor.value(), token);
        match factor {
            Factor::Log(_) => row.iter().map(|x| x.exp()).collect(),
            Factor::Raw(_) => row.to_vec(),
        }
    }
}

/// `x *= factor`, where the factor has one number or as many as `x`.
fn multiply<R: Real>(x: &mut [R], factor: &[R]) {
    let d = factor.iter().cycle();
    x.iter_mut().zip(d).for_each(|(x, &d)| *x *= d);
}

/// `reaches[j][i]`: whether what is put into state `j` can come to stand in state `i`.
pub fn reaches(t: &Timeline) -> Vec<Vec<bool>> {
    let n = t.forms.len();
    let mut reaches: Vec<Vec<bool>> = (0..n).map(|j| (0..n).map(|i| i == j).collect()).collect();
    for event in &t.events {
        if let Event::Mix { states, matrix } = event {
            for (i, row) in states.iter().zip(matrix) {
                for (j, _) in states.iter().zip(row).filter(|(_, m)| m.is_some()) {
                    reaches[j.index()][i.index()] = true;
                }
            }
        }
    }
    for via in 0..n {
        for j in 0..n {
            for i in 0..n {
                reaches[j][i] |= reaches[j][via] && reaches[via][i];
            }
        }
    }
    reaches
}
