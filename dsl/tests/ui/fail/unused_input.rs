use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, beta: Scalar) -> Vector<V> {
    s += outer(k, v);
    s.read(q)
}

fn main() {}
