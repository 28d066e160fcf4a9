use chunkwise::prelude::*;

/// Two states multiply element by element: the token loop is the only plan.
#[rule(recurrent)]
fn product_of_states(
    mut s: State<K, V>,
    mut t: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
) -> Vector<V> {
    t = 0.9 * t + outer(k, tanh(v));
    s = 0.5 * s + 0.1 * (s * t) + outer(k, v);
    s.read(q)
}
