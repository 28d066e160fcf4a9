use chunkwise::prelude::*;

/// Two loops, one inside the other, and a local name that the inner one shadows.
#[rule]
fn nested_loops(
    mut s: State<K, V>,
    q: Vector<K>,
    k: [Vector<K>; 2],
    v: Vector<V>,
    c: [Scalar; 3],
    alpha: Scalar,
) -> Vector<V> {
    let x = v;
    for i in 0..2 {
        s *= sigmoid(alpha);
        for j in 0..3 {
            let x = x - s.read(k[i]);
            s += c[j] * outer(k[i], x);
        }
    }
    s.read(q) + x
}
