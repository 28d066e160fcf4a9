use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar) -> Vector<V> {
    s *= sum(g);
    s += outer(softmax(g) * k, l2norm(s) * v);
    s.read(q)
}

fn main() {}
