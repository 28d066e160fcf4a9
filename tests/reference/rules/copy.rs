use chunkwise::prelude::*;

/// A state that is the other one, one token late.
#[rule]
fn copy(
    mut s: State<K, V>,
    mut late: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    g: Scalar,
) -> (Vector<V>, Vector<V>) {
    late = s;
    s = exp(g) * s + outer(k, v - late.read(k));
    (s.read(q), late.read(q))
}
