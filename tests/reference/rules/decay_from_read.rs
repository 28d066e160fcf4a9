use chunkwise::prelude::*;

/// How much is forgotten depends on what is remembered: the token loop is the only plan.
#[rule(recurrent)]
fn decay_from_read(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
) -> (Vector<V>, Scalar) {
    let p = s.read(k);
    let f = sigmoid(dot(p, v));
    s *= f;
    s += outer(k, v - p);
    (s.read(q), f)
}
