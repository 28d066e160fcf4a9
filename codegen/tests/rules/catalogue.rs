//! Rules of the literature, as the kernel tests compile them.

/// Linear attention.
#[rule]
fn linear_attention(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s += outer(k, v);
    s.read(q)
}

/// Linear attention with a feature map and a normaliser.
#[rule]
fn normalised(mut s: State<K, V>, mut z: State<K>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    let fk = elu(k) + 1;
    let fq = elu(q) + 1;
    s += outer(fk, v);
    z += fk;
    s.read(fq) / (dot(z, fq) + 1e-6)
}

/// RetNet: a decay for each head.
#[rule]
fn retnet(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, gamma: PerHead<Scalar>) -> Vector<V> {
    s *= gamma;
    s += outer(k, v);
    s.read(q)
}

/// Mamba-2.
#[rule]
fn mamba2(
    mut s: State<K, V>,
    x: Vector<V>,
    b: Vector<K>,
    c: Vector<K>,
    dt: Scalar,
    bias: PerHead<Scalar>,
    a: PerHead<Scalar>,
    d: PerHead<Scalar>,
) -> Vector<V> {
    let step = softplus(dt + bias);
    s *= exp(-exp(a) * step);
    s += outer(step * b, x);
    s.read(c) + d * x
}

/// Gated linear attention.
#[rule]
fn gla(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Vector<K>) -> Vector<V> {
    s *= exp(g);
    s += outer(k, v);
    s.read(q)
}

/// RWKV-6: a bonus for the current token.
#[rule]
fn rwkv6(
    mut s: State<K, V>,
    r: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    w: Vector<K>,
    u: PerHead<Vector<K>>,
) -> Vector<V> {
    let o = s.read(r) + dot(r, u * k) * v;
    s *= exp(-exp(w));
    s += outer(k, v);
    o
}

/// DeltaNet.
#[rule]
fn delta(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, beta: Scalar) -> Vector<V> {
    let key = l2norm(k);
    s += outer(beta * key, v - s.read(key));
    s.read(l2norm(q))
}

/// Gated DeltaNet.
#[rule]
fn gated_delta(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    g: Scalar,
    beta: Scalar,
) -> Vector<V> {
    s *= exp(g);
    s += outer(beta * k, v - s.read(k));
    s.read(q)
}

/// KDA: a decay for each key channel.
#[rule]
fn kda(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    g: Vector<K>,
    beta: Scalar,
) -> Vector<V> {
    s *= exp(g);
    s += outer(beta * k, v - s.read(k));
    s.read(q)
}

/// RWKV-7: a read before the decay.
#[rule]
fn rwkv7(
    mut s: State<K, V>,
    r: Vector<K>,
    w: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    a: Vector<K>,
    b: Vector<K>,
) -> Vector<V> {
    let p = s.read(a);
    s *= exp(-exp(w));
    s += outer(b, p) + outer(k, v);
    s.read(r)
}

/// Gated DeltaProduct of three Householder steps.
#[rule]
fn gated_delta_product(
    mut s: State<K, V>,
    q: Vector<K>,
    k: [Vector<K>; 3],
    v: [Vector<V>; 3],
    beta: [Scalar; 3],
    g: Scalar,
) -> Vector<V> {
    s *= exp(g);
    for j in 0..3 {
        s += outer(beta[j] * k[j], v[j] - s.read(k[j]));
    }
    s.read(q)
}

/// Momentum delta: two states coupled by scalars.
#[rule]
fn momentum(
    mut s: State<K, V>,
    mut m: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    alpha: Scalar,
    eta: Scalar,
    beta: Scalar,
) -> Vector<V> {
    m = eta * m + outer(beta * k, v - s.read(k));
    s = alpha * s + m;
    s.read(q)
}

/// Decays on both sides.
#[rule]
fn two_sided(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    alpha: Vector<K>,
    beta: Vector<V>,
) -> Vector<V> {
    s *= sigmoid(alpha);
    s *= sigmoid(beta);
    s += outer(k, v);
    s.read(q)
}

/// HGRN: an elementwise recurrence.
#[rule]
fn hgrn(mut h: State<D>, x: Vector<D>, f: Vector<D>, g: Vector<D>) -> Vector<D> {
    let forget = sigmoid(f);
    h *= forget;
    h += (1 - forget) * silu(x);
    h * sigmoid(g)
}

/// Feedback that mixes the channels of a row.
#[rule]
fn normed_feedback(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    beta: Scalar,
) -> (Vector<V>, Scalar) {
    let e = v - s.read(k);
    s += outer(beta * k, l2norm(e));
    let o = s.read(q);
    (o * softmax(v), sum(o))
}
