/// Two states that rotate into each other: the masks are products of two by two matrices.
#[rule]
fn exchange(
    mut s: State<K, V>,
    mut m: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    a: Scalar,
    b: Scalar,
) -> (Vector<V>, Vector<V>) {
    s += outer(k, v);
    s = a * s + b * m;
    m = a * m - 0.1 * s;
    (s.read(q), m.read(q))
}
