//! Titans: a memory trained at test time by gradient descent with momentum and weight decay.
//!
//! Behrouz, Zhong, Mirrokni 2024, "Titans: Learning to Memorize at Test Time", arXiv 2501.00663, equations 8 to 14. For a
//! linear memory the momentum is a second matrix, and the pair is one affine recurrence.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

const PAPER: &str = "Behrouz, Zhong, Mirrokni 2024, arXiv 2501.00663";

pub(crate) const ENTRIES: &[Entry] = &[
    Entry::works(
        "momentum_delta",
        "Delta rule with momentum (linear Titans)",
        Family::Delta,
        PAPER,
        momentum_delta,
    ),
    Entry::waits(
        "titans",
        "Titans, neural memory",
        Family::MiniBatch,
        PAPER,
        "its memory is a network: needs gradients through layers, taken once per mini-batch",
    ),
];

/// The surprise `m` is a moving average of gradients of `1/2 |M^T k - v|^2`; the memory forgets, then takes it in.
/// Behrouz, Zhong, Mirrokni 2024, arXiv 2501.00663, with a linear memory.
///
/// `S_t = eta_t S_{t-1} - theta_t k_t (M_{t-1}^T k_t - v_t)^T,  M_t = (1 - alpha_t) M_{t-1} + S_t,  o_t = M_t^T q_t`,
/// with unit queries and keys; the paper's `M` is `s` here, its `S` is `m`
#[rule]
pub fn momentum_delta(
    mut s: State<K, V>,
    mut m: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    #[range(0.0..=1.0)] eta: Scalar,
    #[range(0.0..=1.0)] theta: Scalar,
    #[range(0.0..=1.0)] alpha: Scalar,
) -> Vector<V> {
    let k = l2norm(k);
    let error = v - s.read(k);
    m *= eta;
    m += outer(theta * k, error);
    s = (1 - alpha) * s + m;
    s.read(l2norm(q))
}
