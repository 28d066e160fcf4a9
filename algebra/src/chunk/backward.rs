//! One chunk, backward: the dual timeline through the forward machinery, then what is bilinear in both passes.
//!
//! With `U`, `P` of the forward pass and `dU`, `dP` of the dual, and the keys carried as in the forward pass,
//!
//! ```text
//! p_t = sum_s (b_t . carried(a_s)) u_s + ..     =>  the weight of that pair is  Z[t, s] = dp_t . u_s
//! S_end = sum_s carried(a_s) u_s^T + ..         =>  the weight of write s at the end is  dS_end u_s
//! p_t = (b_t * carried(1))^T S_0 + ..           =>  the weight of read t is  S_0 dp_t
//! ```
//!
//! and [`pull_back`] turns weights into cotangents of keys, decay factors and mix entries. Value-side factors are the mirror
//! image: there the weight of a pair is `L[t, s]` and what is carried is `u_s`. Everything is chunk by chunk, from the
//! states at its two ends; no sum runs over the whole sequence, and nothing of size `K x V` is formed per token.
//! Source: `math/adjoint.py` of the design, and numerics (raw decays near 0 divide by nothing here).

use super::carry::{Pulled, Step, add_products, add_scaled, pull_back, scale};
use super::forward::{Evaluated, matrix};
use super::program::Group;
use crate::data::Real;
use ndarray::{Array2, ArrayView2};

/// Cotangents of one group's operands in one chunk.
pub(crate) struct Operands<R> {
    /// Of write keys, `writes x K`, and read keys, `reads x K`, in the forward walk's order.
    pub a: Array2<R>,
    pub b: Array2<R>,
    /// `(event, row, entry)` of each factor and mix entry, with its cotangent.
    pub factors: Vec<((usize, usize, usize), Vec<R>)>,
}

/// The states around a chunk: those it started from, and the cotangents of those it ended in.
#[derive(Clone, Copy)]
pub(crate) struct Ends<'a, R> {
    pub start: &'a [Vec<R>],
    pub d_end: &'a [Vec<R>],
    pub sizes: &'a [usize],
}

/// Cotangents of the operands of a chunk, from `dp` (`reads x V`, in the forward walk's order).
pub(crate) fn operands<R: Real>(
    group: &Group,
    e: &Evaluated<R>,
    ends: Ends<'_, R>,
    dp: &Array2<R>,
) -> Operands<R> {
    let k = e.a.ncols();
    let mut pulled = Pulled::new(&e.steps, e.b.nrows(), k);
    let pairs = pairs(e, dp);
    let mut a = Array2::zeros(e.a.raw_dim());
    let starts: Vec<ArrayView2<R>> =
        group.states.iter().map(|s| matrix(&ends.start[s.index()], group, ends.sizes)).collect();
    let d_ends: Vec<ArrayView2<R>> =
        group.states.iter().map(|s| matrix(&ends.d_end[s.index()], group, ends.sizes)).collect();
    from_start(e, &starts, &d_ends, &pairs.read_weights(dp), &mut pulled);
    from_writes(e, &d_ends, &pairs, &mut a, &mut pulled);
    if group.by_column {
        columns(e, &starts[0], &d_ends[0], dp, &mut pulled);
    }
    let mut factors = Vec::new();
    for (step, list) in e.steps.iter().zip(pulled.factors) {
        match step {
            Step::Key { event, row, .. } | Step::Column { event, row, .. } => {
                factors.extend(list.into_iter().map(|d| ((*event, *row, 0), d)));
            }
            Step::Mix { event, row, entries } => {
                let key = |n: usize, d| ((*event, *row, entries[n].0 * group.states.len() + entries[n].1), d);
                factors.extend(list.into_iter().enumerate().map(|(n, d)| key(n, d)));
            }
            _ => {}
        }
    }
    let b =
        Array2::from_shape_vec(e.b.raw_dim(), pulled.reads).unwrap_or_else(|_| Array2::zeros(e.b.raw_dim()));
    Operands { a, b, factors }
}

/// What a pair (read, write) weighs on the value side.
struct Pairs<R> {
    /// `Z[r, s] = dp_r . u_s`, with `u_s` as it stands at `r`.
    z: Array2<R>,
    /// Value-side decay from the chunk's start to each read, `reads x V`.
    psi: Array2<R>,
}

impl<R: Real> Pairs<R> {
    /// `dp` as the chunk's initial state sees it.
    fn read_weights(&self, dp: &Array2<R>) -> Array2<R> {
        dp * &self.psi
    }
}

fn pairs<R: Real>(e: &Evaluated<R>, dp: &Array2<R>) -> Pairs<R> {
    let by_column = e.steps.iter().any(|s| matches!(s, Step::Column { .. }));
    let mut psi = Array2::ones(dp.raw_dim());
    if !by_column {
        return Pairs { z: dp.dot(&e.u.t()), psi };
    }
    let mut z = Array2::zeros((dp.nrows(), e.u.nrows()));
    let mut now = Array2::<R>::zeros(e.u.raw_dim());
    let mut decay = vec![R::one(); dp.ncols()];
    for step in &e.steps {
        match step {
            Step::Column { factor, .. } => {
                scale(&mut decay, factor);
                now.rows_mut()
                    .into_iter()
                    .for_each(|mut u| u.iter_mut().zip(factor).for_each(|(u, &f)| *u *= f));
            }
            Step::Write { index, .. } => now.row_mut(*index).assign(&e.u.row(*index)),
            Step::Read { index, .. } => {
                z.row_mut(*index).assign(&now.dot(&dp.row(*index)));
                psi.row_mut(*index).iter_mut().zip(&decay).for_each(|(o, &x)| *o = x);
            }
            _ => {}
        }
    }
    Pairs { z, psi }
}

/// The walks from the chunk's initial states: read `r` weighs `S_0 dp_r`, the end weighs the row sums of `S_0 dS_end`.
fn from_start<R: Real>(
    e: &Evaluated<R>,
    starts: &[ArrayView2<R>],
    d_ends: &[ArrayView2<R>],
    dp: &Array2<R>,
    pulled: &mut Pulled<R>,
) {
    let (k, m) = (e.a.ncols(), starts.len());
    for (j, start) in starts.iter().enumerate() {
        let product = dp.dot(&start.t());
        let weights = product.as_standard_layout();
        let mut alpha = vec![R::zero(); m * k];
        alpha[j * k..(j + 1) * k].fill(R::one());
        let mut d_alpha = vec![R::zero(); m * k];
        for (i, d_end) in d_ends.iter().enumerate() {
            for row in 0..k {
                let terms = start.row(row).into_iter().zip(d_end.row(row)).zip(&e.psi_end);
                d_alpha[i * k + row] = terms.fold(R::zero(), |sum, ((&s, &d), &psi)| sum + s * d * psi);
            }
        }
        let flat = weights.as_slice().unwrap_or(&[]);
        let keys = e.b.as_slice().unwrap_or(&[]);
        pull_back((&e.steps, 0), k, keys, &alpha, &mut d_alpha, |r| &flat[r * k..(r + 1) * k], pulled);
    }
}

/// The walks from each write: read `r` weighs `Z[r, s]`, the end weighs `dS_end u_s`.
fn from_writes<R: Real>(
    e: &Evaluated<R>,
    d_ends: &[ArrayView2<R>],
    pairs: &Pairs<R>,
    a: &mut Array2<R>,
    pulled: &mut Pulled<R>,
) {
    let (k, m) = (e.a.ncols(), d_ends.len());
    let ends: Vec<Array2<R>> = d_ends.iter().map(|d| e.u_end.dot(&d.t())).collect();
    let weights = pairs.z.t().as_standard_layout().into_owned();
    let reads = pairs.z.nrows();
    let flat = weights.as_slice().unwrap_or(&[]);
    let keys = e.b.as_slice().unwrap_or(&[]);
    for from in 0..e.steps.len() {
        let Step::Write { slot, index } = e.steps[from] else { continue };
        let mut alpha = vec![R::zero(); m * k];
        alpha[slot * k..(slot + 1) * k].iter_mut().zip(e.a.row(index)).for_each(|(o, &x)| *o = x);
        let mut d_alpha: Vec<R> = ends.iter().flat_map(|x| x.row(index).to_vec()).collect();
        let weight = |r: usize| std::slice::from_ref(&flat[index * reads + r]);
        pull_back((&e.steps, from), k, keys, &alpha, &mut d_alpha, weight, pulled);
        a.row_mut(index).iter_mut().zip(&d_alpha[slot * k..(slot + 1) * k]).for_each(|(o, &x)| *o = x);
    }
}

/// Cotangents of value-side factors, for a group of one state: carried values against weights of the key side.
fn columns<R: Real>(
    e: &Evaluated<R>,
    start: &ArrayView2<R>,
    d_end: &ArrayView2<R>,
    dp: &Array2<R>,
    pulled: &mut Pulled<R>,
) {
    let phi = &e.phi_end[0][0];
    let whole: Vec<R> = (0..dp.ncols())
        .map(|v| (0..phi.len()).fold(R::zero(), |sum, k| sum + phi[k] * start[(k, v)] * d_end[(k, v)]))
        .collect();
    let seen = e.b0[0].dot(start);
    let ones = vec![R::one(); dp.ncols()];
    column_walk(e, 0, &ones, whole, pulled, |r, d| {
        d.iter_mut().zip(dp.row(r).iter().zip(seen.row(r))).for_each(|(d, (&x, &y))| *d += x * y);
    });
    let ends = e.a_end[0].dot(d_end);
    for from in 0..e.steps.len() {
        if let Step::Write { index, .. } = e.steps[from] {
            let u = e.u.row(index).to_vec();
            column_walk(e, from, &u, ends.row(index).to_vec(), pulled, |r, d| {
                if let Some(dp) = dp.row(r).as_slice() {
                    add_scaled(d, e.l[(r, index)], dp);
                }
            });
        }
    }
}

/// Carries `value` through the value-side factors of `steps[from..]`, then walks back from the end's cotangent `d`.
fn column_walk<R: Real>(
    e: &Evaluated<R>,
    from: usize,
    value: &[R],
    mut d: Vec<R>,
    pulled: &mut Pulled<R>,
    read: impl Fn(usize, &mut [R]),
) {
    let mut now = value.to_vec();
    let mut trail = Vec::new();
    for step in &e.steps[from..] {
        if let Step::Column { factor, .. } = step {
            trail.push(now.clone());
            scale(&mut now, factor);
        }
    }
    for (n, step) in e.steps.iter().enumerate().skip(from).rev() {
        match step {
            Step::Column { factor, .. } => {
                if let Some(before) = trail.pop() {
                    add_products(&mut pulled.factors[n][0], &d, &before);
                }
                scale(&mut d, factor);
            }
            Step::Read { index, .. } => read(*index, &mut d),
            _ => {}
        }
    }
}
