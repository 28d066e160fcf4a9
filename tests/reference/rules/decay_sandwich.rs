use chunkwise::prelude::*;

/// Write, decay by row, correct, decay by column, read, decay as a whole, write.
#[rule]
fn decay_sandwich(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    b: Vector<K>,
    v: Vector<V>,
    rows: Vector<K>,
    columns: Vector<V>,
    whole: Scalar,
) -> Vector<V> {
    s += outer(b, v);
    s *= exp(rows);
    s += outer(0.5 * k, v - s.read(k));
    s *= exp(columns);
    let o = s.read(q);
    s *= whole;
    s += outer(k, o - v);
    o
}
