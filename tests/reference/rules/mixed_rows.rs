use chunkwise::prelude::*;

/// Momentum that enters the memory row by row, and decays by row.
#[rule]
fn mixed_rows(
    mut s: State<K, V>,
    mut m: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    eta: Vector<K>,
    alpha: Vector<K>,
    theta: Vector<K>,
) -> Vector<V> {
    m = eta * m + outer(0.5 * k, v - s.read(k));
    s = alpha * s + theta * m;
    s.read(q)
}
