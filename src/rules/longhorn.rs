//! Longhorn: the memory solves a small regression problem exactly at every token (an implicit step).
//!
//! Liu, Wang, Wu, Feng, Stone, Liu 2024, "Longhorn: State Space Models are Amortized Online Learners", arXiv 2407.14207,
//! theorem 3.1. The exact solution has a gain for every value channel, so its feedback acts channel by channel. The
//! published kernels keep only the diagonal of `k k^T`; then every entry of the memory decays on its own, and a value
//! channel is a head with a vector memory.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

const PAPER: &str = "Liu, Wang, Wu, Feng, Stone, Liu 2024, arXiv 2407.14207";

pub(crate) const ENTRIES: &[Entry] = &[
    Entry::works("longhorn", "Longhorn, the exact step", Family::Nonlinear, PAPER, longhorn),
    Entry::works("longhorn_diagonal", "Longhorn, diagonal", Family::Elementwise, PAPER, longhorn_diagonal),
];

/// The implicit step on `|S - S_{t-1}|^2 + |S k_t - x_t|^2` weighted by `beta_t`, a strength for every value channel.
/// Liu, Wang, Wu, Feng, Stone, Liu 2024, arXiv 2407.14207.
///
/// `S_t = (I - Delta_{t,i} k_t k_t^T) S_{t-1,i} + Delta_{t,i} k_t x_{t,i}` for every column `i`,
/// `Delta_{t,i} = beta_{t,i} / (1 + beta_{t,i} k_t^T k_t)`, `o_t = S_t q_t`
#[rule]
pub fn longhorn(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    x: Vector<V>,
    #[range(0.0..=1.0)] beta: Vector<V>,
) -> Vector<V> {
    let delta = beta / (1 + beta * dot(k, k));
    s += outer(k, delta * (x - s.read(k)));
    s.read(q)
}

/// The step as published: `k k^T` is cut to its diagonal; one head is one channel of `x`.
/// Liu, Wang, Wu, Feng, Stone, Liu 2024, arXiv 2407.14207.
///
/// `S_t = (1 - Delta_t * k_t^2) S_{t-1} + Delta_t k_t x_t,  Delta_t = beta_t / (1 + beta_t k_t^T k_t),  o_t = S_t . q_t`,
/// and `d x_t` is added to the output
#[rule]
pub fn longhorn_diagonal(
    mut s: State<K>,
    q: Vector<K>,
    k: Vector<K>,
    x: Scalar,
    #[range(0.0..=1.0)] beta: Scalar,
    d: PerHead<Scalar>,
) -> Scalar {
    let delta = beta / (1 + beta * dot(k, k));
    s *= 1 - delta * square(k);
    s += delta * x * k;
    dot(s, q) + d * x
}
