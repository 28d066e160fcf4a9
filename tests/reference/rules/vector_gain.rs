use chunkwise::prelude::*;

/// The gain of the error differs by channel.
#[rule]
fn vector_gain(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    w: Vector<V>,
    g: Scalar,
) -> Vector<V> {
    s *= exp(g);
    s += outer(k, sigmoid(w) * (v - s.read(k)));
    s.read(q)
}
