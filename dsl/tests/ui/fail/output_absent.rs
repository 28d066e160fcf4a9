use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s += outer(k, v);
}

fn main() {}
