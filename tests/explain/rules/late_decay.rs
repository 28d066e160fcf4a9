/// The state decays after the write, by a raw factor that may be 0 or negative.
#[rule]
fn late_decay(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, d: Scalar) -> Vector<V> {
    s += outer(k, v);
    let y = s.read(q);
    s *= d;
    y
}
