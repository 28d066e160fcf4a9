use chunkwise::prelude::*;

/// Two states that share no dim in the same role, and an output of each.
#[rule]
fn two_shapes(
    mut s: State<K, V>,
    mut t: State<V, D>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    x: Vector<D>,
    f: Vector<V>,
) -> (Vector<V>, Vector<D>) {
    let u = l2norm(v);
    s *= sigmoid(f);
    t *= sigmoid(f);
    s += outer(k, v);
    t += outer(0.5 * u, x - t.read(u));
    (s.read(q), t.read(u))
}
