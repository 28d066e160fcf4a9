use chunkwise::prelude::*;

/// Two states change places, by sums and differences alone, then one learns from the other.
#[rule]
fn swap(
    mut a: State<K, V>,
    mut b: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    f: Scalar,
) -> Vector<V> {
    a = a + b;
    b = a - b;
    a = a - b;
    a *= 0.9;
    b *= sigmoid(f);
    a += outer(0.5 * k, v - a.read(k) + 0.1 * b.read(q));
    a.read(q)
}
