use chunkwise::rule;

#[rule]
fn f(
    #[range(0..=1)] mut s: State<K, V>,
    #[range(1.0..=-1.0)] q: Vector<K>,
    #[range(0..1)] k: Vector<K>,
    #[range(low..=high)] v: Vector<V>,
    #[range] g: Scalar,
    #[rnage(0..=1)] beta: Scalar,
    #[range(0..=1)] #[range(0..=1)] eta: Scalar,
) -> Vector<V> {
    s *= g;
    s += outer(beta * k, eta * v);
    s.read(q)
}

fn main() {}
