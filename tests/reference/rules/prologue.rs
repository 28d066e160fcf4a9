use chunkwise::prelude::*;

/// Every function of the language that can stand before the state.
#[rule]
fn prologue(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    f: Vector<K>,
    dt: Scalar,
    rate: PerHead<Vector<K>>,
) -> Vector<V> {
    let key = l2norm(silu(k));
    let query = softmax(q) + gelu(f) - relu(q);
    let step = softplus(dt);
    let d = exp(-step * exp(rate)) * sigmoid(f + 2);
    let value = elu(v) - log_sigmoid(v) + log(1 + square(v)) * tanh(v);
    let beta = sigmoid(sum(k) / sqrt(dim(K)));
    s *= d;
    s += outer(beta * key, value * rsqrt(1 + dot(v, v)) - s.read(key));
    s.read(query * max(k, f) + min(abs(k), 2 * step) / (1 + square(f)))
}
