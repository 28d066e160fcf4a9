use chunkwise::prelude::*;

/// Only the direction of the prediction is fed back; two reads, two writes.
#[rule]
fn normalised_feedback(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    b: Vector<K>,
    v: Vector<V>,
    g: Scalar,
    beta: Scalar,
) -> Vector<V> {
    s *= exp(g);
    s += outer(beta * k, v - l2norm(s.read(k)));
    s -= outer(0.5 * b, l2norm(s.read(b)) - 0.1 * v);
    s.read(q)
}
