use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s += outer(k * v, v);
    s += outer(k, v + k);
    s += outer(k, max(v, k));
    s.read(q)
}

fn main() {}
