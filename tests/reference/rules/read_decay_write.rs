use chunkwise::prelude::*;

/// One assignment: the read sees the state before the decay. The decay is raw and may be negative.
#[rule]
fn read_decay_write(
    mut s: State<K, V>,
    q: Vector<K>,
    a: Vector<K>,
    b: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    alpha: Scalar,
) -> Vector<V> {
    s = alpha * s + outer(0.5 * b, s.read(a)) + outer(k, v);
    s.read(q)
}
