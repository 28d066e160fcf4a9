//! Rules whose feedback is linear, or that have none: reads, decays and writes in every order, on one matrix state.

use crate::declare::*;
use crate::maths::*;
use crate::problem::Problem;
use crate::tape::Num;

const ONE_STATE: &[(&str, &[&str])] = &[("s", &["K", "V"])];

pub(crate) fn erase_then_write() -> Problem {
    let more = [
        vector("b", "K", 2, UNIT),
        vector("g", "K", 1, within(-0.5, 0.0)),
        scalar("e", 2, within(0.0, 1.0)),
        scalar("beta", 1, within(0.0, 1.0)),
    ];
    problem(
        rule_file!("erase_then_write"),
        ONE_STATE,
        &[&["V"]],
        attention().into_iter().chain(more),
        |x, s| {
            let s = &mut s[0];
            let (q, k, b, v) = (x.vector("q"), x.vector("k"), x.vector("b"), x.vector("v"));
            let p = read(s, &b);
            write(s, &scale(-x.scalar("e"), &b), &p);
            decay_rows(s, &map(&x.vector("g"), Num::exp));
            let r = read(s, &k);
            let u: Vector = (0..v.len()).map(|i| v[i] - 0.5 * r[i] + 0.25 * p[i]).collect();
            write(s, &scale(x.scalar("beta"), &k), &u);
            let o = read(s, &q);
            vec![(0..v.len()).map(|i| o[i] + 0.2 * r[i] - 0.1 * v[i]).collect()]
        },
    )
}

pub(crate) fn read_decay_write() -> Problem {
    let more = [
        vector("a", "K", 2, UNIT),
        vector("b", "K", 1, UNIT),
        scalar("alpha", 2, sometimes(0.0, -0.45, 0.45)),
    ];
    problem(
        rule_file!("read_decay_write"),
        ONE_STATE,
        &[&["V"]],
        attention().into_iter().chain(more),
        |x, s| {
            let s = &mut s[0];
            let p = read(s, &x.vector("a"));
            decay(s, x.scalar("alpha"));
            write(s, &scale(0.5, &x.vector("b")), &p);
            write(s, &x.vector("k"), &x.vector("v"));
            vec![read(s, &x.vector("q"))]
        },
    )
}

pub(crate) fn value_decay() -> Problem {
    let more = [vector("h", "V", 1, within(-1.0, 0.0))];
    problem(
        rule_file!("value_decay"),
        ONE_STATE,
        &[&["V"], &["V"]],
        attention().into_iter().chain(more),
        |x, s| {
            let s = &mut s[0];
            let before = read(s, &x.vector("q"));
            decay_columns(s, &map(&x.vector("h"), Num::exp));
            write(s, &x.vector("k"), &x.vector("v"));
            let after = sub(&read(s, &x.vector("q")), &before);
            vec![before, after]
        },
    )
}

pub(crate) fn both_sides() -> Problem {
    let more = [
        vector("rows", "K", 2, within(0.0, 3.0)),
        vector("columns", "V", 1, within(0.0, 3.0)),
        scalar("beta", 2, within(0.0, 1.0)),
    ];
    problem(rule_file!("both_sides"), ONE_STATE, &[&["V"]], attention().into_iter().chain(more), |x, s| {
        let s = &mut s[0];
        let k = x.vector("k");
        decay_rows(s, &map(&x.vector("rows"), Num::sigmoid));
        let p = read(s, &k);
        decay_columns(s, &map(&x.vector("columns"), Num::sigmoid));
        write(s, &scale(x.scalar("beta"), &k), &sub(&x.vector("v"), &p));
        vec![read(s, &x.vector("q"))]
    })
}

pub(crate) fn signed_rows() -> Problem {
    let more = [
        vector("d", "K", 2, sometimes(0.0, -1.0, 1.0)),
        head_vector("gain", "K", 2, within(-1.0, 1.0)),
        scalar("beta", 1, within(0.0, 1.0)),
    ];
    problem(rule_file!("signed_rows"), ONE_STATE, &[&["V"]], attention().into_iter().chain(more), |x, s| {
        let s = &mut s[0];
        let k = x.vector("k");
        decay_rows(s, &mul(&x.vector("d"), &x.vector("gain")));
        let u = sub(&x.vector("v"), &read(s, &k));
        write(s, &scale(x.scalar("beta"), &k), &u);
        vec![read(s, &x.vector("q"))]
    })
}

pub(crate) fn signed_columns() -> Problem {
    let more = [
        vector("b", "K", 1, UNIT),
        vector("w", "V", 2, NORMAL),
        vector("d", "V", 2, sometimes(0.0, -1.0, 1.0)),
    ];
    problem(
        rule_file!("signed_columns"),
        ONE_STATE,
        &[&["V"]],
        attention().into_iter().chain(more),
        |x, s| {
            let s = &mut s[0];
            let k = x.vector("k");
            write(s, &x.vector("b"), &x.vector("w"));
            decay_columns(s, &x.vector("d"));
            let u = sub(&x.vector("v"), &read(s, &k));
            write(s, &k, &u);
            vec![read(s, &x.vector("q"))]
        },
    )
}

pub(crate) fn log_reset() -> Problem {
    let more = [scalar("g", 2, sometimes(f64::NEG_INFINITY, -1.0, 0.0)), scalar("beta", 1, within(0.0, 2.0))];
    problem(rule_file!("log_reset"), ONE_STATE, &[&["V"]], attention().into_iter().chain(more), |x, s| {
        let s = &mut s[0];
        let k = x.vector("k");
        decay(s, x.scalar("g").exp());
        let u = sub(&x.vector("v"), &read(s, &k));
        write(s, &scale(x.scalar("beta"), &k), &u);
        vec![read(s, &x.vector("q"))]
    })
}

pub(crate) fn log_reset_rows() -> Problem {
    let more = [vector("a", "K", 2, UNIT), vector("g", "K", 2, sometimes(f64::NEG_INFINITY, -1.0, 0.0))];
    problem(
        rule_file!("log_reset_rows"),
        ONE_STATE,
        &[&["V"]],
        attention().into_iter().chain(more),
        |x, s| {
            let s = &mut s[0];
            let p = read(s, &x.vector("k"));
            decay_rows(s, &map(&x.vector("g"), Num::exp));
            write(s, &scale(0.5, &x.vector("a")), &sub(&x.vector("v"), &p));
            vec![read(s, &x.vector("q"))]
        },
    )
}

pub(crate) fn constant_decay() -> Problem {
    let more = [head_scalar("rate", 2, within(-3.0, -1.0))];
    problem(
        rule_file!("constant_decay"),
        ONE_STATE,
        &[&["V"]],
        attention().into_iter().chain(more),
        |x, s| {
            let s = &mut s[0];
            let k = x.vector("k");
            decay(s, 0.95);
            write(s, &k, &x.vector("v"));
            decay(s, (-x.scalar("rate").exp()).exp());
            vec![scale(1.0 / k.len() as f64, &read(s, &x.vector("q")))]
        },
    )
}

pub(crate) fn decay_sandwich() -> Problem {
    let more = [
        vector("b", "K", 1, UNIT),
        vector("rows", "K", 2, within(-0.5, 0.0)),
        vector("columns", "V", 2, within(-0.5, 0.0)),
        scalar("whole", 1, sometimes(0.0, -0.9, 0.9)),
    ];
    problem(
        rule_file!("decay_sandwich"),
        ONE_STATE,
        &[&["V"]],
        attention().into_iter().chain(more),
        |x, s| {
            let s = &mut s[0];
            let (k, v) = (x.vector("k"), x.vector("v"));
            write(s, &x.vector("b"), &v);
            decay_rows(s, &map(&x.vector("rows"), Num::exp));
            let u = sub(&v, &read(s, &k));
            write(s, &scale(0.5, &k), &u);
            decay_columns(s, &map(&x.vector("columns"), Num::exp));
            let o = read(s, &x.vector("q"));
            decay(s, x.scalar("whole"));
            write(s, &k, &sub(&o, &v));
            vec![o]
        },
    )
}

pub(crate) fn grouped() -> Problem {
    let fields = [
        vector("q", "K", 6, NORMAL),
        vector("k", "K", 3, UNIT),
        vector("v", "V", 2, NORMAL),
        scalar("g", 1, within(-0.5, 0.0)),
        scalars("beta", 2, 3, within(0.0, 1.0)),
        head_scalar("rate", 2, within(0.5, 1.5)),
        head_vector("gain", "V", 3, NORMAL),
    ];
    problem(rule_file!("grouped"), ONE_STATE, &[&["V"]], fields, |x, s| {
        let s = &mut s[0];
        let (k, v) = (x.vector("k"), x.vector("v"));
        decay(s, (x.scalar("g") * x.scalar("rate")).exp());
        let u = sub(&v, &scale(x.scalar_item("beta", 1), &read(s, &k)));
        write(s, &scale(x.scalar_item("beta", 0), &k), &u);
        vec![mul(&x.vector("gain"), &read(s, &x.vector("q")))]
    })
}
