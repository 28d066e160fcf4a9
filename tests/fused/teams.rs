//! Rules that nobody tuned for, as those of `own`: of several states that share feedback, and of what a plan has to bring to the
//! one form that its kernels know.

/// What stands between decays by channel, what only fades, and outputs of every shape.
pub(crate) const SHAPES: [&str; 7] = [
    // Decays of value channels between rows whose channels meet.
    "fn normed_channels(
        mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 2], v: [Vector<V>; 2], h: Vector<V>, beta: Scalar,
    ) -> Vector<V> {
        s += outer(0.3 * beta * k[0], v[0] - l2norm(s.read(k[0])));
        s *= exp(h);
        s += outer(0.3 * k[1], v[1] - 0.5 * s.read(k[1]) + 0.2 * sum(s.read(k[0])) / dim(V));
        s.read(q)
    }",
    // More steps a token than four: linear feedback, decays between them.
    "fn six_steps(
        mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 6], v: [Vector<V>; 6], g: [Scalar; 6], beta: [Scalar; 6],
    ) -> Vector<V> {
        for j in 0..6 {
            s *= exp(g[j]);
            s += outer(beta[j] * k[j], v[j] - s.read(k[j]));
        }
        s.read(q)
    }",
    // The same with feedback that is not linear.
    "fn five_rows(
        mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 5], v: Vector<V>, g: Scalar,
    ) -> Vector<V> {
        s *= exp(g);
        for j in 0..5 {
            s += outer(0.2 * k[j], v - tanh(s.read(k[j])));
        }
        s.read(q)
    }",
    // Five, decayed by channel.
    "fn five_steps(
        mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 5], v: [Vector<V>; 5], g: Vector<K>,
    ) -> Vector<V> {
        for j in 0..5 {
            s += outer(k[j], v[j]);
        }
        s *= exp(g);
        s.read(q)
    }",
    // Reads and writes between two decays by channel, with feedback.
    "fn between_decays(
        mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 2], v: [Vector<V>; 2], g: Vector<K>, d: Vector<K>, beta: Scalar,
    ) -> (Vector<V>, Vector<V>) {
        s *= exp(g);
        s += outer(beta * k[0], v[0] - s.read(k[0]));
        let p = s.read(q);
        s *= sigmoid(d);
        s += outer(0.3 * k[1], v[1] - s.read(k[1]));
        s *= 0.9;
        (p, s.read(q))
    }",
    // A state that nothing is written to; outputs of keys and of numbers beside those of values.
    "fn only_fades(
        mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Vector<K>,
    ) -> (Vector<K>, Scalar, Vector<V>) {
        t *= exp(g);
        s *= 0.9;
        s += outer(k, v);
        let p = s.read(q);
        (q * tanh(sum(p)), dot(p, v), p + t.read(k))
    }",
    // Outputs that are no reads, also where several blocks share a head.
    "fn beside_values(
        mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Vector<K>,
    ) -> (Vector<K>, Vector<V>, Scalar) {
        s *= exp(g);
        s += outer(k, v);
        (silu(q) * exp(g), s.read(q), dot(q, k))
    }",
];

/// States of which one stores what is read of another, and states that share their feedback.
pub(crate) const TEAMS: [&str; 6] = [
    // The error of two memories, one fast and one slow, in both.
    "fn fast_and_slow(
        mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, beta: Scalar,
    ) -> Vector<V> {
        s *= exp(g);
        t *= 0.99;
        let error = v - s.read(k) - t.read(k);
        s += outer(0.4 * beta * k, error);
        t += outer(0.2 * beta * k, error);
        s.read(q) + t.read(q)
    }",
    // A memory of what another one finds; the same rows in both.
    "fn handed_down(
        mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, h: Vector<K>,
    ) -> (Vector<V>, Vector<V>) {
        s *= exp(g);
        t *= exp(h);
        s += outer(k, v);
        t += outer(k, v);
        t += outer(0.5 * q, s.read(q));
        (t.read(q), s.read(k))
    }",
    // Another state's read inside a function, with feedback.
    "fn saturating_pair(
        mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, w: Vector<V>, beta: Scalar,
    ) -> Vector<V> {
        t *= 0.9;
        t += outer(beta * k, w - t.read(k));
        s += outer(0.3 * beta * k, v - tanh(s.read(k)) + 0.5 * silu(t.read(q)));
        s.read(q)
    }",
    // Rows of several members, out of the order of their states, whose channels meet.
    "fn normed_pair(
        mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: [Vector<K>; 2], v: Vector<V>, g: Scalar,
    ) -> (Vector<V>, Vector<V>) {
        t *= exp(g);
        let p = t.read(k[0]);
        t += outer(0.2 * k[0], v - l2norm(p + s.read(k[1])));
        s *= 0.8;
        s += outer(0.2 * k[1], p - s.read(k[1]) * sigmoid(sum(t.read(q)) / dim(V)));
        t += outer(0.1 * k[1], v - t.read(k[1]));
        (s.read(q), t.read(q))
    }",
    // Momentum that reads a third state, which decays by channel.
    "fn momentum_of_a_pair(
        mut s: State<K, V>, mut m: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Vector<K>,
    ) -> Vector<V> {
        t *= exp(g);
        let error = v - s.read(k) - 0.5 * t.read(k);
        m = 0.8 * m + outer(0.2 * k, error);
        s = 0.7 * s + 0.5 * m;
        t += outer(0.3 * k, error);
        s.read(q) + t.read(q)
    }",
    // Beside a state that is no part of it.
    "fn pair_beside(
        mut r: State<K, V>, mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>,
        g: Scalar, h: Vector<V>,
    ) -> Vector<V> {
        r *= exp(h);
        r += outer(k, v);
        s *= exp(g);
        s += outer(0.3 * k, v - t.read(k));
        t += outer(0.3 * k, tanh(s.read(q)));
        t *= 0.5;
        r.read(q) + s.read(q) + t.read(k)
    }",
];

/// Linear in what they read, so that pieces compose: decays of value channels, states that meet.
pub(crate) const COMPOSED: [&str; 3] = [
    // Decays on both sides, without feedback.
    "fn two_sided(
        mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Vector<K>, h: Vector<V>, d: Scalar,
    ) -> Vector<V> {
        s *= exp(g);
        s *= exp(h);
        s *= d;
        s += outer(k, v);
        s.read(q)
    }",
    // The same with linear feedback, beside a state that keeps everything.
    "fn value_decay_and_delta(
        mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, h: Vector<V>, beta: Scalar,
    ) -> Vector<V> {
        s *= exp(h);
        s += outer(beta * k, v - s.read(k));
        t += outer(0.1 * k, v);
        s.read(q) + t.read(q)
    }",
    // Three states in a ring, which take in each other and each other's reads.
    "fn ring(
        mut r: State<K, V>, mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, x: Scalar,
    ) -> (Vector<V>, Vector<V>) {
        r = 0.8 * r + 0.2 * sigmoid(x) * t;
        let p = r.read(k);
        s = 0.7 * s + outer(0.3 * k, v - p);
        t = 0.6 * t + outer(0.3 * q, s.read(k));
        (t.read(q), r.read(q))
    }",
];
