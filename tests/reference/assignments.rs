//! Every way to assign to a state, states that pass into one another, states that are hardly touched; and rules that
//! only the token loop can run.

use crate::declare::*;
use crate::maths::*;
use crate::problem::Problem;
use crate::tape::Num;

const ONE_STATE: &[(&str, &[&str])] = &[("s", &["K", "V"])];

pub(crate) fn overwrite() -> Problem {
    let more = [vector("b", "K", 2, UNIT)];
    let outputs: &[&[&str]] = &[&["V"], &["V"]];
    problem(rule_file!("overwrite"), ONE_STATE, outputs, attention().into_iter().chain(more), |x, s| {
        let s = &mut s[0];
        let (q, k, b) = (x.vector("q"), x.vector("k"), x.vector("b"));
        let before = read(s, &q);
        let first = sub(&x.vector("v"), &scale(0.5, &read(s, &b)));
        let second = map(&read(s, &k), Num::tanh);
        decay(s, 0.0);
        write(s, &k, &first);
        write(s, &b, &second);
        vec![before, read(s, &q)]
    })
}

pub(crate) fn assignments() -> Problem {
    let more = [
        vector("rows", "K", 2, within(-0.9, 0.9)),
        vector("columns", "V", 1, within(0.0, 1.0)),
        scalar("beta", 2, within(0.0, 1.0)),
    ];
    problem(rule_file!("assignments"), ONE_STATE, &[&["V"]], attention().into_iter().chain(more), |x, s| {
        let s = &mut s[0];
        let (q, k, v, beta) = (x.vector("q"), x.vector("k"), x.vector("v"), x.scalar("beta"));
        decay(s, -1.0);
        write(s, &k, &v);
        let p = read(s, &k);
        write(s, &scale(-beta, &k), &p);
        decay(s, 0.9);
        decay(s, 0.75);
        decay_rows(s, &x.vector("rows"));
        decay_columns(s, &x.vector("columns"));
        write(s, &k, &scale(beta, &v));
        write(s, &k, &v);
        decay(s, -1.0);
        decay(s, 0.5);
        write(s, &scale(0.5, &q), &v);
        vec![read(s, &q)]
    })
}

pub(crate) fn swap() -> Problem {
    let states: &[(&str, &[&str])] = &[("a", &["K", "V"]), ("b", &["K", "V"])];
    let more = [scalar("f", 1, within(0.0, 3.0))];
    problem(rule_file!("swap"), states, &[&["V"]], attention().into_iter().chain(more), |x, states| {
        states.swap(0, 1);
        let [a, b] = states else { unreachable!("two states") };
        let (q, k, v) = (x.vector("q"), x.vector("k"), x.vector("v"));
        decay(a, 0.9);
        decay(b, x.scalar("f").sigmoid());
        let (p, r) = (read(a, &k), read(b, &q));
        let u: Vector = (0..v.len()).map(|i| v[i] - p[i] + 0.1 * r[i]).collect();
        write(a, &scale(0.5, &k), &u);
        vec![read(a, &q)]
    })
}

pub(crate) fn copy() -> Problem {
    let states: &[(&str, &[&str])] = &[("s", &["K", "V"]), ("late", &["K", "V"])];
    let more = [scalar("g", 2, within(-0.5, 0.0))];
    let outputs: &[&[&str]] = &[&["V"], &["V"]];
    problem(rule_file!("copy"), states, outputs, attention().into_iter().chain(more), |x, states| {
        let [s, late] = states else { unreachable!("two states") };
        let (q, k) = (x.vector("q"), x.vector("k"));
        late.clone_from(s);
        let u = sub(&x.vector("v"), &read(late, &k));
        decay(s, x.scalar("g").exp());
        write(s, &k, &u);
        vec![read(s, &q), read(late, &q)]
    })
}

pub(crate) fn mixed_rows() -> Problem {
    let states: &[(&str, &[&str])] = &[("s", &["K", "V"]), ("m", &["K", "V"])];
    let more = [
        vector("eta", "K", 2, within(0.0, 0.6)),
        vector("alpha", "K", 1, within(0.4, 0.8)),
        vector("theta", "K", 2, within(0.0, 0.5)),
    ];
    problem(rule_file!("mixed_rows"), states, &[&["V"]], attention().into_iter().chain(more), |x, states| {
        let [s, m] = states else { unreachable!("two states") };
        let k = x.vector("k");
        let u = sub(&x.vector("v"), &read(s, &k));
        decay_rows(m, &x.vector("eta"));
        write(m, &scale(0.5, &k), &u);
        let mut share = m.clone();
        decay_rows(&mut share, &x.vector("theta"));
        decay_rows(s, &x.vector("alpha"));
        add_state(s, 1.0, &share);
        vec![read(s, &x.vector("q"))]
    })
}

pub(crate) fn from_one() -> Problem {
    let fields = [
        vectors("q", 1, "K", 2, NORMAL),
        vectors("k", 4, "K", 2, UNIT),
        vector("v", "V", 1, NORMAL),
        scalar("beta", 2, within(0.0, 1.0)),
    ];
    problem(rule_file!("from_one"), ONE_STATE, &[&["V"]], fields, |x, s| {
        let s = &mut s[0];
        let v = x.vector("v");
        decay(s, 0.9);
        write(s, &x.item("k", 0), &v);
        for j in 1..4 {
            let k = x.item("k", j);
            let u = sub(&scale(1.0 / j as f64, &v), &read(s, &k));
            write(s, &scale(x.scalar("beta"), &k), &u);
        }
        vec![read(s, &x.item("q", 0))]
    })
}

pub(crate) fn untouched_states() -> Problem {
    let states: &[(&str, &[&str])] = &[("s", &["K", "V"]), ("z", &["K"])];
    let fields = [vector("q", "K", 2, NORMAL), vector("v", "V", 2, NORMAL), scalar("f", 1, within(0.0, 3.0))];
    let outputs: &[&[&str]] = &[&["V"], &[]];
    problem(rule_file!("untouched_states"), states, outputs, fields, |x, states| {
        let [s, z] = states else { unreachable!("two states") };
        let q = x.vector("q");
        decay(z, x.scalar("f").sigmoid());
        vec![add(&x.vector("v"), &read(s, &q)), vec![dot(&z[0], &q)]]
    })
}

pub(crate) fn vector_forms() -> Problem {
    let states: &[(&str, &[&str])] = &[("y", &["K"]), ("z", &["K"])];
    let fields = [
        vector("q", "K", 2, NORMAL),
        vector("k", "K", 2, UNIT),
        scalar("x", 2, NORMAL),
        vector("d", "K", 1, within(-1.0, 1.0)),
    ];
    let outputs: &[&[&str]] = &[&["K"], &[], &[]];
    problem(rule_file!("vector_forms"), states, outputs, fields, |x, states| {
        let [y, z] = states else { unreachable!("two states") };
        let (y, z) = (&mut y[0], &mut z[0]);
        let (q, k) = (x.vector("q"), x.vector("k"));
        *y = add(&mul(&map(&x.vector("d"), Num::sigmoid), y), &scale(0.5, &k));
        *z = add(z, &scale(x.scalar("x") - dot(z, &k), &k));
        let step = sub(&q, &scale(dot(y, &k), y));
        *y = add(y, &scale(0.1, &step));
        vec![mul(y, y), vec![dot(y, &q)], vec![dot(z, &q) * sum(y)]]
    })
}

pub(crate) fn saturated_state() -> Problem {
    problem(rule_file!("saturated_state"), ONE_STATE, &[&["V"]], attention(), |x, s| {
        let s = &mut s[0];
        decay(s, 0.9);
        write(s, &x.vector("k"), &x.vector("v"));
        s.iter_mut().flatten().for_each(|x| *x = x.tanh());
        vec![read(s, &x.vector("q"))]
    })
}

pub(crate) fn decay_from_read() -> Problem {
    let outputs: &[&[&str]] = &[&["V"], &[]];
    problem(rule_file!("decay_from_read"), ONE_STATE, outputs, attention(), |x, s| {
        let s = &mut s[0];
        let (k, v) = (x.vector("k"), x.vector("v"));
        let p = read(s, &k);
        let f = dot(&p, &v).sigmoid();
        decay(s, f);
        write(s, &k, &sub(&v, &p));
        vec![read(s, &x.vector("q")), vec![f]]
    })
}

pub(crate) fn product_of_states() -> Problem {
    let states: &[(&str, &[&str])] = &[("s", &["K", "V"]), ("t", &["K", "V"])];
    problem(rule_file!("product_of_states"), states, &[&["V"]], attention(), |x, states| {
        let [s, t] = states else { unreachable!("two states") };
        let (k, v) = (x.vector("k"), x.vector("v"));
        decay(t, 0.9);
        write(t, &k, &map(&v, Num::tanh));
        for (row, other) in s.iter_mut().zip(t.iter()) {
            *row = (0..row.len()).map(|j| 0.5 * row[j] + 0.1 * (row[j] * other[j])).collect();
        }
        write(s, &k, &v);
        vec![read(s, &x.vector("q"))]
    })
}

pub(crate) fn slots() -> Problem {
    let states: &[(&str, &[&str])] = &[("a", &["K", "D"]), ("b", &["D", "V"])];
    let more = [vector("w", "D", 2, UNIT), scalar("g", 1, within(-0.5, 0.0))];
    problem(rule_file!("slots"), states, &[&["V"]], attention().into_iter().chain(more), |x, states| {
        let [a, b] = states else { unreachable!("two states") };
        let (w, forget) = (x.vector("w"), x.scalar("g").exp());
        decay(a, forget);
        decay(b, forget);
        write(a, &x.vector("k"), &w);
        write(b, &w, &x.vector("v"));
        let weights = softmax(&read(a, &x.vector("q")));
        vec![read(b, &weights)]
    })
}
