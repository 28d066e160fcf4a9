use chunkwise::prelude::*;

/// Two decays that do not depend on the token: a literal, and one a head. The write comes before the second.
#[rule]
fn constant_decay(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    rate: PerHead<Scalar>,
) -> Vector<V> {
    s *= 0.95;
    s += outer(k, v);
    s *= exp(-exp(rate));
    s.read(q) / dim(K)
}
