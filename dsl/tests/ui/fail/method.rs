use chunkwise::rule;

#[rule]
fn f(self, mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s += outer(k, v);
    s.read(q)
}

fn main() {}
