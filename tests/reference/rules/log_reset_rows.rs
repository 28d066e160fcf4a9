use chunkwise::prelude::*;

/// Single rows are emptied by a log decay of minus infinity, between a read and the write that uses it.
#[rule]
fn log_reset_rows(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    a: Vector<K>,
    v: Vector<V>,
    g: Vector<K>,
) -> Vector<V> {
    let p = s.read(k);
    s *= exp(g);
    s += outer(0.5 * a, v - p);
    s.read(q)
}
