use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 3], v: Vector<V>) -> Vector<V> {
    for j in 0..2 {
        s += outer(k[j], v);
    }
    s.read(q)
}

fn main() {}
