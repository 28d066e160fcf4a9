//! Lightning Attention: the fixed decay of TransNormer, as MiniMax-01 trains it.
//!
//! Qin, Sun, Li, Shen, Sun, Zhong 2024, "Lightning Attention-2", arXiv 2401.04658, algorithm 1; used in MiniMax-01,
//! arXiv 2501.08313.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] = &[Entry::works(
    "lightning_attention",
    "Lightning Attention",
    Family::Additive,
    "Qin, Sun, Li, Shen, Sun, Zhong 2024, arXiv 2401.04658",
    lightning_attention,
)];

/// A fixed decay per head, given as its slope: `slope = 8 h / H (1 - layer / layers)` in the published models.
/// Qin, Sun, Li, Shen, Sun, Zhong 2024, arXiv 2401.04658.
///
/// `kv_t = lambda kv_{t-1} + k_t^T v_t,  o_t = q_t kv_t`, with `lambda = exp(-slope)` and `q` scaled by `1/sqrt(K)`
#[rule]
pub fn lightning_attention(
    mut kv: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    #[range(0.0..=8.0)] slope: PerHead<Scalar>,
) -> Vector<V> {
    kv *= exp(-slope);
    kv += outer(k, v);
    kv.read(rsqrt(dim(K)) * q)
}
