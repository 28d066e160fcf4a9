//! HGRN: an elementwise recurrence with tied gates, the ancestor of HGRN2.
//!
//! Qin, Yang, Zhong 2023, "Hierarchically Gated Recurrent Neural Network for Sequence Modeling", arXiv 2311.04823. This
//! is the real-valued form that is used in practice; the paper also rotates the state by a learned phase.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] = &[Entry::works(
    "hgrn",
    "HGRN, real-valued",
    Family::Elementwise,
    "Qin, Yang, Zhong 2023, arXiv 2311.04823",
    hgrn,
)];

/// A channel is overwritten exactly as far as it is forgotten; the output is the memory itself.
/// Qin, Yang, Zhong 2023, arXiv 2311.04823.
///
/// `h_t = f_t * h_{t-1} + (1 - f_t) * c_t`, with `f = exp(g)` and `c` the candidate, here `i`
#[rule]
pub fn hgrn(mut h: State<K>, i: Vector<K>, g: Vector<K>) -> Vector<K> {
    h *= exp(g);
    h += (1 - exp(g)) * i;
    h
}
