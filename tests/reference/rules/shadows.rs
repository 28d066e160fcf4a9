use chunkwise::prelude::*;

/// Shadowed names, repeated reads, a read after each write, sums of writes, decays twice.
#[rule]
fn shadows(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    b: Vector<K>,
    v: Vector<V>,
    w: Vector<V>,
    c: Scalar,
    g: Scalar,
) -> Vector<V> {
    let x = s.read(q);
    s *= exp(g);
    s += c * outer(k, v) + outer(0.3 * b, w - s.read(b));
    let x = x + s.read(q);
    s = s - outer(0.2 * k, s.read(k));
    let x = x + 2 * s.read(q);
    s -= 0.5 * outer(b, v) - outer(0.1 * k, x);
    s *= 0.9;
    let k = k + b;
    x + s.read(k) + s.read(k) * s.read(k)
}
