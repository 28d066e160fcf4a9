use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> (State<K, V>, [Scalar; 2], PerHead<Scalar>) {
    s += outer(k, v);
    s.read(q)
}

fn main() {}
