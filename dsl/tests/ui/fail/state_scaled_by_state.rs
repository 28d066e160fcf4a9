use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, mut m: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    m += outer(k, v);
    s *= m;
    s.read(q)
}

fn main() {}
