use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, q: Vector<K>, v: Vector<V>) -> Vector<V> {
    s += outer(q, v);
    s.read(q)
}

fn main() {}
