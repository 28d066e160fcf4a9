use chunkwise::prelude::*;

/// A function of the state itself: the token loop is the only plan.
#[rule(recurrent)]
fn saturated_state(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s = tanh(0.9 * s + outer(k, v));
    s.read(q)
}
