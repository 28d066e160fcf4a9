use chunkwise::rule;

/// A read contracts the first dim of the state.
#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s += outer(k, v - s.read(v));
    s.read(q)
}

fn main() {}
