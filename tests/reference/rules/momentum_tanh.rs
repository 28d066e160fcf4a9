use chunkwise::prelude::*;

/// Momentum with a saturating error; the output reads both states.
#[rule]
fn momentum_tanh(
    mut s: State<K, V>,
    mut m: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    eta: Scalar,
    alpha: Scalar,
    theta: Scalar,
) -> Vector<V> {
    m = eta * m + outer(theta * k, tanh(v - s.read(k)));
    s = alpha * s + m;
    s.read(q) + 0.1 * m.read(q)
}
