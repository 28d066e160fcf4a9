use chunkwise::prelude::*;

/// Affine assignments in every spelling: the factor on the right, a quotient, a minus, a sum that is scaled as a whole.
#[rule]
fn assignments(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    rows: Vector<K>,
    columns: Vector<V>,
    beta: Scalar,
) -> Vector<V> {
    s = outer(k, v) - s;
    s = (s - outer(beta * k, s.read(k))) * 0.9;
    s = s / 2 + s * 0.25;
    s = rows * s * columns + outer(k, v) * beta;
    s = -(s + outer(k, v));
    s = s + 0.5 * (outer(q, v) - s);
    s.read(q)
}
