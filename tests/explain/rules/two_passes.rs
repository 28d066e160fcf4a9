/// Two memories: what the first recalls, through a softmax, is the query of the second (gated slot attention).
#[rule]
fn two_passes(
    mut a: State<K, M>,
    mut b: State<M, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    slot: Vector<M>,
    g: Vector<M>,
) -> Vector<V> {
    a *= exp(g);
    a += outer(k, slot);
    b *= exp(g);
    b += outer(slot, v);
    b.read(softmax(a.read(q)))
}
