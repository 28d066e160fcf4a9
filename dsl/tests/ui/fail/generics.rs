use chunkwise::rule;

#[rule]
fn f<K, V>(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V>
where
    K: Dim,
{
    s += outer(k, v);
    s.read(q)
}

fn main() {}
