use chunkwise::prelude::*;

/// Raw decays by row, of either sign, with exact zeros; a factor for each head besides.
#[rule]
fn signed_rows(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    d: Vector<K>,
    gain: PerHead<Vector<K>>,
    beta: Scalar,
) -> Vector<V> {
    s *= d * gain;
    s += outer(beta * k, v - s.read(k));
    s.read(q)
}
