use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    for _ in 0..1000000000 {
        s += outer(k, v);
    }
    s.read(q)
}

fn main() {}
