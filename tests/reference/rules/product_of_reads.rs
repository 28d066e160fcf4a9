use chunkwise::prelude::*;

/// One read gates another inside the write.
#[rule]
fn product_of_reads(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    g: Scalar,
    beta: Scalar,
) -> Vector<V> {
    s *= exp(g);
    let p = s.read(k);
    let gate = sigmoid(s.read(q));
    s += outer(beta * k, v - p * gate);
    s.read(q) * gate
}
