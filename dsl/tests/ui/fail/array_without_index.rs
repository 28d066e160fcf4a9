use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 2], v: Vector<V>) -> Vector<V> {
    s += outer(k, v);
    s.read(q)
}

fn main() {}
