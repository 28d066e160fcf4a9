use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s += v;
    s -= 1;
    s = outer(k, v) + 1;
    s.read(q)
}

fn main() {}
