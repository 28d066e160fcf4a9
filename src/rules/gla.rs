//! Gated linear attention: a decay of its own for every key channel.
//!
//! Yang, Wang, Shen, Panda, Kim 2023, "Gated Linear Attention Transformers with Hardware-Efficient Training",
//! arXiv 2312.06635, section 4.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] = &[Entry::works(
    "gla",
    "GLA",
    Family::Additive,
    "Yang, Wang, Shen, Panda, Kim 2023, arXiv 2312.06635",
    gla,
)];

/// Each row of the memory forgets at its own data-dependent rate.
/// Yang, Wang, Shen, Panda, Kim 2023, arXiv 2312.06635.
///
/// `S_t = Diag(alpha_t) S_{t-1} + k_t^T v_t,  o_t = q_t S_t`, with `alpha = exp(g)` and `q` scaled by `1/sqrt(K)`
#[rule]
pub fn gla(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Vector<K>) -> Vector<V> {
    s *= exp(g);
    s += outer(k, v);
    s.read(rsqrt(dim(K)) * q)
}
