//! Kimi Delta Attention: Gated DeltaNet with a decay for every key channel.
//!
//! Kimi Team (Zhang, Lin, Yao, Hu, Meng, Liu et al.) 2025, "Kimi Linear: An Expressive, Efficient Attention
//! Architecture", arXiv 2510.26692, equation 1.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] = &[Entry::works(
    "kda",
    "Kimi Delta Attention",
    Family::Delta,
    "Kimi Team (Zhang, Lin, Yao, Hu, Meng et al.) 2025, arXiv 2510.26692",
    kda,
)];

/// Rows forget at their own rates before the delta rule edits them.
/// Kimi Team (Zhang, Lin, Yao, Hu, Meng et al.) 2025, arXiv 2510.26692.
///
/// `S_t = (I - beta_t k_t k_t^T) Diag(alpha_t) S_{t-1} + beta_t k_t v_t^T,  o_t = S_t^T q_t`, with `alpha = exp(g)`,
/// unit keys, and `q` scaled by `1/sqrt(K)`
#[rule]
pub fn kda(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    g: Vector<K>,
    #[range(0.0..=2.0)] beta: Scalar,
) -> Vector<V> {
    let q = l2norm(q);
    let k = l2norm(k);
    s *= exp(g);
    s += outer(beta * k, v - s.read(k));
    s.read(rsqrt(dim(K)) * q)
}
