use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s += outer(k, k);
    s += outer(dot(q, k), v);
    s.read(q)
}

fn main() {}
