use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    q = l2norm(q);
    k *= 2;
    let x = v;
    x += v;
    t += outer(k, v);
    s += outer(k, x);
    s.read(q)
}

fn main() {}
