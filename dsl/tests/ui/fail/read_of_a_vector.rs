use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, mut z: State<K>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s += outer(k, v);
    z += k;
    s.read(q) / z.read(q) + v.read(q)
}

fn main() {}
