//! RWKV-6 (Finch): the output sees the memory before this token, and this token through a bonus of its own.
//!
//! Peng et al. 2024, "Eagle and Finch: RWKV with Matrix-Valued States and Dynamic Recurrence", arXiv 2404.05892,
//! equations 16 to 19.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] =
    &[Entry::works("rwkv6", "RWKV-6 (Finch)", Family::Additive, "Peng et al. 2024, arXiv 2404.05892", rwkv6)];

/// The current token enters the output through the learned bonus `u`, and the memory only afterwards.
/// Peng et al. 2024, arXiv 2404.05892.
///
/// `wkv_t = diag(u) k_t^T v_t + S_{t-1},  S_t = diag(exp(w_t)) S_{t-1} + k_t^T v_t,  o_t = r_t wkv_t`
#[rule]
pub fn rwkv6(
    mut s: State<K, V>,
    r: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    w: Vector<K>,
    u: PerHead<Vector<K>>,
) -> Vector<V> {
    let bonus = dot(r * u, k) * v;
    let past = s.read(r);
    s *= exp(w);
    s += outer(k, v);
    past + bonus
}
