//! Every kernel does what its rule says: the generated text, compiled by the host's C++ compiler and run lane by lane,
//! against the rule's definition, the f64 token loop.

use crate::host::Host;
use crate::problem::{Frame, Problem, Random, Results, distance};
use chunkwise_codegen::{DType, Kernel};
use chunkwise_dsl::rule::Rule;

/// A rule at given sizes of `V` and of all other dims.
type Case<'a> = (&'a Rule, usize, usize, DType);

fn frame(lengths: &[usize], packed: bool, heads: usize, initial: bool) -> Frame {
    Frame { lengths: lengths.to_vec(), packed, heads, initial }
}

/// RMS ratio allowed on outputs of this type (half a unit in the last place is 1.1e-3 in bf16 and 1.4e-4 in f16, as an
/// RMS); states are f32 always.
fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F64 | DType::F32 => 2e-6,
        DType::F16 => 4e-4,
        DType::BF16 => 3e-3,
    }
}

/// Builds all kernels, runs each on every frame and compares.
fn check(cases: &[Case<'_>], frames: &[Frame], seed: u64) {
    let kernels: Vec<Kernel> =
        cases.iter().map(|&(rule, k, v, dtype)| crate::kernel(rule, k, v, dtype)).collect();
    let host = Host::build(&kernels);
    let mut random = Random(seed);
    for (index, &(rule, k, v, dtype)) in cases.iter().enumerate() {
        for frame in frames {
            let what = format!("{} at {k} x {v}, {dtype}, {frame:?}, seed {seed}", rule.signature.name);
            let sizes = crate::sizes(rule, k, v);
            let problem = Problem::new(rule, &kernels[index], &sizes, frame.clone(), &mut random);
            let got = problem
                .run(&host, index, &kernels[index], false)
                .unwrap_or_else(|why| panic!("{what}: {why}"));
            compare(&got, &problem.expected(), dtype, &what);
        }
    }
}

fn compare(got: &Results, expected: &Results, dtype: DType, what: &str) {
    let of = |name: &str, got: &[Vec<f64>], expected: &[Vec<f64>], dtype: DType| {
        assert_eq!(got.len(), expected.len());
        for (at, (got, expected)) in got.iter().zip(expected).enumerate() {
            let far = distance(got, expected);
            assert!(far <= tolerance(dtype), "{what}: {name} {at} differs by {far:e}");
        }
    };
    of("output", &got.outputs, &expected.outputs, dtype);
    of("state", &got.states, &expected.states, DType::F32);
}

#[test]
fn every_rule_of_the_catalogue() {
    let rules = crate::catalogue();
    let shapes = [(16, 16, DType::F32), (64, 32, DType::BF16), (12, 20, DType::F16)];
    let cases: Vec<_> =
        rules.iter().flat_map(|rule| shapes.map(|(k, v, dtype)| (rule, k, v, dtype))).collect();
    let frames = [
        frame(&[4, 4], false, 2, true),
        frame(&[3, 0, 1, 5], true, 4, true),
        frame(&[6], false, 1, false),
        frame(&[0, 0], false, 2, true),
    ];
    check(&cases, &frames, 20260101);
}

#[test]
fn any_size_from_1_to_256() {
    let rules = crate::catalogue();
    let named = |name: &str| rules.iter().find(|rule| rule.signature.name == name).unwrap();
    let pairs = [
        ("gated_delta", [(1, 1), (3, 100), (63, 65), (65, 1), (100, 3), (200, 63), (128, 256)]),
        ("two_sided", [(1, 3), (65, 65), (63, 64), (100, 100), (256, 1), (1, 256), (31, 200)]),
        ("delta", [(3, 3), (1, 7), (63, 2), (100, 16), (65, 33), (250, 5), (256, 256)]),
        ("normalised", [(2, 1), (3, 3), (33, 9), (100, 63), (63, 100), (129, 5), (200, 200)]),
        ("normed_feedback", [(1, 1), (3, 5), (5, 3), (63, 65), (100, 100), (16, 33), (64, 200)]),
    ];
    let dtypes = [DType::F32, DType::BF16];
    let cases: Vec<_> = pairs
        .iter()
        .flat_map(|(name, pairs)| {
            pairs.iter().enumerate().map(|(at, &(k, v))| (named(name), k, v, dtypes[at % 2]))
        })
        .collect();
    check(&cases, &[frame(&[2, 3], true, 2, true)], 20260102);
}

/// Rules whose shapes no rule of the literature has.
const UNUSUAL: &str = "
#[rule]
fn outputs_of_every_kind(mut s: State<K, V>, mut n: State<V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, w: PerHead<Vector<K>>, b: PerHead<Vector<V>>)
    -> (Vector<K>, Scalar, Vector<V>) {
    n *= 0.5;
    n += v * b;
    s += outer(k * w, v + n);
    (softmax(q * w) * dim(K), dot(q, k), s.read(softmax(q)))
}

#[rule]
fn summed_columns(mut z: State<V>, mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Scalar {
    z += relu(v);
    s += outer(k, softmax(v));
    dot(z, s.read(q)) + sum(max(v, 0.1)) - dot(v, v)
}

#[rule]
fn two_key_dims(mut s: State<K, V>, mut z: State<M, V>, q: Vector<K>, k: Vector<K>, m: Vector<M>, v: Vector<V>) -> Vector<V> {
    s += outer(k, v);
    z *= exp(-square(m));
    z += outer(l2norm(m), v - s.read(q));
    tanh(z.read(m)) / (1 + abs(s.read(k)))
}

#[rule]
fn reset(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, lane: Scalar, t: Scalar) -> Vector<V> {
    s = outer(k, v * t) - 2 * outer(q, v);
    let float = s.read(q) * lane;
    float - min(v, float)
}

#[rule]
fn swapped(mut a: State<K, V>, mut b: State<K, V>, q: Vector<K>, v: Vector<V>, c: Scalar, d: Vector<K>) -> (Vector<V>, Vector<V>) {
    a = c * a + outer(q, v);
    b = d * b + a;
    a = a + 0.5 * b;
    (a.read(q), b.read(q))
}

#[rule]
fn loops(mut s: State<K, V>, k: [Vector<K>; 2], v: [Vector<V>; 2], b: [Scalar; 2]) -> Vector<V> {
    for j in 0..2 {
        s *= sigmoid(b[j]);
        s += outer(k[j], gelu(v[j]) - log_sigmoid(b[1]) * v[j]);
    }
    s.read(k[0]) + softplus(v[1]) * sqrt(abs(b[0]))
}
";

#[test]
fn unusual_shapes() {
    let rules = crate::rules(UNUSUAL);
    let shapes = [(8, 8, DType::F32), (13, 70, DType::F32), (100, 36, DType::BF16)];
    let cases: Vec<_> =
        rules.iter().flat_map(|rule| shapes.map(|(k, v, dtype)| (rule, k, v, dtype))).collect();
    check(&cases, &[frame(&[3, 4], true, 2, true), frame(&[5], false, 4, false)], 20260103);
}

/// Rules whose values mix the columns of a row, so that one block holds the whole state, with every event there is: decays by
/// row, by column and by one number, mixes, a state set anew, vector states beside the matrix.
const MIXING: &str = "
#[rule]
fn coupled(mut a: State<K, V>, mut b: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Vector<K>, c: Scalar)
    -> (Vector<V>, Scalar) {
    a *= exp(-square(g));
    let e = v - a.read(k);
    a = 0.5 * a + c * b + outer(q * sigmoid(k), l2norm(e));
    b = sigmoid(c) * b + a;
    let o = a.read(q) + b.read(k);
    (o - sum(o) / dim(V), sum(square(o)))
}

#[rule]
fn with_vectors(mut s: State<K, V>, mut n: State<K>, mut z: State<V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, f: Vector<V>, b: PerHead<Vector<V>>) -> Vector<V> {
    n += sigmoid(k);
    z *= 0.5;
    z += softmax(v);
    s *= sigmoid(f);
    s += outer(k * n, z * b - l2norm(s.read(k)));
    softmax(s.read(q)) / (1 + abs(dot(n, q)))
}
";

#[test]
fn states_in_memory() {
    let rules = crate::rules(MIXING);
    let normed = crate::rule("normed_feedback");
    let shapes = [(256, 256, DType::F32), (200, 129, DType::BF16), (66, 255, DType::F16)];
    let mut cases: Vec<_> =
        rules.iter().flat_map(|rule| shapes.map(|(k, v, dtype)| (rule, k, v, dtype))).collect();
    // Its outputs are a part in 255 of a small number: f16 has too few bits for those.
    cases.extend([
        (&normed, 256, 256, DType::F32),
        (&normed, 200, 129, DType::BF16),
        (&normed, 255, 200, DType::F32),
    ]);
    for &(rule, k, v, dtype) in &cases {
        let kernel = crate::kernel(rule, k, v, dtype);
        assert!(kernel.source.contains("it lies in local memory"), "{} at {k} x {v}", rule.signature.name);
    }
    check(&cases, &[frame(&[3, 1], true, 2, true), frame(&[2], false, 1, false)], 20260104);
}
