//! Rules with more than one state, and with vector states: normalisers, elementwise recurrences, momentum, memories
//! that correct one another.

use crate::declare::*;
use crate::maths::*;
use crate::problem::Problem;
use crate::tape::Num;

const WITH_VECTOR: &[(&str, &[&str])] = &[("s", &["K", "V"]), ("z", &["K"])];
const MOMENTUM: &[(&str, &[&str])] = &[("s", &["K", "V"]), ("m", &["K", "V"])];

pub(crate) fn ratio() -> Problem {
    let more = [scalar("f", 1, within(0.0, 3.0))];
    problem(rule_file!("ratio"), WITH_VECTOR, &[&["V"]], attention().into_iter().chain(more), |x, states| {
        let [s, z] = states else { unreachable!("two states") };
        let q = map(&x.vector("q"), |q| (0.5 * q).exp());
        let k = map(&x.vector("k"), |k| k.elu() + 1.0);
        let f = x.scalar("f").sigmoid();
        decay(s, f);
        write(s, &k, &x.vector("v"));
        z[0] = add(&scale(f, &z[0]), &k);
        let below = dot(&z[0], &q).abs().max(1.0.into());
        vec![map(&read(s, &q), |o| o / below)]
    })
}

pub(crate) fn bare_vector() -> Problem {
    let more = [vector("g", "K", 2, within(-0.5, 0.0))];
    let outputs: &[&[&str]] = &[&["V"], &["K"]];
    problem(
        rule_file!("bare_vector"),
        WITH_VECTOR,
        outputs,
        attention().into_iter().chain(more),
        |x, states| {
            let [s, z] = states else { unreachable!("two states") };
            let (q, k) = (x.vector("q"), x.vector("k"));
            let d = map(&x.vector("g"), Num::exp);
            decay_rows(s, &d);
            write(s, &k, &x.vector("v"));
            z[0] = add(&mul(&d, &z[0]), &scale(0.1, &k));
            let o = (0..q.len()).map(|i| q[i] * z[0][i] / (1.0 + z[0][i] * z[0][i])).collect();
            vec![read(s, &q), o]
        },
    )
}

pub(crate) fn elementwise() -> Problem {
    let fields = [
        vector("x", "D", 2, NORMAL),
        vector("gate", "D", 2, NORMAL),
        vector("rate", "D", 1, within(-2.0, 1.0)),
    ];
    problem(rule_file!("elementwise"), &[("h", &["D"])], &[&["D"]], fields, |x, states| {
        let h = &mut states[0][0];
        let (input, gate, rate) = (x.vector("x"), x.vector("gate"), x.vector("rate"));
        for i in 0..h.len() {
            let a = -rate[i].softplus();
            h[i] = a.exp() * h[i] + (1.0 - (2.0 * a).exp()).sqrt() * input[i];
        }
        vec![(0..h.len()).map(|i| h[i] * gate[i].silu()).collect()]
    })
}

pub(crate) fn elementwise_feedback() -> Problem {
    let fields = [vector("x", "D", 2, NORMAL), vector("f", "D", 1, within(-1.0, 3.0))];
    problem(rule_file!("elementwise_feedback"), &[("h", &["D"])], &[&["D"]], fields, |x, states| {
        let h = &mut states[0][0];
        let (input, f) = (x.vector("x"), x.vector("f"));
        for i in 0..h.len() {
            let kept = h[i] * f[i].sigmoid();
            h[i] = kept + 0.5 * (input[i] - kept.tanh());
        }
        vec![h.clone()]
    })
}

fn momentum_fields() -> impl Iterator<Item = crate::problem::Field> {
    let more = [
        scalar("eta", 1, within(0.0, 0.8)),
        scalar("alpha", 2, within(0.5, 0.9)),
        scalar("theta", 2, within(0.0, 0.3)),
    ];
    attention().into_iter().chain(more)
}

pub(crate) fn momentum_tanh() -> Problem {
    problem(rule_file!("momentum_tanh"), MOMENTUM, &[&["V"]], momentum_fields(), |x, states| {
        let [s, m] = states else { unreachable!("two states") };
        let (q, k) = (x.vector("q"), x.vector("k"));
        let u = map(&sub(&x.vector("v"), &read(s, &k)), Num::tanh);
        decay(m, x.scalar("eta"));
        write(m, &scale(x.scalar("theta"), &k), &u);
        decay(s, x.scalar("alpha"));
        add_state(s, 1.0, m);
        vec![add(&read(s, &q), &scale(0.1, &read(m, &q)))]
    })
}

pub(crate) fn momentum_linear() -> Problem {
    problem(rule_file!("momentum_linear"), MOMENTUM, &[&["V"]], momentum_fields(), |x, states| {
        let [s, m] = states else { unreachable!("two states") };
        let (q, k) = (x.vector("q"), x.vector("k"));
        let ahead = add(&read(s, &k), &scale(0.5, &read(m, &k)));
        decay(m, x.scalar("eta"));
        write(m, &scale(x.scalar("theta"), &k), &sub(&x.vector("v"), &ahead));
        decay(s, x.scalar("alpha"));
        add_state(s, 0.5, m);
        vec![read(s, &q)]
    })
}

pub(crate) fn three_coupled() -> Problem {
    let states: &[(&str, &[&str])] = &[("a", &["K", "V"]), ("b", &["K", "V"]), ("c", &["K", "V"])];
    let more = [scalar("x", 2, within(0.0, 0.5)), scalar("y", 1, within(-0.5, 0.5))];
    problem(
        rule_file!("three_coupled"),
        states,
        &[&["V"]],
        attention().into_iter().chain(more),
        |x, states| {
            let [a, b, c] = states else { unreachable!("three states") };
            let k = x.vector("k");
            let u = sub(&x.vector("v"), &read(c, &k));
            decay(a, x.scalar("x"));
            write(a, &scale(0.5, &k), &u);
            decay(b, x.scalar("y"));
            add_state(b, 0.5, a);
            decay(c, 0.5);
            add_state(c, 1.0, b);
            add_state(c, -0.25, a);
            vec![add(&read(c, &x.vector("q")), &scale(0.5, &read(b, &k)))]
        },
    )
}

pub(crate) fn two_memories() -> Problem {
    let states: &[(&str, &[&str])] = &[("a", &["K", "V"]), ("b", &["D", "V"])];
    let more =
        [vector("r", "D", 1, UNIT), scalar("g", 1, within(-0.5, 0.0)), scalar("beta", 2, within(0.0, 1.0))];
    let outputs: &[&[&str]] = &[&["V"], &["V"]];
    problem(rule_file!("two_memories"), states, outputs, attention().into_iter().chain(more), |x, states| {
        let [a, b] = states else { unreachable!("two states") };
        let (k, r, v, beta) = (x.vector("k"), x.vector("r"), x.vector("v"), x.scalar("beta"));
        decay(a, x.scalar("g").exp());
        decay(b, 0.9);
        let (p, n) = (read(a, &k), read(b, &r));
        write(b, &scale(0.5 * beta, &r), &sub(&p, &n));
        let u: Vector = (0..v.len()).map(|i| v[i] - 0.5 * n[i] - 0.5 * p[i]).collect();
        write(a, &scale(0.5 * beta, &k), &u);
        vec![read(a, &x.vector("q")), read(b, &r)]
    })
}

pub(crate) fn two_shapes() -> Problem {
    let states: &[(&str, &[&str])] = &[("s", &["K", "V"]), ("t", &["V", "D"])];
    let more = [vector("x", "D", 2, NORMAL), vector("f", "V", 1, within(0.0, 3.0))];
    let outputs: &[&[&str]] = &[&["V"], &["D"]];
    problem(rule_file!("two_shapes"), states, outputs, attention().into_iter().chain(more), |x, states| {
        let [s, t] = states else { unreachable!("two states") };
        let u = l2norm(&x.vector("v"));
        let f = map(&x.vector("f"), Num::sigmoid);
        decay_columns(s, &f);
        decay_rows(t, &f);
        write(s, &x.vector("k"), &x.vector("v"));
        let error = sub(&x.vector("x"), &read(t, &u));
        write(t, &scale(0.5, &u), &error);
        vec![read(s, &x.vector("q")), read(t, &u)]
    })
}

pub(crate) fn unread_state() -> Problem {
    let more = [vector("f", "K", 1, NORMAL)];
    problem(
        rule_file!("unread_state"),
        WITH_VECTOR,
        &[&["V"]],
        attention().into_iter().chain(more),
        |x, states| {
            let [s, z] = states else { unreachable!("two states") };
            let (k, f) = (x.vector("k"), x.vector("f"));
            let u = sub(&x.vector("v"), &read(s, &k));
            write(s, &k, &u);
            for i in 0..k.len() {
                z[0][i] = z[0][i] * f[i].sigmoid() + k[i] * f[i];
            }
            vec![read(s, &x.vector("q"))]
        },
    )
}
