//! RetNet: linear attention that forgets at one fixed rate per head.
//!
//! Sun, Dong, Huang, Ma, Xia, Xue, Wang, Wei 2023, "Retentive Network", arXiv 2307.08621, equation 6.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] = &[Entry::works(
    "retnet",
    "RetNet",
    Family::Additive,
    "Sun, Dong, Huang, Ma, Xia, Xue, Wang, Wei 2023, arXiv 2307.08621",
    retnet,
)];

/// The memory shrinks by one constant per head at every token; rotary phases belong to `q` and `k`.
/// Sun, Dong, Huang, Ma, Xia, Xue, Wang, Wei 2023, arXiv 2307.08621.
///
/// `S_n = gamma S_{n-1} + K_n^T V_n,  Retention(X_n) = Q_n S_n`, with `gamma = exp(g)` and `Q` scaled by `1/sqrt(K)`
#[rule]
pub fn retnet(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: PerHead<Scalar>) -> Vector<V> {
    s *= exp(g);
    s += outer(k, v);
    s.read(rsqrt(dim(K)) * q)
}
