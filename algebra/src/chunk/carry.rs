//! Carrying a key through the events: the decay masks of a chunk, and their derivative.
//!
//! The state enters a chunk's algebra linearly, so what a write at `s` leaves for a read at `t` depends on its key alone: start
//! with `a_s` in the state written to, and let every later event act on it,
//!
//! ```text
//! decay   alpha_i <- d alpha_i          mix   alpha <- M alpha
//! read    L[t, s] = dot(b_t, alpha_i)
//! ```
//!
//! Products of decays are formed one factor at a time, as in the token loop: there is no division, no exponential of a
//! positive sum, and a decay of exactly 0 or below 0 needs no special case. The same walk from a vector of ones carries
//! the chunk's initial state. Reverse differentiation of the walk ([`pull_back`]) gives the cotangents of read keys, write
//! keys, decay factors and mix entries at once; it too divides by nothing, so a decay of 0 has its exact gradient.

use crate::data::Real;

/// One event of a chunk, with its numbers.
#[derive(Clone, Debug)]
pub(crate) enum Step<R> {
    /// Scales the keys of state `slot` (by one number, or one a key channel).
    Key { slot: usize, factor: Vec<R>, event: usize, row: usize },
    /// Scales the columns of the group's only state.
    Column { factor: Vec<R>, event: usize, row: usize },
    /// The states become a mix of each other.
    Mix { entries: Vec<(usize, usize, Vec<R>)>, event: usize, row: usize },
    /// Read number `index` of the chunk taps state `slot`.
    Read { slot: usize, index: usize },
    /// Write number `index` of the chunk adds to state `slot`.
    Write { slot: usize, index: usize },
}

/// `x *= factor`, where the factor has one number or as many as `x`.
pub(crate) fn scale<R: Real>(x: &mut [R], factor: &[R]) {
    if factor.len() == x.len() {
        x.iter_mut().zip(factor).for_each(|(x, &f)| *x *= f);
    } else {
        x.iter_mut().for_each(|x| *x *= factor[0]);
    }
}

pub(crate) fn dot<R: Real>(x: &[R], y: &[R]) -> R {
    x.iter().zip(y).fold(R::zero(), |sum, (&x, &y)| sum + x * y)
}

/// `y += c x`.
pub(crate) fn add_scaled<R: Real>(y: &mut [R], c: R, x: &[R]) {
    y.iter_mut().zip(x).for_each(|(y, &x)| *y += c * x);
}

/// Element `k` of a factor.
fn at<R: Real>(factor: &[R], k: usize) -> R {
    factor[if factor.len() == 1 { 0 } else { k }]
}

/// `alpha <- M alpha`, each state's key `len` long.
fn mix<R: Real>(alpha: &mut [R], entries: &[(usize, usize, Vec<R>)], len: usize) {
    let old = alpha.to_vec();
    alpha.fill(R::zero());
    for (i, j, m) in entries {
        for k in 0..len {
            alpha[i * len + k] += at(m, k) * old[j * len + k];
        }
    }
}

/// Carries `alpha` (every state's key, `len` long each) through `steps`, calling `read(index, key)` at each read.
pub(crate) fn carry<R: Real>(
    steps: &[Step<R>],
    len: usize,
    alpha: &mut [R],
    mut read: impl FnMut(usize, &[R]),
) {
    for step in steps {
        match step {
            Step::Key { slot, factor, .. } => scale(&mut alpha[slot * len..(slot + 1) * len], factor),
            Step::Mix { entries, .. } => mix(alpha, entries, len),
            Step::Read { slot, index } => read(*index, &alpha[slot * len..(slot + 1) * len]),
            Step::Write { .. } | Step::Column { .. } => {}
        }
    }
}

/// What [`pull_back`] adds to.
pub(crate) struct Pulled<R> {
    /// Cotangents of read keys, `reads x len`.
    pub reads: Vec<R>,
    /// Cotangents of factors and mix entries, by step: one list an entry.
    pub factors: Vec<Vec<Vec<R>>>,
}

impl<R: Real> Pulled<R> {
    pub(crate) fn new(steps: &[Step<R>], reads: usize, len: usize) -> Self {
        let zeros = |f: &Vec<R>| vec![R::zero(); f.len()];
        let factors = steps.iter().map(|s| match s {
            Step::Key { factor, .. } | Step::Column { factor, .. } => vec![zeros(factor)],
            Step::Mix { entries, .. } => entries.iter().map(|(_, _, m)| zeros(m)).collect(),
            _ => vec![],
        });
        Pulled { reads: vec![R::zero(); reads * len], factors: factors.collect() }
    }
}

/// Reverse of [`carry`] over `steps[from..]`: `d_alpha` comes in as the cotangent of the carried keys at the end and leaves as
/// that of the start keys `alpha`. Where read `r` has the key `b` and the loss has the term `weight(r) . (b * alpha)`
/// (elementwise), `weight(r)` is one number or one a key channel.
pub(crate) fn pull_back<'a, R: Real>(
    (steps, from): (&[Step<R>], usize),
    len: usize,
    keys: &[R],
    alpha: &[R],
    d_alpha: &mut [R],
    weight: impl Fn(usize) -> &'a [R],
    pulled: &mut Pulled<R>,
) {
    let trail = trail(&steps[from..], len, alpha);
    let width = alpha.len();
    for (n, step) in steps.iter().enumerate().skip(from).rev() {
        let before = &trail[(n - from) * width..(n - from + 1) * width];
        match step {
            Step::Key { slot, factor, .. } => {
                let here = slot * len..(slot + 1) * len;
                add_products(&mut pulled.factors[n][0], &d_alpha[here.clone()], &before[here.clone()]);
                scale(&mut d_alpha[here], factor);
            }
            Step::Mix { entries, .. } => {
                let d = d_alpha.to_vec();
                d_alpha.fill(R::zero());
                for (e, (i, j, m)) in entries.iter().enumerate() {
                    let (to, of) = (&d[i * len..(i + 1) * len], &before[j * len..(j + 1) * len]);
                    add_products(&mut pulled.factors[n][e], to, of);
                    (0..len).for_each(|k| d_alpha[j * len + k] += at(m, k) * to[k]);
                }
            }
            Step::Read { slot, index } => {
                let (w, here) = (weight(*index), slot * len..(slot + 1) * len);
                let (b, db) = (
                    &keys[index * len..(index + 1) * len],
                    &mut pulled.reads[index * len..(index + 1) * len],
                );
                for k in 0..len {
                    db[k] += at(w, k) * before[here.start + k];
                    d_alpha[here.start + k] += at(w, k) * b[k];
                }
            }
            Step::Write { .. } | Step::Column { .. } => {}
        }
    }
}

/// The carried keys before each step.
fn trail<R: Real>(steps: &[Step<R>], len: usize, alpha: &[R]) -> Vec<R> {
    let mut alpha = alpha.to_vec();
    let mut trail = Vec::with_capacity(steps.len() * alpha.len());
    for step in steps {
        trail.extend_from_slice(&alpha);
        carry(std::slice::from_ref(step), len, &mut alpha, |_, _| {});
    }
    trail
}

/// `d += x * y`, summed where the factor is one number.
pub(crate) fn add_products<R: Real>(d: &mut [R], x: &[R], y: &[R]) {
    if d.len() == 1 {
        d[0] += dot(x, y);
    } else {
        d.iter_mut().zip(x.iter().zip(y)).for_each(|(d, (&x, &y))| *d += x * y);
    }
}
