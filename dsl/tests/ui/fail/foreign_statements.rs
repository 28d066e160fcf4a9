use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    const HALF: f64 = 0.5;
    println!("hello");
    #[inline]
    s *= 0.5;
    k * 2;
    s += outer(k, v);
    s.read(q)
}

fn main() {}
