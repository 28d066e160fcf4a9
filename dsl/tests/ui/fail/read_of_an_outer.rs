use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    let m = outer(k, v);
    s += m;
    m.read(q) + outer(k, v).read(q)
}

fn main() {}
