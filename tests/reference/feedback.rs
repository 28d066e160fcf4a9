//! Rules whose write is a nonlinear function of what was read: by channel (tanh, gains, products) and across the row
//! (layer norm, softmax, l2norm).

use crate::declare::*;
use crate::maths::*;
use crate::problem::Problem;
use crate::tape::Num;

const ONE_STATE: &[(&str, &[&str])] = &[("s", &["K", "V"])];

pub(crate) fn tanh_feedback() -> Problem {
    let more = [vector("g", "K", 2, within(-0.5, 0.0)), scalar("beta", 1, within(0.0, 1.0))];
    problem(rule_file!("tanh_feedback"), ONE_STATE, &[&["V"]], attention().into_iter().chain(more), |x, s| {
        let s = &mut s[0];
        let k = x.vector("k");
        decay_rows(s, &map(&x.vector("g"), Num::exp));
        let u = sub(&x.vector("v"), &map(&read(s, &k), Num::tanh));
        write(s, &scale(x.scalar("beta"), &k), &u);
        vec![read(s, &x.vector("q"))]
    })
}

pub(crate) fn vector_gain() -> Problem {
    let more = [vector("w", "V", 2, NORMAL), scalar("g", 1, within(-0.3, 0.0))];
    problem(rule_file!("vector_gain"), ONE_STATE, &[&["V"]], attention().into_iter().chain(more), |x, s| {
        let s = &mut s[0];
        let k = x.vector("k");
        decay(s, x.scalar("g").exp());
        let error = sub(&x.vector("v"), &read(s, &k));
        write(s, &k, &mul(&map(&x.vector("w"), Num::sigmoid), &error));
        vec![read(s, &x.vector("q"))]
    })
}

pub(crate) fn product_of_reads() -> Problem {
    let more = [scalar("g", 2, within(-0.5, 0.0)), scalar("beta", 1, within(0.0, 0.5))];
    problem(
        rule_file!("product_of_reads"),
        ONE_STATE,
        &[&["V"]],
        attention().into_iter().chain(more),
        |x, s| {
            let s = &mut s[0];
            let (q, k) = (x.vector("q"), x.vector("k"));
            decay(s, x.scalar("g").exp());
            let p = read(s, &k);
            let gate = map(&read(s, &q), Num::sigmoid);
            write(s, &scale(x.scalar("beta"), &k), &sub(&x.vector("v"), &mul(&p, &gate)));
            vec![mul(&read(s, &q), &gate)]
        },
    )
}

pub(crate) fn layer_norm_memory() -> Problem {
    let more = [
        head_vector("gain", "V", 2, within(0.5, 1.5)),
        head_vector("offset", "V", 1, NORMAL),
        scalar("eta", 2, within(0.0, 0.4)),
    ];
    problem(
        rule_file!("layer_norm_memory"),
        ONE_STATE,
        &[&["V"]],
        attention().into_iter().chain(more),
        |x, s| {
            let s = &mut s[0];
            let (k, v, gain, offset) = (x.vector("k"), x.vector("v"), x.vector("gain"), x.vector("offset"));
            decay(s, 0.9);
            let p = read(s, &k);
            let size = p.len() as f64;
            let mean = sum(&p) / size;
            let centred = map(&p, |p| p - mean);
            let deviation = (dot(&centred, &centred) / size + 0.1).sqrt();
            let u: Vector =
                (0..p.len()).map(|i| v[i] - gain[i] * (centred[i] / deviation) - offset[i]).collect();
            write(s, &scale(0.5 * x.scalar("eta"), &k), &u);
            vec![read(s, &x.vector("q"))]
        },
    )
}

pub(crate) fn softmax_feedback() -> Problem {
    let more = [vector("g", "K", 1, within(-0.3, 0.0)), scalar("beta", 2, within(0.0, 1.0))];
    let outputs: &[&[&str]] = &[&["V"], &[]];
    problem(
        rule_file!("softmax_feedback"),
        ONE_STATE,
        outputs,
        attention().into_iter().chain(more),
        |x, s| {
            let s = &mut s[0];
            let (k, v) = (x.vector("k"), x.vector("v"));
            decay_rows(s, &map(&x.vector("g"), Num::exp));
            let p = read(s, &k);
            let step = dot(&p, &v).sigmoid();
            let error = sub(&softmax(&v), &softmax(&p));
            write(s, &scale(x.scalar("beta") * step, &k), &error);
            vec![softmax(&read(s, &x.vector("q"))), vec![step]]
        },
    )
}

pub(crate) fn normalised_feedback() -> Problem {
    let more =
        [vector("b", "K", 2, UNIT), scalar("g", 1, within(-0.5, 0.0)), scalar("beta", 2, within(0.0, 1.0))];
    problem(
        rule_file!("normalised_feedback"),
        ONE_STATE,
        &[&["V"]],
        attention().into_iter().chain(more),
        |x, s| {
            let s = &mut s[0];
            let (k, b, v) = (x.vector("k"), x.vector("b"), x.vector("v"));
            decay(s, x.scalar("g").exp());
            let u = sub(&v, &l2norm(&read(s, &k)));
            write(s, &scale(x.scalar("beta"), &k), &u);
            let u = sub(&l2norm(&read(s, &b)), &scale(0.1, &v));
            write(s, &scale(-0.5, &b), &u);
            vec![read(s, &x.vector("q"))]
        },
    )
}
