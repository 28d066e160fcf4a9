use chunkwise::prelude::*;

/// Raw decays by column, of either sign, with exact zeros, in a plain and a delta write.
#[rule]
fn signed_columns(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    b: Vector<K>,
    v: Vector<V>,
    w: Vector<V>,
    d: Vector<V>,
) -> Vector<V> {
    s += outer(b, w);
    s *= d;
    s += outer(k, v - s.read(k));
    s.read(q)
}
