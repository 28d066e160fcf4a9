use chunkwise::rule;

#[rule]
fn f(mut s: State<K, 4>, q: Vector<K>, k: Vector<Scalar>, v: Vector<a::B>) -> Vector<V> {
    s += outer(k, v);
    s.read(q)
}

fn main() {}
