//! Rules about the language around the state: loops, arrays, shadowing, prologue, epilogue, outputs of every kind.

use crate::declare::*;
use crate::maths::*;
use crate::problem::Problem;
use crate::tape::Num;

const ONE_STATE: &[(&str, &[&str])] = &[("s", &["K", "V"])];

pub(crate) fn three_steps() -> Problem {
    let fields = [
        vector("q", "K", 2, NORMAL),
        vectors("k", 3, "K", 2, UNIT),
        vectors("v", 3, "V", 1, NORMAL),
        scalars("beta", 3, 2, within(0.0, 1.0)),
        scalars("g", 3, 1, within(-0.5, 0.0)),
    ];
    problem(rule_file!("three_steps"), ONE_STATE, &[&["V"]], fields, |x, s| {
        let s = &mut s[0];
        for j in 0..3 {
            let k = x.item("k", j);
            decay(s, (x.scalar_item("g", j) / (1.0 + j as f64)).exp());
            let u = sub(&x.item("v", j), &read(s, &k));
            write(s, &scale(x.scalar_item("beta", j), &k), &u);
        }
        vec![sub(&read(s, &x.vector("q")), &scale(0.1, &x.item("v", 2)))]
    })
}

pub(crate) fn nested_loops() -> Problem {
    let fields = [
        vector("q", "K", 2, NORMAL),
        vectors("k", 2, "K", 2, UNIT),
        vector("v", "V", 1, NORMAL),
        scalars("c", 3, 2, within(0.0, 0.5)),
        scalar("alpha", 1, within(0.0, 3.0)),
    ];
    problem(rule_file!("nested_loops"), ONE_STATE, &[&["V"]], fields, |x, s| {
        let s = &mut s[0];
        let v = x.vector("v");
        for i in 0..2 {
            decay(s, x.scalar("alpha").sigmoid());
            for j in 0..3 {
                let k = x.item("k", i);
                let error = sub(&v, &read(s, &k));
                write(s, &k, &scale(x.scalar_item("c", j), &error));
            }
        }
        vec![add(&read(s, &x.vector("q")), &v)]
    })
}

pub(crate) fn prologue() -> Problem {
    let fields = [
        vector("q", "K", 2, NORMAL),
        vector("k", "K", 2, NORMAL),
        vector("v", "V", 2, NORMAL),
        vector("f", "K", 1, NORMAL),
        scalar("dt", 2, within(-2.0, 0.0)),
        head_vector("rate", "K", 2, within(-1.0, 0.0)),
    ];
    problem(rule_file!("prologue"), ONE_STATE, &[&["V"]], fields, |x, s| {
        let s = &mut s[0];
        let (q, k, v, f, rate) =
            (x.vector("q"), x.vector("k"), x.vector("v"), x.vector("f"), x.vector("rate"));
        let key = l2norm(&map(&k, Num::silu));
        let weights = softmax(&q);
        let step = x.scalar("dt").softplus();
        let n = k.len();
        let query: Vector = (0..n).map(|i| weights[i] + f[i].gelu() - q[i].relu()).collect();
        let d: Vector = (0..n).map(|i| (-step * rate[i].exp()).exp() * (f[i] + 2.0).sigmoid()).collect();
        let value = map(&v, |v| v.elu() - v.log_sigmoid() + (1.0 + v * v).log() * v.tanh());
        let beta = (sum(&k) / (n as f64).sqrt()).sigmoid();
        decay_rows(s, &d);
        let gain = (1.0 + dot(&v, &v)).rsqrt();
        let u = sub(&scale(gain, &value), &read(s, &key));
        write(s, &scale(beta, &key), &u);
        let b: Vector = (0..n)
            .map(|i| query[i] * k[i].max(f[i]) + k[i].abs().min(2.0 * step) / (1.0 + f[i] * f[i]))
            .collect();
        vec![read(s, &b)]
    })
}

pub(crate) fn epilogue() -> Problem {
    let more =
        [vector("gate", "V", 2, NORMAL), scalar("g", 1, within(-0.5, 0.0)), head_scalar("skip", 2, NORMAL)];
    let outputs: &[&[&str]] = &[&["V"], &[], &["K"], &[], &["V"]];
    problem(rule_file!("epilogue"), ONE_STATE, outputs, attention().into_iter().chain(more), |x, s| {
        let s = &mut s[0];
        let (k, v, gate, skip) = (x.vector("k"), x.vector("v"), x.vector("gate"), x.scalar("skip"));
        decay(s, x.scalar("g").exp());
        write(s, &k, &v);
        let r = read(s, &x.vector("q"));
        let n = scale(v.len() as f64, &l2norm(&r));
        let gated = (0..v.len()).map(|i| gate[i].silu() * n[i] + skip * v[i]).collect();
        let total = sum(&map(&r, Num::tanh));
        let constant = (1.0 + skip * skip).log();
        vec![gated, vec![dot(&r, &gate)], scale(total, &k), vec![constant], map(&v, Num::softplus)]
    })
}

pub(crate) fn shadows() -> Problem {
    let more = [
        vector("b", "K", 2, UNIT),
        vector("w", "V", 1, NORMAL),
        scalar("c", 2, within(0.0, 1.0)),
        scalar("g", 1, within(-1.0, -0.5)),
    ];
    problem(rule_file!("shadows"), ONE_STATE, &[&["V"]], attention().into_iter().chain(more), |x, s| {
        let s = &mut s[0];
        let (q, k, b, v, w) = (x.vector("q"), x.vector("k"), x.vector("b"), x.vector("v"), x.vector("w"));
        let first = read(s, &q);
        decay(s, x.scalar("g").exp());
        let error = sub(&w, &read(s, &b));
        write(s, &scale(x.scalar("c"), &k), &v);
        write(s, &scale(0.3, &b), &error);
        let second = add(&first, &read(s, &q));
        let prediction = read(s, &k);
        write(s, &scale(-0.2, &k), &prediction);
        let third = add(&second, &scale(2.0, &read(s, &q)));
        write(s, &scale(-0.5, &b), &v);
        write(s, &scale(0.1, &k), &third);
        decay(s, 0.9);
        let last = read(s, &add(&k, &b));
        vec![(0..v.len()).map(|i| third[i] + last[i] + last[i] * last[i]).collect()]
    })
}
