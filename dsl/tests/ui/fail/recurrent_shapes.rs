use chunkwise::rule;

/// `recurrent` lifts the bounds on what is done to a state, and not those on shapes.
#[rule(recurrent)]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, w: Vector<W>) -> Vector<V> {
    s = tanh(s + outer(v, k));
    s *= w;
    s.read(q)
}

fn main() {}
