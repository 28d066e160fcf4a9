/// The output reads with the key that the delta rule reads and writes with: one Gram matrix under two masks.
#[rule]
fn shared(mut s: State<K, V>, k: Vector<K>, v: Vector<V>, g: Scalar, beta: Scalar) -> Vector<V> {
    s *= exp(g);
    s += outer(beta * k, v - s.read(k));
    s.read(k)
}
