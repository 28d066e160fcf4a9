use chunkwise::prelude::*;

/// A vector state that is read whole, beside a matrix state; two outputs of different dims.
#[rule]
fn bare_vector(
    mut s: State<K, V>,
    mut z: State<K>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    g: Vector<K>,
) -> (Vector<V>, Vector<K>) {
    s *= exp(g);
    z *= exp(g);
    s += outer(k, v);
    z += 0.1 * k;
    (s.read(q), q * z / (1 + square(z)))
}
