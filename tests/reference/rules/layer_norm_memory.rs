use chunkwise::prelude::*;

/// The prediction goes through a layer norm with a gain and an offset of each head.
#[rule]
fn layer_norm_memory(
    mut s: State<K, V>,
    q: Vector<K>,
    k: Vector<K>,
    v: Vector<V>,
    gain: PerHead<Vector<V>>,
    offset: PerHead<Vector<V>>,
    eta: Scalar,
) -> Vector<V> {
    s *= 0.9;
    let p = s.read(k);
    let c = p - sum(p) / dim(V);
    let n = c * rsqrt(sum(square(c)) / dim(V) + 0.1);
    s += outer(0.5 * eta * k, v - gain * n - offset);
    s.read(q)
}
