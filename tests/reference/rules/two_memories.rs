use chunkwise::prelude::*;

/// Two memories with different keys: each corrects what the other predicts.
#[rule]
fn two_memories(
    mut a: State<K, V>,
    mut b: State<D, V>,
    q: Vector<K>,
    k: Vector<K>,
    r: Vector<D>,
    v: Vector<V>,
    g: Scalar,
    beta: Scalar,
) -> (Vector<V>, Vector<V>) {
    a *= exp(g);
    b *= 0.9;
    let p = a.read(k);
    let n = b.read(r);
    b += outer(0.5 * beta * r, p - n);
    a += outer(0.5 * beta * k, v - 0.5 * n - 0.5 * p);
    (a.read(q), b.read(r))
}
