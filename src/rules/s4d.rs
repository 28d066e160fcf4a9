//! S4D: a diagonal state space with constant coefficients.
//!
//! Gu, Gupta, Goel, Re 2022, "On the Parameterization and Initialization of Diagonal State Space Models",
//! arXiv 2206.11893: S4D-Real, discretised by zero-order hold. One head is one channel of `x`.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

const PAPER: &str = "Gu, Gupta, Goel, Re 2022, arXiv 2206.11893";

pub(crate) const ENTRIES: &[Entry] = &[
    Entry::works("s4d_real", "S4D-Real", Family::Elementwise, PAPER, s4d_real),
    Entry::waits("s4d", "S4D", Family::Elementwise, PAPER, "needs complex states; s4d_real has real ones"),
];

/// A bank of exponential moving averages per channel, with learned rates, inputs and outputs.
/// Gu, Gupta, Goel, Re 2022, arXiv 2206.11893.
///
/// `x_k = A' x_{k-1} + B' u_k,  y_k = C x_k + D u_k`, with `A' = exp(Delta A)`, `B' = (Delta A)^-1 (A' - I) Delta B`,
/// `A = -exp(a_log)` and `Delta = exp(dt_log)`
#[rule]
pub fn s4d_real(
    mut x: State<K>,
    u: Scalar,
    a_log: PerHead<Vector<K>>,
    dt_log: PerHead<Scalar>,
    b: PerHead<Vector<K>>,
    c: PerHead<Vector<K>>,
    d: PerHead<Scalar>,
) -> Scalar {
    let rate = exp(a_log);
    let decay = exp(-exp(dt_log) * rate);
    x *= decay;
    x += u * ((1 - decay) / rate * b);
    dot(x, c) + d * u
}
