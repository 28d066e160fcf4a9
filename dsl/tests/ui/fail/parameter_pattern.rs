use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, (q, k): Vector<K>, _: Vector<K>, ref v: Vector<V>) -> Vector<V> {
    s.read(x)
}

fn main() {}
