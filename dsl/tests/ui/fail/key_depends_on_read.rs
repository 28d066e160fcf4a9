use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, mut t: State<V, K>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s += outer(t.read(v), v);
    t += outer(s.read(k), k);
    s.read(q)
}

fn main() {}
