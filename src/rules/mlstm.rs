//! mLSTM: exponential input gates over a matrix memory and its normaliser.
//!
//! Beck, Poppel, Spanring, Auer, Prudnikova, Kopp, Klambauer, Brandstetter, Hochreiter 2024, "xLSTM", arXiv 2405.04517,
//! equations 19 to 27. Its unbounded `exp(i)` needs a running maximum, which is no affine state; xLSTM 7B (Beck et al.
//! 2025, arXiv 2503.13427) caps the gates smoothly at 15, and then plain arithmetic is enough.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] = &[
    Entry::waits(
        "mlstm",
        "mLSTM (xLSTM)",
        Family::Additive,
        "Beck et al. 2024, arXiv 2405.04517",
        "needs its max-stabiliser: m_t = max(log f_t + m_{t-1}, i_t) is not affine; mlstm_capped needs none",
    ),
    Entry::works(
        "mlstm_capped",
        "mLSTM with capped gates (xLSTM 7B)",
        Family::Additive,
        "Beck et al. 2025, arXiv 2503.13427",
        mlstm_capped,
    ),
];

/// The memory and its normaliser share an exponential input gate and a sigmoid forget gate, both capped at 15.
/// Beck et al. 2025, arXiv 2503.13427 (the cap); Beck et al. 2024, arXiv 2405.04517 (the cell).
///
/// `C_t = f_t C_{t-1} + i_t v_t k_t^T,  n_t = f_t n_{t-1} + i_t k_t,  h_t = C_t q_t / max(|n_t . q_t|, 1)`,
/// with `i_t = exp(cap(i))`, `f_t = sigmoid(cap(f))`, `cap(x) = 15 tanh(x / 15)` and `q` scaled by `1/sqrt(K)`
#[rule]
pub fn mlstm_capped(
    mut c: State<K, V>,
    mut n: State<K>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    i: Scalar,
    f: Scalar,
) -> Vector<V> {
    let query = rsqrt(dim(K)) * q;
    let input = exp(15.0 * tanh(i / 15.0));
    let forget = log_sigmoid(15.0 * tanh(f / 15.0));
    c *= exp(forget);
    n *= exp(forget);
    c += outer(input * k, v);
    n += input * k;
    c.read(query) / max(abs(dot(n, query)), 1.0)
}
