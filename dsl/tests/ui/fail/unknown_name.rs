use chunkwise::rule;

/// A local and a parameter are misspelt.
#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, key: Vector<K>, v: Vector<V>, beta: Scalar) -> Vector<V> {
    let scaled = beat * key;
    s += outer(scald, v);
    s.read(q)
}

fn main() {}
