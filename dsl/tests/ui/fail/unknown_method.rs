use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar) -> Vector<V> {
    s *= g.exp();
    s.write(k, v);
    s.read(q).normalise()
}

fn main() {}
