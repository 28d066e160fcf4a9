//! Gated DeltaNet: the delta rule over a memory that also forgets.
//!
//! Yang, Kautz, Hatamizadeh 2024, "Gated Delta Networks: Improving Mamba2 with Delta Rule", arXiv 2412.06464,
//! equation 10.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] = &[Entry::works(
    "gated_deltanet",
    "Gated DeltaNet",
    Family::Delta,
    "Yang, Kautz, Hatamizadeh 2024, arXiv 2412.06464",
    gated_deltanet,
)];

/// A scalar decay clears the memory, the delta rule edits it.
/// Yang, Kautz, Hatamizadeh 2024, arXiv 2412.06464.
///
/// `S_t = S_{t-1} (alpha_t (I - beta_t k_t k_t^T)) + beta_t v_t k_t^T,  o_t = S_t q_t`, with `alpha = exp(g)`, unit
/// keys, and `q` scaled by `1/sqrt(K)`
#[rule]
pub fn gated_deltanet(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    g: Scalar,
    #[range(0.0..=2.0)] beta: Scalar,
) -> Vector<V> {
    let q = l2norm(q);
    let k = l2norm(k);
    s *= exp(g);
    s += outer(beta * k, v - s.read(k));
    s.read(rsqrt(dim(K)) * q)
}
