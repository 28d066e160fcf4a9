use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    'outer: for (i, j) in 0..2 {
        s += outer(k, v);
        s.read(q)
    }
    s.read(q)
}

fn main() {}
