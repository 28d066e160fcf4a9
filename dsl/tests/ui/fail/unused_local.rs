use chunkwise::rule;

/// A `let` inside a loop ends with the loop's block, as it does in Rust.
#[rule]
fn f(mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 2], v: Vector<V>) -> Vector<V> {
    let total = 0;
    for j in 0..2 {
        s += outer(k[j], v);
        let total = total + dot(q, k[j]);
    }
    s.read(q)
}

fn main() {}
