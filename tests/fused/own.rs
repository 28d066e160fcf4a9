//! Rules that nobody tuned for: written here, in the shapes that the class of the plan allows and the catalogue does not have.

use crate::case::{Case, KINDS, dense, parse};
use crate::limits::{all, any, complaints, judged};
use crate::scales;
use crate::teams;
use crate::work;
use chunkwise::{Arch, Rule};
use chunkwise_cli::check::cases::Case as Frame;
use chunkwise_codegen::{DType, Plan};
use std::sync::Arc;

/// A raw decay, of any size and sign.
pub(crate) const RAW: &str =
    "fn raw(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, d: Scalar) -> Vector<V> {
    s *= d;
    s += outer(k, v);
    s.read(q)
}";

/// The delta rule with a raw decay.
pub(crate) const RAW_DELTA: &str = "fn raw_delta(
    mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, d: Scalar, beta: Scalar,
) -> Vector<V> {
    s *= d;
    s += outer(beta * k, v - s.read(k));
    s.read(q)
}";

/// Raw decays of keys.
pub(crate) const RAW_KEYS: &str =
    "fn raw_keys(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, d: Vector<K>) -> Vector<V> {
    s *= d;
    s += outer(k, v);
    s.read(q)
}";

/// The delta rule with keys as they are given.
pub(crate) const DELTA: &str = "fn delta(
    mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, beta: Scalar,
) -> Vector<V> {
    s *= exp(g);
    s += outer(beta * k, v - s.read(k));
    s.read(q)
}";

/// The same without a decay.
pub(crate) const UNDECAYED: &str =
    "fn undecayed(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, beta: Scalar) -> Vector<V> {
    s += outer(beta * k, v - s.read(k));
    s.read(q)
}";

/// Raw decays of value channels.
pub(crate) const RAW_VALUES: &str =
    "fn raw_values(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, d: Vector<V>) -> Vector<V> {
    s *= d;
    s += outer(k, v);
    s.read(q)
}";

/// The delta rule with raw decays of value channels: its feedback is linear, channel by channel.
pub(crate) const RAW_VALUES_DELTA: &str = "fn raw_values_delta(
    mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, d: Vector<V>, beta: Scalar,
) -> Vector<V> {
    s *= d;
    s += outer(beta * k, v - s.read(k));
    s.read(q)
}";

/// The delta rule whose state takes in a second one, which a raw decay moves.
pub(crate) const RAW_MIX: &str = "fn raw_mix(
    mut s: State<K, V>, mut m: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, d: Scalar, beta: Scalar,
) -> Vector<V> {
    let error = v - s.read(k);
    m *= d;
    m += outer(0.5 * beta * k, error);
    s = 0.5 * s + 0.5 * m;
    s.read(q)
}";

/// Decays by channel within a declared range.
pub(crate) const RANGED: &str = "fn ranged(
    mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, #[range(-5.0..=0.0)] g: Vector<K>, beta: Scalar,
) -> Vector<V> {
    s *= exp(g);
    s += outer(beta * k, v - s.read(k));
    s.read(q)
}";

/// The same of raw decays, with two writes a token.
pub(crate) const RANGED_STEPS: &str = "fn ranged_steps(
    mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 2], v: [Vector<V>; 2], #[range(0.5..=1.0)] d: Vector<K>,
    beta: [Scalar; 2],
) -> Vector<V> {
    s *= d;
    for j in 0..2 {
        s += outer(beta[j] * k[j], v[j] - s.read(k[j]));
    }
    s.read(q)
}";

/// Reads and writes before the decay.
pub(crate) const RANGED_LATE: &str = "fn ranged_late(
    mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, #[range(-3.0..=0.0)] g: Vector<K>, beta: Scalar,
) -> (Vector<V>, Vector<V>) {
    let p = s.read(q);
    s += outer(beta * k, v - s.read(k));
    s *= exp(g);
    (p, s.read(k))
}";

/// The rest; names of dims and states are others on purpose.
const OTHERS: [&str; 14] = [
    // Reads on both sides of a decay and of a write, and two outputs.
    "fn before_and_after(
        mut m: State<D, E>, q: Vector<D>, k: Vector<D>, v: Vector<E>, g: Scalar, beta: Scalar,
    ) -> (Vector<E>, Vector<E>) {
        let before = m.read(q);
        m *= exp(g);
        m += outer(beta * k, v - m.read(k));
        (before, m.read(q))
    }",
    // One value at two keys.
    "fn one_value_two_keys(mut s: State<K, V>, q: Vector<K>, a: Vector<K>, b: Vector<K>, v: Vector<V>, g: Scalar) -> Vector<V> {
        s *= exp(g);
        s += outer(a, v);
        s += outer(b, v);
        s.read(q)
    }",
    // A decay after the write, and another before it.
    "fn two_decays(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, d: Scalar) -> Vector<V> {
        s *= exp(g);
        s += outer(k, v);
        s *= d;
        s.read(q)
    }",
    // Decays between the steps of one token.
    "fn decaying_steps(
        mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 2], v: [Vector<V>; 2], g: [Scalar; 2], beta: [Scalar; 2],
    ) -> Vector<V> {
        for j in 0..2 {
            s *= exp(g[j]);
            s += outer(beta[j] * k[j], v[j] - s.read(k[j]));
        }
        s.read(q)
    }",
    // What is fed back was read at other keys, before the decay.
    "fn other_keys(
        mut s: State<K, V>, q: Vector<K>, a: Vector<K>, b: Vector<K>, c: Vector<K>, v: Vector<V>, g: Scalar, x: Scalar,
    ) -> Vector<V> {
        let p = s.read(a);
        s *= 0.5 * exp(g);
        s += outer(0.3 * b, v - x * p + 0.5 * s.read(c));
        s.read(q)
    }",
    // The query is the key, and the output scaled by a gate.
    "fn own_query(mut s: State<K, V>, k: Vector<K>, v: Vector<V>, beta: Scalar, gate: Scalar) -> Vector<V> {
        s += outer(beta * k, v - s.read(k));
        gate * s.read(k)
    }",
    // Nothing decays but by a number, and a key is the same for all tokens.
    "fn constants(mut s: State<K, V>, q: Vector<K>, k: PerHead<Vector<K>>, v: Vector<V>) -> Vector<V> {
        s *= 0.75;
        s += outer(softmax(k), v);
        s.read(q)
    }",
    // Every token forgets everything.
    "fn forgetful(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
        s *= 0;
        s += outer(k, tanh(v));
        s.read(q)
    }",
    // Two states of their own, each with an output.
    "fn two_states(
        mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, a: Vector<K>, v: Vector<V>, w: Vector<V>, g: Scalar,
        beta: Scalar,
    ) -> (Vector<V>, Vector<V>) {
        s *= exp(g);
        s += outer(beta * k, v - s.read(k));
        t += outer(a, w);
        (s.read(q), t.read(q))
    }",
    // Of two states one is written, the other read.
    "fn written_and_read(mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>) -> Vector<V> {
        t += outer(k, v);
        s.read(q)
    }",
    // Nothing is written.
    "fn fading(mut s: State<K, V>, q: Vector<K>, v: Vector<V>, g: Scalar) -> Vector<V> {
        s *= exp(g);
        s.read(q) + v
    }",
    // Sums over dims that are smaller than a tile.
    "fn softmaxes(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, beta: Scalar) -> Vector<V> {
        let k = softmax(k);
        s += outer(beta * k, 0.1 * v - s.read(k));
        s.read(softmax(q))
    }",
    // Two writes without feedback and one with.
    "fn many_writes(
        mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, w: Vector<V>, g: Scalar, beta: Scalar,
    ) -> Vector<V> {
        s += outer(k, w);
        s *= exp(g);
        s += outer(beta * k, v - s.read(k));
        s -= outer(0.5 * q, sigmoid(w) * v);
        s.read(q)
    }",
    // The state is read and never asked what was just written.
    "fn late(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar) -> Vector<V> {
        let o = s.read(q);
        s = exp(g) * s + outer(k, v);
        o
    }",
];

/// Feedback that is not linear: channels apart, and rows whose channels meet.
const SUBSTITUTED: [&str; 7] = [
    "fn saturating(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, beta: Scalar) -> Vector<V> {
        s *= exp(g);
        s += outer(beta * k, v - tanh(s.read(k)));
        s.read(q)
    }",
    // Decays of keys; a gain for each head and channel.
    "fn saturating_keys(
        mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Vector<K>, beta: Scalar, w: PerHead<Vector<V>>,
    ) -> Vector<V> {
        s *= exp(g);
        s += outer(beta * l2norm(k), sigmoid(w) * v - 0.5 * sigmoid(v) * tanh(s.read(l2norm(k))));
        s.read(q)
    }",
    // Several rows a token, each with what the one before it has left.
    "fn saturating_steps(
        mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 2], v: [Vector<V>; 2], g: Scalar, beta: [Scalar; 2],
    ) -> Vector<V> {
        s *= exp(g);
        for j in 0..2 {
            s += outer(beta[j] * k[j], v[j] - tanh(s.read(k[j])));
        }
        s.read(q)
    }",
    // Two reads for one write, on both sides of a decay; the output uses one of them too.
    "fn saturating_late(
        mut s: State<K, V>, q: Vector<K>, a: Vector<K>, b: Vector<K>, v: Vector<V>, g: Scalar, x: Scalar,
    ) -> Vector<V> {
        let p = s.read(a);
        s *= 0.5 * exp(g);
        s += outer(0.3 * b, v - x * tanh(p) * sigmoid(s.read(0.3 * a)));
        sigmoid(p) * s.read(q)
    }",
    // Sums over a row of what is read, and of what is not.
    "fn normed_row(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, beta: Scalar) -> Vector<V> {
        s *= exp(g);
        let p = s.read(0.5 * k);
        s += outer(beta * k, softmax(v) - 0.3 * l2norm(p) * sum(l2norm(v)) / dim(V));
        s.read(q)
    }",
    "fn normed_steps(
        mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 2], v: Vector<V>, g: Vector<K>, beta: [Scalar; 2],
    ) -> Vector<V> {
        s *= exp(g);
        for j in 0..2 {
            let p = s.read(k[j]);
            s += outer(0.5 * beta[j] * k[j], v - l2norm(p));
        }
        s.read(q)
    }",
    // What is no number where nothing is: padding and tokens after the end must not leave it behind.
    "fn no_number_at_zero(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, beta: Scalar) -> Vector<V> {
        let p = s.read(k);
        let r = abs(v) / sum(square(v)) + 0.1 * (p * p - p) / (abs(v) + abs(p));
        s += outer(0.3 * beta * k, r - 0.1 * l2norm(p));
        s.read(q)
    }",
];

/// Decays of value channels, alone and beside others.
const CHANNELS: [&str; 3] = [
    // Reads and writes on both sides of the decays, several a token.
    "fn channels_between(
        mut s: State<K, V>, q: Vector<K>, k: Vector<K>, a: [Vector<K>; 2], w: [Vector<V>; 2], h: Vector<V>, g: Scalar,
        c: PerHead<Vector<V>>,
    ) -> (Vector<V>, Vector<V>) {
        let before = s.read(q);
        s += outer(a[0], w[0]);
        s *= exp(h);
        s *= exp(g);
        s *= 0.5 * sigmoid(c);
        s += outer(a[1], w[1]);
        (before, s.read(0.3 * q) + s.read(k))
    }",
    // Both sides, rows with feedback before and after the decay.
    "fn both_sides(
        mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 3], v: [Vector<V>; 3], h: Vector<V>, g: Vector<K>, beta: Scalar,
    ) -> Vector<V> {
        s += outer(beta * k[0], v[0] - s.read(k[0]));
        s *= exp(h);
        s *= exp(g);
        for j in 1..3 {
            s += outer(0.3 * k[j], v[j] - tanh(s.read(k[j])));
        }
        s.read(q)
    }",
    // A read before the decay for a write after it.
    "fn across_channels(
        mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, h: Vector<V>, beta: Scalar,
    ) -> Vector<V> {
        let p = s.read(k);
        s *= exp(h);
        s += outer(beta * k, v - 0.5 * p - 0.3 * tanh(s.read(0.5 * q)));
        s.read(q)
    }",
];

/// States that meet.
const MIXES: [&str; 4] = [
    // Both ways, with decays, reads and writes between; each state has an output.
    "fn both_ways(
        mut s: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, a: Vector<K>, v: Vector<V>, w: Vector<V>,
        g: Scalar, x: Scalar,
    ) -> (Vector<V>, Vector<V>) {
        let before = t.read(q);
        s += outer(k, v);
        s *= exp(g);
        s = 0.9 * s - 0.3 * sigmoid(x) * t;
        t += outer(a, w);
        t = 0.5 * t + 0.4 * sigmoid(x) * s;
        t *= 0.9;
        (s.read(q) + before, t.read(a))
    }",
    // A chain of three, the last of which is read.
    "fn chain(
        mut s: State<K, V>, mut t: State<K, V>, mut r: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, x: Scalar,
    ) -> Vector<V> {
        r += outer(k, v);
        t = 0.8 * t + sigmoid(x) * r;
        s = 0.7 * s + 0.5 * t;
        r *= 0.6;
        s.read(q)
    }",
    // Feedback that is not linear, several rows a token.
    "fn saturating_momentum(
        mut s: State<K, V>, mut m: State<K, V>, q: Vector<K>, k: [Vector<K>; 2], v: [Vector<V>; 2], eta: Scalar,
        beta: [Scalar; 2],
    ) -> Vector<V> {
        m *= 0.9 * sigmoid(eta);
        for j in 0..2 {
            m += outer(0.3 * beta[j] * k[j], v[j] - tanh(s.read(k[j])));
            s = 0.8 * s + 0.5 * m;
        }
        sigmoid(s.read(q))
    }",
    // Beside a state that meets none, which decays by channel.
    "fn momentum_beside(
        mut s: State<K, V>, mut m: State<K, V>, mut t: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Vector<K>,
        h: Vector<V>,
    ) -> Vector<V> {
        m = 0.9 * m + outer(0.3 * k, v - s.read(k));
        s = 0.7 * s + 0.5 * m;
        t *= exp(g);
        t *= exp(h);
        t += outer(k, v);
        s.read(q) + t.read(q)
    }",
];

/// What is fed back goes out as it was read: one square for the rows that are solved and for outputs.
const RETURNED: [&str; 3] = [
    "fn returned(mut s: State<K, V>, k: Vector<K>, v: Vector<V>, g: Scalar, beta: Scalar) -> Vector<V> {
        s *= exp(g);
        let p = s.read(k);
        s += outer(beta * k, v - tanh(p));
        p
    }",
    "fn returned_channels(mut s: State<K, V>, k: Vector<K>, v: Vector<V>, h: Vector<V>, beta: Scalar) -> Vector<V> {
        s *= exp(h);
        let p = s.read(k);
        s += outer(beta * k, v - p);
        p
    }",
    // Before the decay and after it.
    "fn returned_steps(
        mut s: State<K, V>, k: [Vector<K>; 2], v: [Vector<V>; 2], h: Vector<V>, beta: Scalar,
    ) -> (Vector<V>, Vector<V>) {
        let p = s.read(k[0]);
        s += outer(beta * k[0], v[0] - tanh(p));
        s *= exp(h);
        let r = s.read(k[1]);
        s += outer(beta * k[1], v[1] - r);
        (p, r)
    }",
];

#[test]
fn what_is_fed_back_goes_out() {
    let of = |(dtype, precision)| {
        let case = move |text| Case {
            precision,
            ..Case::new(parse(&format!("#[rule]\n{text}")), dtype, vec![64, 32])
        };
        RETURNED.map(case)
    };
    all(KINDS.into_iter().flat_map(of).collect(), |case| {
        let (simulator, inputs) = (case.simulator(), case.inputs(&dense(1, 130, 1), 3));
        match simulator.forward(&inputs) {
            Ok(results) => {
                let wrong = complaints(case, any(case), &results, &case.expected(&inputs));
                [wrong, work::complaints(case, &simulator)].concat()
            }
            Err(error) => vec![error.to_string()],
        }
    });
}

/// Sums over more value channels than eight warps have: rows with feedback, what is written, and outputs of two states.
const WIDE: [&str; 3] = [
    "fn wide_row(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, beta: Scalar) -> Vector<V> {
        s *= exp(g);
        s += outer(0.3 * beta * k, v - l2norm(s.read(k)));
        l2norm(s.read(q))
    }",
    "fn wide_steps(
        mut s: State<K, V>, q: Vector<K>, k: [Vector<K>; 2], v: [Vector<V>; 2], g: Vector<K>, beta: Scalar,
    ) -> Vector<V> {
        s *= exp(g);
        for j in 0..2 {
            s += outer(0.3 * beta * k[j], softmax(v[j]) - s.read(k[j]));
        }
        s.read(q)
    }",
    "fn wide_outputs(
        mut s: State<K, V>, mut z: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, g: Scalar, h: Scalar,
    ) -> Vector<V> {
        s *= exp(g);
        z *= exp(h);
        s += outer(k, l2norm(v));
        z += outer(0.5 * k, v);
        softmax(s.read(q)) + 0.1 * l2norm(z.read(q))
    }",
];

/// By each plan that has kernels of them, in turn of another type; odd sizes by one.
#[test]
fn sums_over_many_value_channels() {
    let of = |((text, plan, sizes), (dtype, precision)): ((&&str, Plan, [usize; 2]), &(_, _))| Case {
        precision: *precision,
        plan,
        arch: Arch::Sm90,
        piece: (plan == Plan::Segmented).then_some(32),
        ..Case::new(parse(&format!("#[rule]\n{text}")), *dtype, sizes.to_vec())
    };
    let plans = [Plan::Fused, Plan::Split, Plan::Segmented];
    let all_plans = WIDE.iter().flat_map(|text| plans.map(|plan| (text, plan, [32, 256])));
    let odd = WIDE.iter().map(|text| (text, Plan::Fused, [33, 200]));
    let cases = all_plans.chain(odd).zip(KINDS.iter().cycle()).map(of);
    let cases: Vec<Case> = cases.filter(|case| case.schedule(case.arch).is_ok()).collect();
    assert_eq!(cases.len(), 4 * WIDE.len() - 1, "pieces do not compose where feedback is not linear");
    all(cases, |case| {
        let inputs = case.inputs(&Frame { initial: true, ..dense(1, 70, 1) }, 3);
        judged(case, &inputs, any(case))
    });
}

/// So many states, each with a decay of its own, and what is read of all of them together.
fn many(states: usize, output: &str) -> Arc<Rule> {
    let each =
        |of: &dyn Fn(usize) -> String, between: &str| (0..states).map(of).collect::<Vec<_>>().join(between);
    parse(&format!(
        "#[rule]\nfn many({}, q: Vector<K>, k: Vector<K>, v: Vector<V>, {}) -> Vector<V> {{ {} {output}({}) }}",
        each(&|n| format!("mut s_{n}_: State<K, V>"), ", "),
        each(&|n| format!("g_{n}: Scalar"), ", "),
        each(&|n| format!("s_{n}_ *= exp(g_{n}); s_{n}_ += outer(k, v);"), " "),
        each(&|n| format!("s_{n}_.read(q)"), " + "),
    ))
}

/// Warps of their own for each, in as many blocks as that takes.
#[test]
fn many_states() {
    let plans = [Plan::Fused, Plan::Split, Plan::Segmented];
    let of = |(states, output, value)| {
        plans.map(|plan| Case {
            plan,
            arch: Arch::Sm90,
            piece: (plan == Plan::Segmented).then_some(32),
            ..Case::new(many(states, output), DType::BF16, vec![16, value])
        })
    };
    all([(5, "", 128), (5, "l2norm", 64)].map(of).concat(), |case| {
        judged(case, &case.inputs(&dense(1, 70, 1), 3), any(case))
    });
    for (refused, why) in
        [((5, "l2norm", 128), "states of 16 x 128"), ((40, "", 16), "more states than the 32 warps")]
    {
        for case in of(refused) {
            let said =
                case.schedule(case.arch).err().map(|limitation| limitation.to_string()).unwrap_or_default();
            assert!(said.contains(why), "{}: {said}", case.label());
        }
    }
}

/// All of them.
pub(crate) fn rules() -> Vec<Arc<Rule>> {
    let named = [RAW, RAW_DELTA, RAW_KEYS, DELTA, UNDECAYED, RANGED, RANGED_STEPS, RANGED_LATE];
    named
        .into_iter()
        .chain(OTHERS)
        .chain(SUBSTITUTED)
        .chain(CHANNELS)
        .chain(MIXES)
        .chain(teams::SHAPES)
        .chain(teams::TEAMS)
        .chain(teams::COMPOSED)
        .chain(scales::SCALES)
        .chain(RETURNED)
        .map(|text| parse(&format!("#[rule]\n{text}")))
        .collect()
}
