use chunkwise::rule;

/// One is misspelt, one has another name here, one is a dim.
#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar) -> Vector<V> {
    s *= sigmiod(g);
    s += outer(normalize(k), powf(v, 2));
    s.read(q * K)
}

fn main() {}
