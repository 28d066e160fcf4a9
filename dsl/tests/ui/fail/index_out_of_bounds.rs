use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 2], v: [Vector<V>; 3]) -> Vector<V> {
    for j in 0..3 {
        s += outer(k[j], v[j]);
    }
    s += outer(k[0], v[-1]);
    s.read(q)
}

fn main() {}
