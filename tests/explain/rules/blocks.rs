/// Two different steps a token, both with linear feedback: erase along one key, decay, write along another.
/// The blocks of one solve, interleaved in token order.
#[rule]
fn blocks(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    e: Vector<K>,
    alpha: Scalar,
    beta: Scalar,
    g: Vector<K>,
) -> Vector<V> {
    let p = s.read(e);
    s -= outer(alpha * e, p);
    s *= exp(g);
    s += outer(beta * k, v - 0.5 * s.read(k) + 0.25 * p);
    s.read(q) + 0.2 * p
}
