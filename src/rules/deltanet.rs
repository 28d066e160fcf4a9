//! DeltaNet: before a value is written, what its key already recalls is taken out.
//!
//! Schlag, Irie, Schmidhuber 2021, "Linear Transformers Are Secretly Fast Weight Programmers", arXiv 2102.11174;
//! Yang, Wang, Zhang, Shen, Kim 2024, "Parallelizing Linear Transformers with the Delta Rule over Sequence Length",
//! arXiv 2406.06484, which also normalises queries and keys. Strengths up to 2 turn the erasure into a reflection, with
//! negative eigenvalues: Grazzi, Siems, Franke, Zela, Hutter, Pontil 2024, arXiv 2411.12537.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] = &[
    Entry::works(
        "deltanet",
        "DeltaNet",
        Family::Delta,
        "Yang, Wang, Zhang, Shen, Kim 2024, arXiv 2406.06484",
        deltanet,
    ),
    Entry::works(
        "deltanet_negative",
        "DeltaNet with negative eigenvalues",
        Family::Delta,
        "Grazzi, Siems, Franke, Zela, Hutter, Pontil 2024, arXiv 2411.12537",
        deltanet_negative,
    ),
];

/// One step of gradient descent on `1/2 |S^T k - v|^2` per token, with unit keys.
/// Yang, Wang, Zhang, Shen, Kim 2024, arXiv 2406.06484.
///
/// `S_t = S_{t-1} (I - beta_t k_t k_t^T) + beta_t v_t k_t^T,  o_t = S_t q_t`, with `q` scaled by `1/sqrt(K)`
#[rule]
pub fn deltanet(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    #[range(0.0..=1.0)] beta: Scalar,
) -> Vector<V> {
    let q = l2norm(q);
    let k = l2norm(k);
    s += outer(beta * k, v - s.read(k));
    s.read(rsqrt(dim(K)) * q)
}

/// The same update with `beta` up to 2: at 2 the memory is reflected, so that parity can be tracked.
/// Grazzi, Siems, Franke, Zela, Hutter, Pontil 2024, arXiv 2411.12537.
///
/// `S_t = S_{t-1} (I - beta_t k_t k_t^T) + beta_t v_t k_t^T,  o_t = S_t q_t`, with `beta` in [0, 2]
#[rule]
pub fn deltanet_negative(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    #[range(0.0..=2.0)] beta: Scalar,
) -> Vector<V> {
    let q = l2norm(q);
    let k = l2norm(k);
    s += outer(beta * k, v - s.read(k));
    s.read(rsqrt(dim(K)) * q)
}
