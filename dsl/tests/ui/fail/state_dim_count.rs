use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V, W>, mut z: State, q: Vector<K, V>, k: Vector, v: Scalar<V>) -> Scalar {
    s += outer(k, v);
    dot(z, q)
}

fn main() {}
