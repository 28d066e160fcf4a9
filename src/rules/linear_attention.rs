//! Linear attention: softmax's kernel replaced by a product of feature maps, so that the past fits in one matrix.
//!
//! ```text
//! S_t = S_{t-1} + phi(k_t) v_t^T        z_t = z_{t-1} + phi(k_t)        o_t = S_t^T phi(q_t) / (z_t . phi(q_t))
//! ```
//!
//! Katharopoulos, Vyas, Pappas, Fleuret 2020, "Transformers are RNNs", arXiv 2006.16236, equations 16 to 20.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

const PAPER: &str = "Katharopoulos, Vyas, Pappas, Fleuret 2020, arXiv 2006.16236";

pub(crate) const ENTRIES: &[Entry] = &[
    Entry::works("linear_attention", "Linear attention, bare", Family::Additive, PAPER, linear_attention),
    Entry::works(
        "linear_attention_elu",
        "Linear attention, elu + 1",
        Family::Additive,
        PAPER,
        linear_attention_elu,
    ),
    Entry::works(
        "linear_attention_normalised",
        "Linear attention, elu + 1, normalised",
        Family::Additive,
        PAPER,
        linear_attention_normalised,
    ),
];

/// Every value is added to the memory at its key; nothing is ever forgotten.
/// Katharopoulos, Vyas, Pappas, Fleuret 2020, arXiv 2006.16236, without feature map and normaliser.
///
/// `S_t = S_{t-1} + k_t v_t^T,  o_t = S_t^T q_t / sqrt(K)`
#[rule]
pub fn linear_attention(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s += outer(k, v);
    s.read(rsqrt(dim(K)) * q)
}

/// The feature map `phi(x) = elu(x) + 1` keeps every weight positive.
/// Katharopoulos, Vyas, Pappas, Fleuret 2020, arXiv 2006.16236, without the normaliser.
///
/// `S_t = S_{t-1} + phi(k_t) v_t^T,  o_t = S_t^T phi(q_t)`
#[rule]
pub fn linear_attention_elu(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s += outer(elu(k) + 1, v);
    s.read(elu(q) + 1)
}

/// The paper's own form: a second, vector memory sums the keys, so that the weights of the past sum to one.
/// Katharopoulos, Vyas, Pappas, Fleuret 2020, arXiv 2006.16236.
///
/// `S_t = S_{t-1} + phi(k_t) v_t^T,  z_t = z_{t-1} + phi(k_t),  o_t = S_t^T phi(q_t) / (z_t . phi(q_t))`
#[rule]
pub fn linear_attention_normalised(
    mut s: State<K, V>,
    mut z: State<K>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
) -> Vector<V> {
    let phi_q = elu(q) + 1;
    let phi_k = elu(k) + 1;
    s += outer(phi_k, v);
    z += phi_k;
    s.read(phi_q) / dot(z, phi_q)
}
