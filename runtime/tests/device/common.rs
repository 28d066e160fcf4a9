//! What the tests of the devices share: rules, random tensors from printed seeds, and cutting tensors up.

use chunkwise_dsl::rule::Rule;
use chunkwise_runtime::{Element, Tensor};

/// Gated delta rule with a declared range.
pub(crate) const DELTA: &str = "
#[rule]
fn delta(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, #[range(0.0..=1.0)] beta: Scalar) -> Vector<V> {
    s *= exp(g);
    s += outer(beta * k, v - s.read(k));
    s.read(q)
}
";

/// Every kind of parameter, two states, two outputs.
pub(crate) const WIDE: &str = "
#[rule]
fn wide(
    mut s: State<K, V>,
    mut z: State<K>,
    q: Vector<K>,
    k: [Vector<K>; 2],
    v: Vector<V>,
    beta: [Scalar; 2],
    w: Vector<K>,
    bonus: PerHead<Vector<V>>,
    gain: PerHead<Scalar>,
) -> (Vector<V>, Scalar) {
    s *= sigmoid(w);
    z *= sigmoid(w);
    for j in 0..2 {
        s += outer(sigmoid(beta[j]) * l2norm(k[j]), v - s.read(l2norm(k[j])));
        z += k[j];
    }
    (gain * s.read(q) + bonus, dot(z, q))
}
";

/// A rule with no chunkwise form.
pub(crate) const SATURATING: &str = "
#[rule(recurrent)]
fn saturating(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
    s += outer(k, v);
    s = tanh(s);
    s.read(q)
}
";

/// The one rule of a text.
pub(crate) fn rule(text: &str) -> Rule {
    let mut rules = chunkwise_dsl::parse_file(text).unwrap_or_else(|report| panic!("{report:?}"));
    assert_eq!(rules.len(), 1);
    rules.remove(0)
}

/// Random numbers from a seed (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next number, uniform in `-1.0..1.0`.
    pub(crate) fn number(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        (x >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// A tensor of `f64` with values in `low..high`.
    pub(crate) fn between(&mut self, shape: &[usize], low: f64, high: f64) -> Tensor {
        let n = shape.iter().product();
        let data: Vec<f64> = (0..n).map(|_| low + (high - low) * (self.number() + 1.0) / 2.0).collect();
        Tensor::new(shape, data).unwrap()
    }

    /// A tensor of `f64` with values in `-1.0..1.0`.
    pub(crate) fn tensor(&mut self, shape: &[usize]) -> Tensor {
        self.between(shape, -1.0, 1.0)
    }
}

/// The largest difference of two tensors of one shape and element type.
pub(crate) fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!((a.shape(), a.element()), (b.shape(), b.element()));
    a.to_f64().iter().zip(b.to_f64().iter()).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
}

/// The entries `which` of one axis, in that order: a cut, a repetition, a shuffle.
pub(crate) fn select(t: &Tensor, axis: usize, which: &[usize]) -> Tensor {
    let (outer, n) = (t.shape()[..axis].iter().product::<usize>(), t.shape()[axis]);
    let inner: usize = t.shape()[axis + 1..].iter().product();
    let data = t.to_f64();
    let mut out = Vec::new();
    for o in 0..outer {
        for &i in which {
            out.extend_from_slice(&data[(o * n + i) * inner..(o * n + i + 1) * inner]);
        }
    }
    let mut shape = t.shape().to_vec();
    shape[axis] = which.len();
    Tensor::new(shape, out).unwrap().cast(t.element()).unwrap()
}

/// Tensors joined along one axis.
pub(crate) fn join(parts: &[Tensor], axis: usize) -> Tensor {
    let outer: usize = parts[0].shape()[..axis].iter().product();
    let mut shape = parts[0].shape().to_vec();
    shape[axis] = parts.iter().map(|p| p.shape()[axis]).sum();
    let mut out = Vec::new();
    for o in 0..outer {
        for p in parts {
            let run: usize = p.shape()[axis..].iter().product();
            out.extend_from_slice(&p.to_f64()[o * run..(o + 1) * run]);
        }
    }
    Tensor::new(shape, out).unwrap()
}

/// Sums of groups of `size` neighbours along one axis.
pub(crate) fn sum_groups(t: &Tensor, axis: usize, size: usize) -> Tensor {
    let n = t.shape()[axis];
    let members = |m: usize| (0..n / size).map(|g| g * size + m).collect::<Vec<_>>();
    let mut sum = select(t, axis, &members(0)).to_f64().into_owned();
    let mut shape = t.shape().to_vec();
    shape[axis] = n / size;
    for m in 1..size {
        sum.iter_mut().zip(select(t, axis, &members(m)).to_f64().iter()).for_each(|(s, x)| *s += x);
    }
    Tensor::new(shape, sum).unwrap()
}

/// Boundaries of packed sequences.
pub(crate) fn cuts(cuts: &[i64]) -> Tensor {
    Tensor::new([cuts.len()], cuts.to_vec()).unwrap()
}

/// Zeros.
pub(crate) fn zeros(shape: &[usize], element: Element) -> Tensor {
    Tensor::zeros(shape, element).unwrap()
}
