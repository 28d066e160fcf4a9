use chunkwise::prelude::*;

/// Outputs of every kind: gated, normalised, scalar, of the key's dim, and one that reads nothing.
#[rule]
fn epilogue(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    gate: Vector<V>,
    g: Scalar,
    skip: PerHead<Scalar>,
) -> (Vector<V>, Scalar, Vector<K>, Scalar, Vector<V>) {
    s *= exp(g);
    s += outer(k, v);
    let r = s.read(q);
    let n = l2norm(r) * dim(V);
    (silu(gate) * n + skip * v, dot(r, gate), k * sum(tanh(r)), log(1 + square(skip)), softplus(v))
}
