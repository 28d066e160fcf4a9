/// Feedback that mixes the channels of a row, with two reads and a key-wise decay.
#[rule]
fn rows(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Vector<K>) -> Vector<V> {
    s *= exp(g);
    let p = s.read(k);
    s += outer(k, softmax(v - p) * dot(p, s.read(q)));
    s.read(q)
}
