use chunkwise::prelude::*;

/// Decays so close to 1 that their gradient is a small difference of large sums if taken carelessly.
#[rule]
fn near_one(
    mut s: State<K, V>,
    mut t: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    rows: Vector<K>,
    columns: Vector<V>,
    whole: Scalar,
    half: Scalar,
) -> (Vector<V>, Vector<V>) {
    s *= exp(rows);
    s *= exp(columns);
    s += outer(k, v - s.read(k));
    t *= exp(whole);
    t *= exp(half);
    t += outer(k, v);
    (s.read(q), t.read(q) / 10)
}
