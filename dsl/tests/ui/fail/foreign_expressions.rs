use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar) -> Vector<V> {
    let a = g as f64;
    let b = |x| x * g;
    let c = vec![g];
    let d = (g, g);
    let e = { g };
    let f = [g, g];
    let h = &k;
    let i = k.len;
    let j = !g;
    s += outer(a * b * c * d * e * h, f * i * j * v);
    s.read(q)
}

fn main() {}
