use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar) -> Vector<V> {
    let old = s;
    s *= g;
    s += outer(k, v) + old;
    s.read(q)
}

fn main() {}
