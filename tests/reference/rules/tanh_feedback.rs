use chunkwise::prelude::*;

/// The prediction saturates.
#[rule]
fn tanh_feedback(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    g: Vector<K>,
    beta: Scalar,
) -> Vector<V> {
    s *= exp(g);
    s += outer(beta * k, v - tanh(s.read(k)));
    s.read(q)
}
