use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar) -> Vector<V> {
    s *= exp(g, 2);
    s += outer(k);
    s += outer(max(k), v);
    s.read(q)
}

fn main() {}
