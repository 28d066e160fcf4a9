//! Diagonal (or identity) plus low rank: the general forms that the delta family specialises.
//!
//! Yang, Wang, Zhang, Shen, Kim 2024, arXiv 2406.06484, section 5 (structured transitions `I + a b^T`); Peng et al. 2025,
//! arXiv 2503.14456 (the diagonal form). Argument order and the factor of `q` follow flash-linear-attention's
//! generalised delta rule. Nothing bounds `a . b`: with `a = -b` and unit length this is a projection, with arbitrary
//! vectors the memory may grow without limit.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] = &[
    Entry::works("dplr", "Diagonal plus low rank", Family::Delta, "Peng et al. 2025, arXiv 2503.14456", dplr),
    Entry::works(
        "iplr",
        "Identity plus low rank",
        Family::Delta,
        "Yang, Wang, Zhang, Shen, Kim 2024, arXiv 2406.06484",
        iplr,
    ),
];

/// A diagonal decay plus an arbitrary rank-one map of the memory.
/// Peng et al. 2025, arXiv 2503.14456.
///
/// `S_t = (Diag(exp(g_t)) + b_t a_t^T) S_{t-1} + k_t v_t^T,  o_t = S_t^T q_t`, with `q` scaled by `1/sqrt(K)`
#[rule]
pub fn dplr(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    a: Vector<K>,
    b: Vector<K>,
    g: Vector<K>,
) -> Vector<V> {
    let recall = s.read(a);
    s *= exp(g);
    s += outer(b, recall) + outer(k, v);
    s.read(rsqrt(dim(K)) * q)
}

/// The identity plus an arbitrary rank-one map of the memory.
/// Yang, Wang, Zhang, Shen, Kim 2024, arXiv 2406.06484.
///
/// `S_t = (I + b_t a_t^T) S_{t-1} + k_t v_t^T,  o_t = S_t^T q_t`, with `q` scaled by `1/sqrt(K)`
#[rule]
pub fn iplr(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    a: Vector<K>,
    b: Vector<K>,
) -> Vector<V> {
    s += outer(b, s.read(a)) + outer(k, v);
    s.read(rsqrt(dim(K)) * q)
}
