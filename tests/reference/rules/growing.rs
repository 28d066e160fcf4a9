use chunkwise::prelude::*;

/// Decays that may exceed 1, in log space and raw; on the average the memory still fades.
#[rule]
fn growing(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    rows: Vector<K>,
    columns: Vector<V>,
    whole: Scalar,
) -> Vector<V> {
    s *= exp(rows);
    s *= columns;
    s += outer(0.5 * k, v - s.read(k));
    s *= whole;
    s.read(q)
}
