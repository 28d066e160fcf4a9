use chunkwise::prelude::*;

/// The memory is replaced at each token by what it says of itself; nothing of it is kept as it was.
#[rule]
fn overwrite(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    b: Vector<K>,
    v: Vector<V>,
) -> (Vector<V>, Vector<V>) {
    let before = s.read(q);
    s = outer(k, v - 0.5 * s.read(b)) + outer(b, tanh(s.read(k)));
    (before, s.read(q))
}
