//! Mamba-2: the state-space dual, a scalar decay driven by a learned time step.
//!
//! Dao, Gu 2024, "Transformers are SSMs", arXiv 2405.21060, sections 5 to 7. The state dimension is `K`, the head
//! dimension is `V`; `b` and `c` are shared by groups of heads, as any tensor with fewer heads is.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] =
    &[Entry::works("mamba2", "Mamba-2 (SSD)", Family::Additive, "Dao, Gu 2024, arXiv 2405.21060", mamba2)];

/// A continuous-time memory, discretised with the token's own time step `Delta_t = softplus(dt_t + dt_bias)`.
/// Dao, Gu 2024, arXiv 2405.21060.
///
/// `h_t = exp(Delta_t A) h_{t-1} + Delta_t B_t x_t^T,  y_t = C_t^T h_t + D x_t`, with `A = -exp(a_log)` one number per head
#[rule]
pub fn mamba2(
    mut h: State<K, V>,
    x: Vector<V>,
    dt: Scalar,
    b: Vector<K>,
    c: Vector<K>,
    a_log: PerHead<Scalar>,
    dt_bias: PerHead<Scalar>,
    d: PerHead<Scalar>,
) -> Vector<V> {
    let step = softplus(dt + dt_bias);
    h *= exp(-exp(a_log) * step);
    h += outer(step * b, x);
    h.read(c) + d * x
}
