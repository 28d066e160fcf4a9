use chunkwise::prelude::*;

/// Momentum whose error is read from the look-ahead of the two states.
#[rule]
fn momentum_linear(
    mut s: State<K, V>,
    mut m: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    eta: Scalar,
    alpha: Scalar,
    theta: Scalar,
) -> Vector<V> {
    let ahead = s.read(k) + 0.5 * m.read(k);
    m = eta * m + outer(theta * k, v - ahead);
    s = alpha * s + 0.5 * m;
    s.read(q)
}
