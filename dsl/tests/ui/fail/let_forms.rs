use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    let mut a = k;
    let b: Vector<K> = k;
    let (c, d) = (k, v);
    let e;
    s += outer(a + b, v);
    s.read(q)
}

fn main() {}
