use chunkwise::prelude::*;

/// Erases along one key, decays by row, then writes along another key with a residual of both reads.
#[rule]
fn erase_then_write(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    b: Vector<K>,
    v: Vector<V>,
    g: Vector<K>,
    e: Scalar,
    beta: Scalar,
) -> Vector<V> {
    let p = s.read(b);
    s -= outer(e * b, p);
    s *= exp(g);
    let r = s.read(k);
    s += outer(beta * k, v - 0.5 * r + 0.25 * p);
    s.read(q) + 0.2 * r - 0.1 * v
}
