//! Token loops of the rules without feedback, each from its paper's equation in its paper's notation.

use crate::dense::*;
use crate::harness::{Case, Data, Draw, Expected};

pub(crate) const CASES: &[Case] = &[
    Case { name: "linear_attention", draws: &[], paper: linear_attention },
    Case { name: "linear_attention_elu", draws: &[], paper: linear_attention_elu },
    Case { name: "linear_attention_normalised", draws: &[], paper: linear_attention_normalised },
    Case { name: "retnet", draws: &[("g", Draw::LogDecay)], paper: retnet },
    Case { name: "lightning_attention", draws: &[], paper: lightning_attention },
    Case { name: "gated_retention", draws: &[], paper: gated_retention },
    Case { name: "mamba2", draws: &[], paper: mamba2 },
    Case { name: "mlstm_capped", draws: &[], paper: mlstm_capped },
    Case { name: "gla", draws: &[("g", Draw::LogDecay)], paper: gla },
    Case { name: "rwkv6", draws: &[("w", Draw::LogDecay)], paper: rwkv6 },
    Case { name: "hgrn2", draws: &[("g", Draw::LogDecay)], paper: hgrn2 },
    Case { name: "rodimus", draws: &[], paper: rodimus },
    Case {
        name: "decaying_fast_weights",
        draws: &[("g", Draw::LogDecay), ("h", Draw::LogDecay)],
        paper: decaying_fast_weights,
    },
    Case { name: "hgrn", draws: &[("g", Draw::LogDecay)], paper: hgrn },
    Case { name: "rg_lru", draws: &[], paper: rg_lru },
    Case { name: "mamba", draws: &[], paper: mamba },
    Case { name: "s4d_real", draws: &[], paper: s4d_real },
    Case { name: "longhorn_diagonal", draws: &[], paper: longhorn_diagonal },
];

/// `S_t = decay_t * S_{t-1} + k_t v_t^T`, `o_t = q_t S_t`: the loop that the additive papers share, each with its own terms.
fn additive(
    x: &Data,
    state: &str,
    mut token: impl FnMut(usize) -> (Matrix, Vec<f64>, Vec<f64>, Vec<f64>),
) -> Expected {
    let mut s = x.matrix(state);
    let mut output = Vec::new();
    for t in 0..x.tokens {
        let (decay, k, v, q) = token(t);
        s = add(&hadamard(&decay, &s), &outer(&k, &v));
        output.extend(apply(&transpose(&s), &q));
    }
    Expected { output, states: vec![s.concat()] }
}

fn scaled(x: &Data, q: &[f64]) -> Vec<f64> {
    times(1.0 / (x.k as f64).sqrt(), q)
}

fn constant(x: &Data, c: f64) -> Matrix {
    vec![vec![c; x.v]; x.k]
}

fn by_row(x: &Data, d: &[f64]) -> Matrix {
    outer(d, &vec![1.0; x.v])
}

fn linear_attention(x: &Data) -> Expected {
    additive(x, "s", |t| {
        (constant(x, 1.0), x.vector("k", t).to_vec(), x.vector("v", t).to_vec(), scaled(x, x.vector("q", t)))
    })
}

fn linear_attention_elu(x: &Data) -> Expected {
    additive(x, "s", |t| {
        let (k, q) = (map(x.vector("k", t), elu_plus_one), map(x.vector("q", t), elu_plus_one));
        (constant(x, 1.0), k, x.vector("v", t).to_vec(), q)
    })
}

/// Equations 18 to 20: s_i, z_i, and their quotient.
fn linear_attention_normalised(x: &Data) -> Expected {
    let (mut s, mut z) = (x.matrix("s"), x.state("z"));
    let mut output = Vec::new();
    for t in 0..x.tokens {
        let (k, q) = (map(x.vector("k", t), elu_plus_one), map(x.vector("q", t), elu_plus_one));
        s = add(&s, &outer(&k, x.vector("v", t)));
        z = plus(&z, &k);
        output.extend(times(1.0 / dot(&q, &z), &apply(&transpose(&s), &q)));
    }
    Expected { output, states: vec![s.concat(), z] }
}

fn retnet(x: &Data) -> Expected {
    let gamma = x.number("g", 0).exp();
    additive(x, "s", |t| {
        (
            constant(x, gamma),
            x.vector("k", t).to_vec(),
            x.vector("v", t).to_vec(),
            scaled(x, x.vector("q", t)),
        )
    })
}

fn lightning_attention(x: &Data) -> Expected {
    let lambda = (-x.number("slope", 0)).exp();
    additive(x, "kv", |t| {
        (
            constant(x, lambda),
            x.vector("k", t).to_vec(),
            x.vector("v", t).to_vec(),
            scaled(x, x.vector("q", t)),
        )
    })
}

fn gated_retention(x: &Data) -> Expected {
    additive(x, "s", |t| {
        let gamma = sigmoid(x.number("gate", t)).powf(1.0 / 16.0);
        (
            constant(x, gamma),
            x.vector("k", t).to_vec(),
            x.vector("v", t).to_vec(),
            scaled(x, x.vector("q", t)),
        )
    })
}

fn mamba2(x: &Data) -> Expected {
    let a = -x.number("a_log", 0).exp();
    let delta = |t| softplus(x.number("dt", t) + x.number("dt_bias", 0));
    let mut e = additive(x, "h", |t| {
        let b = times(delta(t), x.vector("b", t));
        (constant(x, (delta(t) * a).exp()), b, x.vector("x", t).to_vec(), x.vector("c", t).to_vec())
    });
    for t in 0..x.tokens {
        for (i, xi) in x.vector("x", t).iter().enumerate() {
            e.output[t * x.v + i] += x.number("d", 0) * xi;
        }
    }
    e
}

/// xLSTM, equations 19 to 27, with both gates under the soft cap of xLSTM 7B.
fn mlstm_capped(x: &Data) -> Expected {
    let cap = |y: f64| 15.0 * (y / 15.0).tanh();
    let (mut c, mut n) = (transpose(&x.matrix("c")), x.state("n"));
    let mut output = Vec::new();
    for t in 0..x.tokens {
        let (i, f) = (cap(x.number("i", t)).exp(), sigmoid(cap(x.number("f", t))));
        let (k, q) = (x.vector("k", t), scaled(x, x.vector("q", t)));
        c = add(&scale(f, &c), &scale(i, &outer(x.vector("v", t), k)));
        n = plus(&times(f, &n), &times(i, k));
        output.extend(times(1.0 / dot(&n, &q).abs().max(1.0), &apply(&c, &q)));
    }
    Expected { output, states: vec![transpose(&c).concat(), n] }
}

fn gla(x: &Data) -> Expected {
    additive(x, "s", |t| {
        let alpha = map(x.vector("g", t), f64::exp);
        (by_row(x, &alpha), x.vector("k", t).to_vec(), x.vector("v", t).to_vec(), scaled(x, x.vector("q", t)))
    })
}

/// wkv_t = diag(u) k_t^T v_t + S_{t-1}; the state follows.
fn rwkv6(x: &Data) -> Expected {
    let mut s = x.matrix("s");
    let mut output = Vec::new();
    for t in 0..x.tokens {
        let kv = outer(x.vector("k", t), x.vector("v", t));
        let wkv = add(&mul(&diag(x.vector("u", 0)), &kv), &s);
        output.extend(apply(&transpose(&wkv), x.vector("r", t)));
        s = add(&mul(&diag(&map(x.vector("w", t), f64::exp)), &s), &kv);
    }
    Expected { output, states: vec![s.concat()] }
}

fn hgrn2(x: &Data) -> Expected {
    additive(x, "h", |t| {
        let f = map(x.vector("g", t), f64::exp);
        let k = map(&f, |f| 1.0 - f);
        (by_row(x, &f), k, x.vector("i", t).to_vec(), scaled(x, x.vector("q", t)))
    })
}

fn rodimus(x: &Data) -> Expected {
    additive(x, "s", |t| {
        let g = map(x.vector("g", t), softplus);
        let tau = map(x.vector("tau", t), sigmoid);
        let alpha: Vec<f64> = g.iter().zip(&tau).map(|(g, tau)| (-g * tau).exp()).collect();
        let strength: Vec<f64> = g.iter().zip(&tau).map(|(g, tau)| g.powf(*tau)).collect();
        let k = each(&strength, &unit(x.vector("k", t)));
        let v = each(&map(x.vector("b", t), sigmoid), x.vector("v", t));
        (by_row(x, &alpha), k, v, scaled(x, x.vector("q", t)))
    })
}

fn decaying_fast_weights(x: &Data) -> Expected {
    additive(x, "s", |t| {
        let decay = outer(&map(x.vector("g", t), f64::exp), &map(x.vector("h", t), f64::exp));
        (decay, x.vector("k", t).to_vec(), x.vector("v", t).to_vec(), scaled(x, x.vector("q", t)))
    })
}

fn hgrn(x: &Data) -> Expected {
    let mut h = x.state("h");
    let mut output = Vec::new();
    for t in 0..x.tokens {
        for (i, hi) in h.iter_mut().enumerate() {
            let f = x.vector("g", t)[i].exp();
            *hi = f * *hi + (1.0 - f) * x.vector("i", t)[i];
        }
        output.extend(&h);
    }
    Expected { output, states: vec![h] }
}

fn rg_lru(x: &Data) -> Expected {
    let mut h = x.state("h");
    let mut output = Vec::new();
    for t in 0..x.tokens {
        for (j, hj) in h.iter_mut().enumerate() {
            let a = sigmoid(x.vector("lambda", 0)[j]).powf(8.0 * sigmoid(x.vector("r", t)[j]));
            let gated = sigmoid(x.vector("i", t)[j]) * x.vector("x", t)[j];
            *hj = a * *hj + (1.0 - a * a).sqrt() * gated;
        }
        output.extend(&h);
    }
    Expected { output, states: vec![h] }
}

fn mamba(x: &Data) -> Expected {
    let mut h = x.state("h");
    let mut output = Vec::new();
    for t in 0..x.tokens {
        let delta = softplus(x.number("dt", t) + x.number("dt_bias", 0));
        for (n, hn) in h.iter_mut().enumerate() {
            let a = -x.vector("a_log", 0)[n].exp();
            *hn = (delta * a).exp() * *hn + delta * x.vector("b", t)[n] * x.number("x", t);
        }
        output.push(dot(x.vector("c", t), &h) + x.number("d", 0) * x.number("x", t));
    }
    Expected { output, states: vec![h] }
}

fn s4d_real(x: &Data) -> Expected {
    let mut state = x.state("x");
    let mut output = Vec::new();
    let delta = x.number("dt_log", 0).exp();
    for t in 0..x.tokens {
        for (n, xn) in state.iter_mut().enumerate() {
            let a = -x.vector("a_log", 0)[n].exp();
            let a_bar = (delta * a).exp();
            let b_bar = (a_bar - 1.0) / (delta * a) * delta * x.vector("b", 0)[n];
            *xn = a_bar * *xn + b_bar * x.number("u", t);
        }
        output.push(dot(x.vector("c", 0), &state) + x.number("d", 0) * x.number("u", t));
    }
    Expected { output, states: vec![state] }
}

fn longhorn_diagonal(x: &Data) -> Expected {
    let mut s = x.state("s");
    let mut output = Vec::new();
    for t in 0..x.tokens {
        let (k, beta) = (x.vector("k", t), x.number("beta", t));
        let delta = beta / (1.0 + beta * dot(k, k));
        for (n, sn) in s.iter_mut().enumerate() {
            *sn = (1.0 - delta * k[n] * k[n]) * *sn + delta * k[n] * x.number("x", t);
        }
        output.push(dot(&s, x.vector("q", t)) + x.number("d", 0) * x.number("x", t));
    }
    Expected { output, states: vec![s] }
}
