//! Two-sided decay: the whole memory is scaled by an outer product, a rate per row times a rate per column.
//!
//! Mao 2022, "Fine-Tuning Pre-trained Transformers into Decaying Fast Weights", arXiv 2210.04243; it is the general
//! gate `G_t = alpha_t^T beta_t` of GLA, arXiv 2312.06635, section 4.2.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] = &[Entry::works(
    "decaying_fast_weights",
    "Decaying fast weights (two-sided decay)",
    Family::Additive,
    "Mao 2022, arXiv 2210.04243",
    decaying_fast_weights,
)];

/// Rows forget at `alpha_t = exp(g_t)`, columns at `beta_t = exp(h_t)`.
/// Mao 2022, arXiv 2210.04243.
///
/// `S_t = (alpha_t beta_t^T) * S_{t-1} + k_t v_t^T,  o_t = S_t^T q_t`, with `q` scaled by `1/sqrt(K)`
#[rule]
pub fn decaying_fast_weights(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    g: Vector<K>,
    h: Vector<V>,
) -> Vector<V> {
    s *= exp(g);
    s *= exp(h);
    s += outer(k, v);
    s.read(rsqrt(dim(K)) * q)
}
