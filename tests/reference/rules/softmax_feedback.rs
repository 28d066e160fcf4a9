use chunkwise::prelude::*;

/// The prediction is a distribution; the step is its error, and a scalar of the row steers it too.
#[rule]
fn softmax_feedback(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    g: Vector<K>,
    beta: Scalar,
) -> (Vector<V>, Scalar) {
    s *= exp(g);
    let p = s.read(k);
    let step = sigmoid(dot(p, v));
    s += outer(beta * k, step * (softmax(v) - softmax(p)));
    (softmax(s.read(q)), step)
}
