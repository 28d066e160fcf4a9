//! Rodimus: one selection gate drives forgetting and writing, tempered by a second.
//!
//! He, Yu, Gong, Liu, Li, Lin 2024, "Rodimus*: Breaking the Accuracy-Efficiency Trade-Off with Efficient Attentions",
//! arXiv 2410.06577, section 3.1 (data-dependent tempered selection).

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] = &[Entry::works(
    "rodimus",
    "Rodimus",
    Family::Additive,
    "He, Yu, Gong, Liu, Li, Lin 2024, arXiv 2410.06577",
    rodimus,
)];

/// Data-dependent tempered selection: the gate `g_t > 0` sets decay and input strength, the temperature `tau_t` in
/// (0, 1) how sharply; `g`, `tau` and `b` are logits.
/// He, Yu, Gong, Liu, Li, Lin 2024, arXiv 2410.06577.
///
/// `S_t = Diag(exp(-g_t * tau_t)) S_{t-1} + (g_t ^ tau_t * k_t)^T (beta_t * v_t),  o_t = q_t S_t`,
/// with `g = softplus(..)`, `tau = sigmoid(..)`, `beta = sigmoid(b)`, unit keys, and `q` scaled by `1/sqrt(K)`
#[rule]
pub fn rodimus(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    g: Vector<K>,
    tau: Vector<K>,
    b: Vector<V>,
) -> Vector<V> {
    let select = softplus(g);
    let temper = sigmoid(tau);
    s *= exp(-select * temper);
    s += outer(exp(temper * log(select)) * l2norm(k), sigmoid(b) * v);
    s.read(rsqrt(dim(K)) * q)
}
