use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    for i in 0..1000 {
        for j in 0..1000 {
            s += outer(k, (1000 * i + j) * v);
        }
    }
    s.read(q)
}

fn main() {}
