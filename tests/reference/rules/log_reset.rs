use chunkwise::prelude::*;

/// A log decay that is sometimes minus infinity: the memory is emptied.
#[rule]
fn log_reset(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    g: Scalar,
    beta: Scalar,
) -> Vector<V> {
    s *= exp(g);
    s += outer(beta * k, v - s.read(k));
    s.read(q)
}
