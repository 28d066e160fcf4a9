//! Gated DeltaNet-2: the strength of erasing and the strength of writing are two vectors.
//!
//! Hatamizadeh, Choi, Kautz 2026, "Gated DeltaNet-2: Decoupling Erase and Write in Linear Attention", arXiv 2605.22791.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] = &[Entry::works(
    "gdn2",
    "Gated DeltaNet-2",
    Family::Delta,
    "Hatamizadeh, Choi, Kautz 2026, arXiv 2605.22791",
    gdn2,
)];

/// The erase gate `b` picks the key channels that are read and removed, the write gate `w` the value channels that
/// are committed.
/// Hatamizadeh, Choi, Kautz 2026, arXiv 2605.22791.
///
/// `S_t = (I - k_t (b_t * k_t)^T) D_t S_{t-1} + k_t (w_t * v_t)^T,  o_t = S_t^T q_t`, with `D = Diag(exp(g))`, unit
/// keys, and `q` scaled by `1/sqrt(K)`
#[rule]
pub fn gdn2(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    g: Vector<K>,
    #[range(0.0..=2.0)] b: Vector<K>,
    #[range(0.0..=1.0)] w: Vector<V>,
) -> Vector<V> {
    let q = l2norm(q);
    let k = l2norm(k);
    s *= exp(g);
    s += outer(k, w * v - s.read(b * k));
    s.read(rsqrt(dim(K)) * q)
}
