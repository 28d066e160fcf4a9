use chunkwise::rule;

/// K where V is needed, and the state itself.
#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> (Vector<V>, Vector<V>) {
    s += outer(k, v - s.read(q));
    (q, s)
}

fn main() {}
