//! Mamba (S6): a selective state space for every channel.
//!
//! Gu, Dao 2023, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", arXiv 2312.00752, algorithm 2. One
//! head is one channel of `x` with a vector memory of `K` numbers; `b` and `c` have one head, shared by all channels.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] =
    &[Entry::works("mamba", "Mamba (S6)", Family::Elementwise, "Gu, Dao 2023, arXiv 2312.00752", mamba)];

/// Every entry of the memory decays at its own rate, at a speed that the token chooses.
/// Gu, Dao 2023, arXiv 2312.00752.
///
/// `h_t = exp(Delta_t A) h_{t-1} + Delta_t B_t x_t,  y_t = C_t h_t + D x_t`, with `Delta = softplus(dt + dt_bias)` and
/// `A = -exp(a_log)`
#[rule]
pub fn mamba(
    mut h: State<K>,
    x: Scalar,
    dt: Scalar,
    b: Vector<K>,
    c: Vector<K>,
    a_log: PerHead<Vector<K>>,
    dt_bias: PerHead<Scalar>,
    d: PerHead<Scalar>,
) -> Scalar {
    let step = softplus(dt + dt_bias);
    h *= exp(-exp(a_log) * step);
    h += step * x * b;
    dot(h, c) + d * x
}
