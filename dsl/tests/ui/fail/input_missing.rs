use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, k: PerHead<Vector<K>>, v: PerHead<Vector<V>>) -> Vector<V> {
    s += outer(k, v);
    s.read(k)
}

fn main() {}
