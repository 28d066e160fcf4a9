use chunkwise::prelude::*;

/// Each column forgets at its own pace; the output sees the state before and after the token.
#[rule]
fn value_decay(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    h: Vector<V>,
) -> (Vector<V>, Vector<V>) {
    let before = s.read(q);
    s *= exp(h);
    s += outer(k, v);
    (before, s.read(q) - before)
}
