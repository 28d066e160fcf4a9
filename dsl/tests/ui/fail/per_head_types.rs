use chunkwise::rule;

#[rule]
fn f(mut s: PerHead<State<K, V>>, q: PerHead<[Vector<K>; 2]>, k: PerHead<PerHead<Vector<K>>>, v: PerHead) -> Vector<V> {
    s += outer(k, v);
    s.read(q[0])
}

fn main() {}
