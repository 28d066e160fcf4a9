use chunkwise::rule;

/// Each is told, and none of them twice.
#[rule]
fn f(mut s: State<K, V>, query: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, spare: Scalar) -> Vector<V> {
    let key = l2norm(kk);
    s *= expp(g);
    s += outer(key, v - s.read(v));
    s.read(quer)
}

fn main() {}
