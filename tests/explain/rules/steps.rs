//! Several steps a token whose feedback is not linear.

/// Corrections that are bounded, with a normaliser, twice a token.
#[rule]
fn bounded_steps(
    mut s: State<K, V>,
    mut z: State<K>,
    q: Vector<K>,
    k: [Vector<K>; 2],
    v: [Vector<V>; 2],
    keep: Vector<K>,
    rate: PerHead<Scalar>,
) -> Vector<V> {
    let keep = sigmoid(keep);
    s *= keep;
    z *= keep;
    for j in 0..2 {
        let key = l2norm(k[j]);
        s += outer(sigmoid(rate) * key, tanh(v[j] - s.read(key)));
        z += key;
    }
    s.read(q) / max(abs(dot(z, q)), 1)
}
