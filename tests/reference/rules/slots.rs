use chunkwise::prelude::*;

/// Slots with keys and values of their own; what the first state says picks the slots of the second.
#[rule]
fn slots(
    mut a: State<K, D>,
    mut b: State<D, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    w: Vector<D>,
    g: Scalar,
) -> Vector<V> {
    a *= exp(g);
    b *= exp(g);
    a += outer(k, w);
    b += outer(w, v);
    b.read(softmax(a.read(q)))
}
