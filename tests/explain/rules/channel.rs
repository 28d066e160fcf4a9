/// Feedback that keeps value channels apart, under a scalar decay.
#[rule]
fn channel(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, beta: Scalar) -> Vector<V> {
    s *= exp(g);
    s += outer(beta * k, v - tanh(s.read(k)));
    s.read(q)
}
