use chunkwise::rule;

#[rule]
fn f(
    mut s: [State<K, V>; 2],
    q: [[Vector<K>; 2]; 2],
    k: [PerHead<Vector<K>>; 2],
    v: [Vector<V>],
    n: [Scalar; 0],
    m: [Scalar; N],
) -> Vector<V> {
    s += outer(k[0], v[0]);
    s.read(q[0])
}

fn main() {}
