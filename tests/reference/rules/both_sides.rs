use chunkwise::prelude::*;

/// Rows and columns decay, and a column decay stands between the read and the write that uses it.
#[rule]
fn both_sides(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    rows: Vector<K>,
    columns: Vector<V>,
    beta: Scalar,
) -> Vector<V> {
    s *= sigmoid(rows);
    let p = s.read(k);
    s *= sigmoid(columns);
    s += outer(beta * k, v - p);
    s.read(q)
}
