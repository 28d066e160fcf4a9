/// A value-side decay between a read and the write that uses it: its coefficient becomes one per channel.
#[rule]
fn value_decay_between(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    h: Vector<V>,
) -> Vector<V> {
    let p = s.read(k);
    s *= exp(h);
    s += outer(k, v - p);
    s.read(q)
}
