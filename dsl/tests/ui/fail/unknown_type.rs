use chunkwise::rule;

#[rule]
fn f(mut s: Stat<K, V>, q: Vec<K>, k: &Vector<K>, v: Vector<V>, g: f32, m: Matrix<K, V>) -> Vector<V> {
    s *= g;
    s += outer(k, v);
    s.read(q)
}

fn main() {}
