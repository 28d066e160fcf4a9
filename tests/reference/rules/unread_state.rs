use chunkwise::prelude::*;

/// One state is never read: its final value is what it is for.
#[rule]
fn unread_state(
    mut s: State<K, V>,
    mut z: State<K>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    f: Vector<K>,
) -> Vector<V> {
    s += outer(k, v - s.read(k));
    z *= sigmoid(f);
    z += k * f;
    s.read(q)
}
