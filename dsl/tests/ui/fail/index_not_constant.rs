use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 2], v: Vector<V>, j: Scalar) -> Vector<V> {
    s += outer(k[j], v);
    s += outer(k[0.5], v);
    s.read(q)
}

fn main() {}
