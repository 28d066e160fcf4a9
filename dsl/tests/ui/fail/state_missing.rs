use chunkwise::rule;

#[rule]
fn f(q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    dot(q, k) * v
}

fn main() {}
