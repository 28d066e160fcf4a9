use chunkwise::prelude::*;

/// Raw decays of either sign and every size down to 1e-30.
#[rule]
fn tiny(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    rows: Vector<K>,
    columns: Vector<V>,
    whole: Scalar,
) -> Vector<V> {
    s *= rows;
    s += outer(0.5 * k, v - s.read(k));
    s *= columns;
    let p = s.read(q);
    s *= whole;
    s += outer(k, v);
    p + s.read(q)
}
