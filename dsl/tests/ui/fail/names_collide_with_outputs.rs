use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, o1: Vector<K>, do0: Vector<V>) -> (Vector<V>, Scalar) {
    s += outer(o1, do0);
    (s.read(q), dot(q, o1))
}

fn main() {}
