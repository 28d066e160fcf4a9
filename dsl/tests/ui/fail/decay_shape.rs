use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, w: Vector<W>) -> Vector<V> {
    s *= w;
    s += outer(k, v);
    s.read(q)
}

fn main() {}
