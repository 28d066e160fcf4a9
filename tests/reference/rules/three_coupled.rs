use chunkwise::prelude::*;

/// A chain of three states, the last of which steers the first.
#[rule]
fn three_coupled(
    mut a: State<K, V>,
    mut b: State<K, V>,
    mut c: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    x: Scalar,
    y: Scalar,
) -> Vector<V> {
    a = x * a + outer(0.5 * k, v - c.read(k));
    b = y * b + 0.5 * a;
    c = 0.5 * c + b - 0.25 * a;
    c.read(q) + 0.5 * b.read(k)
}
