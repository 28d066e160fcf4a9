/// A function applied to the state itself: no chunkwise form.
#[rule(recurrent)]
fn recurrent(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s = tanh(s);
    s += outer(k, v);
    s.read(q)
}
