use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s *= "half";
    s *= true;
    s *= 0.5f32;
    s *= 'c';
    s += outer(k, v);
    s.read(q)
}

fn main() {}
