use chunkwise::prelude::*;

/// A loop that does not start at 0, an array of one, a declared range.
#[rule]
fn from_one(
    mut s: State<K, V>,
    q: [Vector<K>; 1],
    k: [Vector<K>; 4],
    v: Vector<V>,
    #[range(0.0..=1.0)] beta: Scalar,
) -> Vector<V> {
    s *= 0.9;
    s += outer(k[0], v);
    for j in 1..4 {
        s += outer(beta * k[j], v / j - s.read(k[j]));
    }
    s.read(q[0])
}
