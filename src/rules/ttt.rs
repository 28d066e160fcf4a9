//! Test-time training: the memory is a model, trained on each token to reconstruct a view of it.
//!
//! Sun, Li, Dalal, Xu, Vikram, Zhang, Dubois, Chen, Wang, Koyejo, Hashimoto, Guestrin 2024, "Learning to (Learn at Test
//! Time): RNNs with Expressive Hidden States", arXiv 2407.04620, section 2. With an inner mini-batch of one token
//! (the paper's online gradient descent) TTT-Linear is a rule whose feedback mixes the channels of a row.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

const PAPER: &str = "Sun, Li, Dalal, Xu, Vikram et al. 2024, arXiv 2407.04620";

pub(crate) const ENTRIES: &[Entry] = &[
    Entry::works(
        "ttt_linear_online",
        "TTT-Linear, one token at a time",
        Family::Nonlinear,
        PAPER,
        ttt_linear_online,
    ),
    Entry::waits(
        "ttt_linear",
        "TTT-Linear, mini-batches",
        Family::MiniBatch,
        PAPER,
        "all gradients of a mini-batch are taken at its start: needs reads of a state older than the token",
    ),
    Entry::waits(
        "ttt_mlp",
        "TTT-MLP",
        Family::MiniBatch,
        PAPER,
        "its memory is a two-layer network: needs gradients through layers, taken once per mini-batch",
    ),
];

/// One gradient step per token on `1/2 |gamma * LN(W^T k) + bias - target|^2`, where `target = v - k` is what the
/// residual leaves to learn; the residual `+ q` of the output belongs to the caller.
/// Sun, Li, Dalal, Xu, Vikram et al. 2024, arXiv 2407.04620.
///
/// `W_t = W_{t-1} - eta_t grad l(W_{t-1}; x_t),  l(W; x) = |f(theta_K x; W) - theta_V x|^2,  f(x; W) = x + LN(W x)`
#[rule]
pub fn ttt_linear_online(
    mut w: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    target: Vector<V>,
    eta: Scalar,
    gamma: PerHead<Vector<V>>,
    bias: PerHead<Vector<V>>,
) -> Vector<V> {
    // The forward pass of the inner model at the key: p = W^T k, z = LN(p).
    let p = w.read(k);
    let centred = p - sum(p) / dim(V);
    let rstd = rsqrt(sum(square(centred)) / dim(V) + 1e-6);
    let z = rstd * centred;
    // The gradient of its loss with respect to p, through the layer norm.
    let e = gamma * (gamma * z + bias - target);
    let gradient = rstd * (e - sum(e) / dim(V) - z * (sum(e * z) / dim(V)));
    w -= outer(eta * k, gradient);
    // The updated model at the query.
    let y = w.read(q);
    let y_centred = y - sum(y) / dim(V);
    gamma * (rsqrt(sum(square(y_centred)) / dim(V) + 1e-6) * y_centred) + bias
}
