use chunkwise::prelude::*;

/// Three corrections a token, each after its own decay; the loop variable is also a number.
#[rule]
fn three_steps(
    mut s: State<K, V>,
    q: Vector<K>,
    k: [Vector<K>; 3],
    v: [Vector<V>; 3],
    beta: [Scalar; 3],
    g: [Scalar; 3],
) -> Vector<V> {
    for j in 0..3 {
        s *= exp(g[j] / (1 + j));
        s += outer(beta[j] * k[j], v[j] - s.read(k[j]));
    }
    s.read(q) - 0.1 * v[2]
}
