#[rule]
fn linear(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s += outer(k, v);
    s.read(q)
}

#[rule]
fn gated_deltanet(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, beta: Scalar) -> Vector<V> {
    let k = l2norm(k);
    s *= exp(-softplus(g));
    s += outer(sigmoid(beta) * k, v - s.read(k));
    s.read(q)
}

#[rule]
fn two_sided(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, d: Vector<K>, e: Vector<V>) -> Vector<V> {
    s *= sigmoid(d);
    s *= sigmoid(e);
    s += outer(l2norm(k), v - s.read(l2norm(k)));
    s.read(q)
}

#[rule]
fn value_between(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, e: Vector<V>) -> Vector<V> {
    let p = s.read(l2norm(k));
    s *= sigmoid(e);
    s += outer(l2norm(k), v - p);
    silu(s.read(q)) * v
}

#[rule]
fn rwkv7(mut s: State<K, V>, r: Vector<K>, w: Vector<K>, k: Vector<K>, v: Vector<V>, a: Vector<K>, b: Vector<K>) -> Vector<V> {
    let p = s.read(l2norm(b));
    s *= exp(-exp(w));
    s += outer(a, 0.3 * p) + outer(k, v);
    s.read(r)
}

#[rule]
fn delta_product(mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 3], v: [Vector<V>; 3], beta: [Scalar; 3], g: PerHead<Scalar>) -> Vector<V> {
    s *= sigmoid(g);
    for j in 0..3 {
        let kj = l2norm(k[j]);
        s += outer(2 * sigmoid(beta[j]) * kj, v[j] - s.read(kj));
    }
    s.read(q * rsqrt(dim(K)))
}

#[rule]
fn normalised(mut s: State<K, V>, mut z: State<K>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    let k = elu(k) + 1.0;
    let q = elu(q) + 1.0;
    s += outer(k, v);
    z += k;
    s.read(q) / max(abs(dot(z, q)), 3.0)
}

#[rule]
fn momentum(mut s: State<K, V>, mut m: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, eta: Scalar, theta: Scalar, alpha: Scalar) -> Vector<V> {
    let k = l2norm(k);
    let p = s.read(k);
    m = sigmoid(eta) * m + outer(sigmoid(theta) * k, v - p);
    s = sigmoid(alpha) * s + m;
    s.read(q)
}

#[rule]
fn keyed_mix(mut s: State<K, V>, mut m: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, w: Vector<K>) -> Vector<V> {
    m += outer(k, v);
    s = sigmoid(w) * s + (1 - sigmoid(w)) * m;
    s.read(q) - 0.5 * m.read(k)
}

#[rule]
fn tanh_feedback(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, w: Vector<V>, g: Scalar) -> Vector<V> {
    s *= exp(-softplus(g));
    s += outer(l2norm(k), w * (v - tanh(s.read(l2norm(k)))));
    s.read(q)
}

#[rule]
fn row_mixing(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, beta: Scalar) -> Vector<V> {
    let p = s.read(l2norm(k));
    s *= 0.9;
    s += outer(sigmoid(beta) * l2norm(k), v - l2norm(p) - 0.1 * softmax(p));
    gelu(s.read(q))
}

#[rule]
fn elementwise(mut h: State<D>, x: Vector<D>, f: Vector<D>, c: PerHead<Vector<D>>) -> Vector<D> {
    let f = sigmoid(f);
    h = f * h + (1 - f) * x;
    silu(c * h)
}

#[rule]
fn max_state(mut m: State<D>, mut n: State<D>, x: Vector<D>, f: Vector<D>) -> (Vector<D>, Scalar) {
    m = max(f + m, x);
    n = 0.5 * n + tanh(m) * x;
    (n, sum(m * x) / dim(D))
}

#[rule]
fn raw_decays(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, d: Vector<K>, c: Scalar) -> (Vector<V>, Scalar) {
    s *= d;
    s *= relu(c);
    s -= outer(k, v) - 0.25 * outer(q, v);
    (s.read(q), dot(s.read(k), v))
}

#[rule]
fn read_twice(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, b: Scalar) -> Vector<V> {
    let before = s.read(q);
    s = tanh(b) * s - outer(k, 0.1 * s.read(k) + v) / 2;
    let between = s.read(q);
    s *= -0.5;
    before + 2 * between + s.read(q)
}

#[rule]
fn two_states(mut a: State<K, V>, mut b: State<V, M>, q: Vector<K>, k: Vector<K>, v: Vector<V>, w: Vector<M>) -> Vector<M> {
    a += outer(k, v - 0.2 * a.read(l2norm(k)));
    b *= 0.8;
    b += outer(l2norm(v), w - b.read(l2norm(v)) * sum(a.read(q)) * 0.1);
    b.read(v)
}

#[rule]
fn two_passes(mut a: State<K, M>, mut b: State<M, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, w: Vector<M>) -> Vector<V> {
    a += outer(k, w);
    b *= 0.9;
    b += outer(w, v);
    b.read(softmax(a.read(q)))
}

#[rule]
fn vector_delta(mut z: State<K>, k: Vector<K>, x: Scalar) -> Scalar {
    let k = l2norm(k);
    z *= 0.95;
    z += k * (x - dot(z, k));
    dot(z, k)
}

#[rule]
fn resets(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar) -> Vector<V> {
    s *= min(relu(g), 1.0);
    s += outer(k, v);
    let o = s.read(q);
    s = outer(k, o);
    o + s.read(k)
}

#[rule(recurrent)]
fn squashed(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s = tanh(s + outer(k, v));
    s *= sigmoid(dot(s.read(q), v));
    s.read(q)
}
