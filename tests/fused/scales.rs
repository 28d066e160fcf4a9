//! Rules of several states with linear feedback each: their inverses, and what several states share of them.

/// Two delta rules side by side, each on its own keys: two inverses in one chunk.
pub(crate) const TWO_DELTAS: &str = "fn two_deltas(
    mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, a: Vector<K>, v: Vector<V>, g: Scalar, beta: Scalar,
) -> Vector<V> {
    s *= exp(g);
    s += outer(beta * k, v - s.read(k));
    t += outer(0.5 * beta * a, v - t.read(a));
    s.read(q) + t.read(q)
}";

/// All of them.
pub(crate) const SCALES: [&str; 1] = [TWO_DELTAS];
