use chunkwise::prelude::*;

/// A normaliser that is contracted, and the quotient it is for.
#[rule]
fn ratio(
    mut s: State<K, V>,
    mut z: State<K>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    f: Scalar,
) -> Vector<V> {
    let q = exp(0.5 * q);
    let k = elu(k) + 1;
    s = sigmoid(f) * s + outer(k, v);
    z = sigmoid(f) * z + k;
    s.read(q) / max(abs(dot(z, q)), 1)
}
