//! DeltaProduct: several delta steps per token, so that the transition is a product of Householder matrices.
//!
//! Siems, Carstensen, Zela, Hutter, Pontil, Grazzi 2025, "DeltaProduct: Improving State-Tracking in Linear RNNs via
//! Householder Products", arXiv 2502.10297, section 4; the gated form decays once per token, before the first step.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

const PAPER: &str = "Siems, Carstensen, Zela, Hutter, Pontil, Grazzi 2025, arXiv 2502.10297";

pub(crate) const ENTRIES: &[Entry] = &[
    Entry::works("deltaproduct2", "DeltaProduct, 2 steps", Family::Delta, PAPER, deltaproduct2),
    Entry::works("deltaproduct3", "DeltaProduct, 3 steps", Family::Delta, PAPER, deltaproduct3),
    Entry::works(
        "gated_deltaproduct2",
        "Gated DeltaProduct, 2 steps",
        Family::Delta,
        PAPER,
        gated_deltaproduct2,
    ),
];

/// Two delta steps per token, each with its own key, value and strength.
/// Siems, Carstensen, Zela, Hutter, Pontil, Grazzi 2025, arXiv 2502.10297.
///
/// `H_{i,j} = (I - beta_{i,j} k_{i,j} k_{i,j}^T) H_{i,j-1} + beta_{i,j} k_{i,j} v_{i,j}^T` for `j = 1, 2`, `H_i = H_{i,2}`,
/// `o_i = H_i^T q_i` with unit keys and `q` scaled by `1/sqrt(K)`
#[rule]
pub fn deltaproduct2(
    mut s: State<K, V>,
    q: Vector<K>,
    k: [Vector<K>; 2],
    v: [Vector<V>; 2],
    #[range(0.0..=2.0)] beta: [Scalar; 2],
) -> Vector<V> {
    for j in 0..2 {
        s += outer(beta[j] * l2norm(k[j]), v[j] - s.read(l2norm(k[j])));
    }
    s.read(rsqrt(dim(K)) * l2norm(q))
}

/// Three delta steps per token, each with its own key, value and strength.
/// Siems, Carstensen, Zela, Hutter, Pontil, Grazzi 2025, arXiv 2502.10297.
///
/// `H_{i,j} = (I - beta_{i,j} k_{i,j} k_{i,j}^T) H_{i,j-1} + beta_{i,j} k_{i,j} v_{i,j}^T` for `j = 1, 2, 3`,
/// `H_i = H_{i,3}`, `o_i = H_i^T q_i` with unit keys and `q` scaled by `1/sqrt(K)`
#[rule]
pub fn deltaproduct3(
    mut s: State<K, V>,
    q: Vector<K>,
    k: [Vector<K>; 3],
    v: [Vector<V>; 3],
    #[range(0.0..=2.0)] beta: [Scalar; 3],
) -> Vector<V> {
    for j in 0..3 {
        s += outer(beta[j] * l2norm(k[j]), v[j] - s.read(l2norm(k[j])));
    }
    s.read(rsqrt(dim(K)) * l2norm(q))
}

/// A scalar decay, then two delta steps.
/// Siems, Carstensen, Zela, Hutter, Pontil, Grazzi 2025, arXiv 2502.10297.
///
/// `H_{i,0} = exp(g_i) H_{i-1}`, `H_{i,j} = (I - beta_{i,j} k_{i,j} k_{i,j}^T) H_{i,j-1} + beta_{i,j} k_{i,j} v_{i,j}^T`,
/// `o_i = H_{i,2}^T q_i` with unit keys and `q` scaled by `1/sqrt(K)`
#[rule]
pub fn gated_deltaproduct2(
    mut s: State<K, V>,
    q: Vector<K>,
    k: [Vector<K>; 2],
    v: [Vector<V>; 2],
    g: Scalar,
    #[range(0.0..=2.0)] beta: [Scalar; 2],
) -> Vector<V> {
    s *= exp(g);
    for j in 0..2 {
        s += outer(beta[j] * l2norm(k[j]), v[j] - s.read(l2norm(k[j])));
    }
    s.read(rsqrt(dim(K)) * l2norm(q))
}
