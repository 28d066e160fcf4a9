//! RWKV-7 (Goose): a diagonal decay plus a rank-one correction that reads the memory before it decays.
//!
//! Peng, Zhang, Goldstein, Alcaide, Du, Hou et al. 2025, "RWKV-7 Goose with Expressive Dynamic State Evolution",
//! arXiv 2503.14456, equations 16 to 18. `kk` is the removal key, `k` the replacement key, `a` the in-context learning
//! rate; the log decay `w` is `-exp(-0.5) sigmoid(..)` in the published models.

use crate::catalogue::{Entry, Family};
use chunkwise_macros::rule;

pub(crate) const ENTRIES: &[Entry] =
    &[Entry::works("rwkv7", "RWKV-7 (Goose)", Family::Delta, "Peng et al. 2025, arXiv 2503.14456", rwkv7)];

/// What the unit key `kappa^` recalls is removed, at a rate of its own for every channel.
/// Peng et al. 2025, arXiv 2503.14456.
///
/// `S_t = S_{t-1} (diag(w_t) - kappa^_t^T (a_t * kappa^_t)) + v_t^T k~_t,  o_t = S_t r_t^T`, with `exp(w)` the decay
#[rule]
pub fn rwkv7(
    mut s: State<K, V>,
    r: Vector<K>,
    w: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    kk: Vector<K>,
    #[range(0.0..=1.0)] a: Vector<K>,
) -> Vector<V> {
    let kappa = l2norm(kk);
    let recall = s.read(kappa);
    s *= exp(w);
    s -= outer(a * kappa, recall);
    s += outer(k, v);
    s.read(r)
}
