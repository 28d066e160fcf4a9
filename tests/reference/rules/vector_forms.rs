use chunkwise::prelude::*;

/// One vector state is contracted and read whole, another learns by the delta rule; products of reads go out.
#[rule]
fn vector_forms(
    mut y: State<K>,
    mut z: State<K>,
    q: Vector<K>,
    k: Vector<K>,
    x: Scalar,
    d: Vector<K>,
) -> (Vector<K>, Scalar, Scalar) {
    y = sigmoid(d) * y + 0.5 * k;
    z += k * (x - dot(z, k));
    y += 0.1 * (q - y * dot(y, k));
    (y * y, dot(y, q), dot(z, q) * sum(y))
}
