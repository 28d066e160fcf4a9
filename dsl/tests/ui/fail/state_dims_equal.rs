use chunkwise::rule;

#[rule]
fn f(mut s: State<D, D>, q: Vector<D>, k: Vector<D>, v: Vector<D>) -> Vector<D> {
    s += outer(k, v);
    s.read(q)
}

fn main() {}
