use chunkwise::prelude::*;

/// A plain gated rule; the test gives each tensor another number of heads.
#[rule]
fn grouped(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    g: Scalar,
    beta: [Scalar; 2],
    rate: PerHead<Scalar>,
    gain: PerHead<Vector<V>>,
) -> Vector<V> {
    s *= exp(g * rate);
    s += outer(beta[0] * k, v - beta[1] * s.read(k));
    gain * s.read(q)
}
