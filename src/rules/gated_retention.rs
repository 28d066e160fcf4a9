//! Gated retention (gRetNet): RetNet with a decay that depends on the token, the self-decoder of YOCO.
//!
//! Sun, Dong, Zhu, Huang, Wang, Ma, Zhang, Wang, Wei 2024, "You Only Cache Once", arXiv 2405.05254, section 3.1.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] = &[Entry::works(
    "gated_retention",
    "Gated retention (YOCO)",
    Family::Additive,
    "Sun, Dong, Zhu, Huang, Wang, Ma, Zhang, Wang, Wei 2024, arXiv 2405.05254",
    gated_retention,
)];

/// One data-dependent decay per token and head; `gate` is its logit and `tau = 16` keeps it close to one.
/// Sun, Dong, Zhu, Huang, Wang, Ma, Zhang, Wang, Wei 2024, arXiv 2405.05254.
///
/// `gamma_n = sigmoid(X_n W_gamma)^(1/tau),  S_n = gamma_n S_{n-1} + K_n^T V_n,  o_n = Q_n S_n`, `Q` scaled by `1/sqrt(K)`
#[rule]
pub fn gated_retention(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    gate: Scalar,
) -> Vector<V> {
    s *= exp(log_sigmoid(gate) / 16.0);
    s += outer(k, v);
    s.read(rsqrt(dim(K)) * q)
}
