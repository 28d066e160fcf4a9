//! HGRN2: the forget gate is the decay, and what it forgets is the key.
//!
//! Qin, Yang, Sun, Shen, Li, Sun, Zhong 2024, "HGRN2: Gated Linear RNNs with State Expansion", arXiv 2404.07904.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] = &[Entry::works(
    "hgrn2",
    "HGRN2",
    Family::Additive,
    "Qin, Yang, Sun, Shen, Li, Sun, Zhong 2024, arXiv 2404.07904",
    hgrn2,
)];

/// Input and forget gate are tied: a row is written exactly as far as it is forgotten.
/// Qin, Yang, Sun, Shen, Li, Sun, Zhong 2024, arXiv 2404.07904.
///
/// `h_t = Diag{f_t} h_{t-1} + (1 - f_t) (x) i_t,  y_t = o_t h_t`, with `f = exp(g)`, and the output gate `o`, here `q`,
/// scaled by `1/sqrt(K)`
#[rule]
pub fn hgrn2(mut h: State<K, V>, q: Vector<K>, i: Vector<V>, g: Vector<K>) -> Vector<V> {
    h *= exp(g);
    h += outer(1 - exp(g), i);
    h.read(rsqrt(dim(K)) * q)
}
