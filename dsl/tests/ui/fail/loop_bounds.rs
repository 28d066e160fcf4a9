use chunkwise::rule;

#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, n: Scalar) -> Vector<V> {
    for j in 0..dim(K) {
        s += outer(j * k, v);
    }
    for j in 0..n {
        s += outer(k, j * v);
    }
    for _ in 0.. {
        s += outer(k, v);
    }
    for x in k {
        s += x;
    }
    for _ in 2..2 {
        s += outer(k, v);
    }
    s.read(q)
}

fn main() {}
