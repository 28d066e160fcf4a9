use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 5000000000], v: Vector<V>) -> Vector<V> {
    s += outer(k[0], v);
    s.read(q)
}

fn main() {}
