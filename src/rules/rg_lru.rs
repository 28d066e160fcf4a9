//! RG-LRU: the recurrence of Griffin, whose input is scaled so that the memory keeps its variance.
//!
//! De, Smith, Fernando, Botev et al. 2024, "Griffin: Mixing Gated Linear Recurrences with Local Attention for Efficient
//! Language Models", arXiv 2402.19427, equations 1 to 4.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] = &[Entry::works(
    "rg_lru",
    "RG-LRU (Griffin)",
    Family::Elementwise,
    "De, Smith, Fernando, Botev et al. 2024, arXiv 2402.19427",
    rg_lru,
)];

/// A learned decay per channel, made sharper or milder by a recurrence gate; `r` and `i` are logits.
/// De, Smith, Fernando, Botev et al. 2024, arXiv 2402.19427.
///
/// `a_t = a^(c r_t),  h_t = a_t * h_{t-1} + sqrt(1 - a_t^2) * (i_t * x_t)`, with `a = sigmoid(lambda)` and `c = 8`
#[rule]
pub fn rg_lru(
    mut h: State<K>,
    x: Vector<K>,
    r: Vector<K>,
    i: Vector<K>,
    lambda: PerHead<Vector<K>>,
) -> Vector<K> {
    let log_a = 8.0 * sigmoid(r) * log_sigmoid(lambda);
    h *= exp(log_a);
    h += sqrt(1 - exp(2.0 * log_a)) * (sigmoid(i) * x);
    h
}
