use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar) -> Vector<V> {
    if g > 0 {
        s *= g;
    }
    while true {
        s *= g;
    }
    s += outer(k, match g { x => x } * v);
    return s.read(q);
}

fn main() {}
