use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, mut z: State<K>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s += outer(k, v);
    s.read(q)
}

fn main() {}
