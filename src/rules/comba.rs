//! Comba: closed-loop control of the memory, a correction of the state and a correction of the output.
//!
//! Hu, Pan, Du, Lan, Tang, Wen, Liang, Sun 2025, "Improving Bilinear RNNs with Closed-loop Control", arXiv 2506.02475,
//! equation 5. The recall of the old memory comes before the decay.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] = &[Entry::works(
    "comba",
    "Comba",
    Family::Delta,
    "Hu, Pan, Du, Lan, Tang, Wen, Liang, Sun 2025, arXiv 2506.02475",
    comba,
)];

/// A scalar-plus-low-rank transition whose feedback `beta~ = b beta` is weaker than its input `beta`, and a query
/// pulled away from the key.
/// Hu, Pan, Du, Lan, Tang, Wen, Liang, Sun 2025, arXiv 2506.02475.
///
/// `S_t = S_{t-1} (alpha_t - beta~_t k_t k_t^T) + beta_t v_t k_t^T,  o_t = S_t (q_t - d k_t)`, with `alpha = exp(g)`,
/// unit keys, and `q - d k` scaled by `1/sqrt(K)`
#[rule]
pub fn comba(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    g: Scalar,
    #[range(0.0..=1.0)] beta: Scalar,
    #[range(0.0..=1.0)] b: PerHead<Scalar>,
    d: PerHead<Scalar>,
) -> Vector<V> {
    let q = l2norm(q);
    let k = l2norm(k);
    let recall = s.read(b * k);
    s *= exp(g);
    s += outer(beta * k, v - recall);
    s.read(rsqrt(dim(K)) * (q - d * k))
}
