use chunkwise::prelude::*;

/// Log decays of every size on both sides, from one part in a million to a thousand.
#[rule]
fn steep(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    rows: Vector<K>,
    columns: Vector<V>,
    whole: Scalar,
) -> Vector<V> {
    s *= exp(rows);
    s += outer(0.5 * k, v - s.read(k));
    s *= exp(columns);
    s *= exp(whole);
    s.read(q)
}
