use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, s0: Vector<K>, ds: Vector<V>, o: Scalar, dq: Scalar, cu_seqlens: Scalar) -> Vector<V> {
    s += outer(o * s0, dq * ds);
    s.read(cu_seqlens * q)
}

fn main() {}
