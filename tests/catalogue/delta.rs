//! Token loops of the rules with feedback, each from its paper's equation: transitions are built as full matrices and
//! multiplied. Papers that write `S` as values x keys keep it that way here; it is transposed at the end.

use crate::dense::*;
use crate::harness::{Case, Data, Draw, Expected};

pub(crate) const CASES: &[Case] = &[
    Case { name: "deltanet", draws: &[], paper: deltanet },
    Case { name: "deltanet_negative", draws: &[], paper: deltanet },
    Case { name: "gated_deltanet", draws: &[("g", Draw::LogDecay)], paper: gated_deltanet },
    Case { name: "kda", draws: &[("g", Draw::LogDecay)], paper: kda },
    Case { name: "gdn2", draws: &[("g", Draw::LogDecay)], paper: gdn2 },
    Case { name: "comba", draws: &[("g", Draw::LogDecay)], paper: comba },
    Case { name: "rwkv7", draws: &[("w", Draw::LogDecay)], paper: rwkv7 },
    Case {
        name: "dplr",
        draws: &[("g", Draw::LogDecay), ("a", Draw::Small), ("b", Draw::Small)],
        paper: dplr,
    },
    Case { name: "iplr", draws: &[("a", Draw::Small), ("b", Draw::Small)], paper: iplr },
    Case { name: "deltaproduct2", draws: &[], paper: |x| deltaproduct(x, 2, false) },
    Case { name: "deltaproduct3", draws: &[], paper: |x| deltaproduct(x, 3, false) },
    Case {
        name: "gated_deltaproduct2",
        draws: &[("g", Draw::LogDecay)],
        paper: |x| deltaproduct(x, 2, true),
    },
    Case { name: "momentum_delta", draws: &[], paper: momentum_delta },
    Case { name: "longhorn", draws: &[], paper: longhorn },
    Case { name: "ttt_linear_online", draws: &[("eta", Draw::Small)], paper: ttt_linear_online },
];

fn scaled(x: &Data, q: &[f64]) -> Vec<f64> {
    times(1.0 / (x.k as f64).sqrt(), q)
}

/// `S_t = S_{t-1} A_t + b_t`, `o_t = S_t q_t`, with `S` values x keys.
fn right(x: &Data, mut token: impl FnMut(usize) -> (Matrix, Matrix, Vec<f64>)) -> Expected {
    let mut s = transpose(&x.matrix("s"));
    let mut output = Vec::new();
    for t in 0..x.tokens {
        let (transition, input, q) = token(t);
        s = add(&mul(&s, &transition), &input);
        output.extend(apply(&s, &q));
    }
    Expected { output, states: vec![transpose(&s).concat()] }
}

/// `S_t = A_t S_{t-1} + b_t`, `o_t = S_t^T q_t`, with `S` keys x values.
fn left(x: &Data, mut token: impl FnMut(usize) -> (Matrix, Matrix, Vec<f64>)) -> Expected {
    let mut s = x.matrix("s");
    let mut output = Vec::new();
    for t in 0..x.tokens {
        let (transition, input, q) = token(t);
        s = add(&mul(&transition, &s), &input);
        output.extend(apply(&transpose(&s), &q));
    }
    Expected { output, states: vec![s.concat()] }
}

/// `I - beta k k^T`.
fn householder(k: &[f64], beta: f64) -> Matrix {
    sub(&eye(k.len()), &scale(beta, &outer(k, k)))
}

fn deltanet(x: &Data) -> Expected {
    right(x, |t| {
        let (k, beta) = (unit(x.vector("k", t)), x.number("beta", t));
        let input = scale(beta, &outer(x.vector("v", t), &k));
        (householder(&k, beta), input, scaled(x, &unit(x.vector("q", t))))
    })
}

fn gated_deltanet(x: &Data) -> Expected {
    right(x, |t| {
        let (k, beta, alpha) = (unit(x.vector("k", t)), x.number("beta", t), x.number("g", t).exp());
        let input = scale(beta, &outer(x.vector("v", t), &k));
        (scale(alpha, &householder(&k, beta)), input, scaled(x, &unit(x.vector("q", t))))
    })
}

fn kda(x: &Data) -> Expected {
    left(x, |t| {
        let (k, beta) = (unit(x.vector("k", t)), x.number("beta", t));
        let decay = diag(&map(x.vector("g", t), f64::exp));
        let input = scale(beta, &outer(&k, x.vector("v", t)));
        (mul(&householder(&k, beta), &decay), input, scaled(x, &unit(x.vector("q", t))))
    })
}

fn gdn2(x: &Data) -> Expected {
    left(x, |t| {
        let k = unit(x.vector("k", t));
        let erase = sub(&eye(x.k), &outer(&k, &each(x.vector("b", t), &k)));
        let decay = diag(&map(x.vector("g", t), f64::exp));
        let input = outer(&k, &each(x.vector("w", t), x.vector("v", t)));
        (mul(&erase, &decay), input, scaled(x, &unit(x.vector("q", t))))
    })
}

fn comba(x: &Data) -> Expected {
    right(x, |t| {
        let (q, k) = (unit(x.vector("q", t)), unit(x.vector("k", t)));
        let (alpha, beta) = (x.number("g", t).exp(), x.number("beta", t));
        let weakened = x.number("b", 0) * beta;
        let transition = sub(&scale(alpha, &eye(x.k)), &scale(weakened, &outer(&k, &k)));
        let input = scale(beta, &outer(x.vector("v", t), &k));
        (transition, input, scaled(x, &minus(&q, &times(x.number("d", 0), &k))))
    })
}

fn rwkv7(x: &Data) -> Expected {
    right(x, |t| {
        let kappa = unit(x.vector("kk", t));
        let decay = diag(&map(x.vector("w", t), f64::exp));
        let transition = sub(&decay, &outer(&kappa, &each(x.vector("a", t), &kappa)));
        (transition, outer(x.vector("v", t), x.vector("k", t)), x.vector("r", t).to_vec())
    })
}

fn dplr(x: &Data) -> Expected {
    left(x, |t| {
        let decay = diag(&map(x.vector("g", t), f64::exp));
        let transition = add(&decay, &outer(x.vector("b", t), x.vector("a", t)));
        (transition, outer(x.vector("k", t), x.vector("v", t)), scaled(x, x.vector("q", t)))
    })
}

fn iplr(x: &Data) -> Expected {
    left(x, |t| {
        let transition = add(&eye(x.k), &outer(x.vector("b", t), x.vector("a", t)));
        (transition, outer(x.vector("k", t), x.vector("v", t)), scaled(x, x.vector("q", t)))
    })
}

fn deltaproduct(x: &Data, steps: usize, gated: bool) -> Expected {
    left(x, |t| {
        let mut transition = if gated { scale(x.number("g", t).exp(), &eye(x.k)) } else { eye(x.k) };
        let mut input = zeros(x.k, x.v);
        for j in 0..steps {
            let (k, beta) = (unit(x.entry("k", t, j)), x.entry("beta", t, j)[0]);
            let step = householder(&k, beta);
            transition = mul(&step, &transition);
            input = add(&mul(&step, &input), &scale(beta, &outer(&k, x.entry("v", t, j))));
        }
        (transition, input, scaled(x, &unit(x.vector("q", t))))
    })
}

/// Equations 9, 10 and 13 with a linear memory and the loss `1/2 |M^T k - v|^2`. The paper's memory is `s`.
fn momentum_delta(x: &Data) -> Expected {
    let (mut memory, mut surprise) = (x.matrix("s"), x.matrix("m"));
    let mut output = Vec::new();
    for t in 0..x.tokens {
        let k = unit(x.vector("k", t));
        let gradient = outer(&k, &minus(&apply(&transpose(&memory), &k), x.vector("v", t)));
        surprise = sub(&scale(x.number("eta", t), &surprise), &scale(x.number("theta", t), &gradient));
        memory = add(&scale(1.0 - x.number("alpha", t), &memory), &surprise);
        output.extend(apply(&transpose(&memory), &unit(x.vector("q", t))));
    }
    Expected { output, states: vec![memory.concat(), surprise.concat()] }
}

/// Theorem 3.1, column by column: each value channel has its own transition.
fn longhorn(x: &Data) -> Expected {
    let mut columns = transpose(&x.matrix("s"));
    let mut output = Vec::new();
    for t in 0..x.tokens {
        let k = x.vector("k", t);
        for (i, column) in columns.iter_mut().enumerate() {
            let beta = x.vector("beta", t)[i];
            let delta = beta / (1.0 + beta * dot(k, k));
            *column = plus(&apply(&householder(k, delta), column), &times(delta * x.vector("x", t)[i], k));
        }
        output.extend(apply(&columns, x.vector("q", t)));
    }
    Expected { output, states: vec![transpose(&columns).concat()] }
}

/// One step of gradient descent per token on the reconstruction loss. The gradient in `p = W^T k` is taken by the
/// full Jacobian of the layer norm, `dz_i/dp_j = rstd (delta_ij - 1/n - z_i z_j / n)`.
fn ttt_linear_online(x: &Data) -> Expected {
    let mut w = x.matrix("w");
    let (gamma, bias) = (x.vector("gamma", 0), x.vector("bias", 0));
    let n = x.v as f64;
    let mut output = Vec::new();
    for t in 0..x.tokens {
        let k = x.vector("k", t);
        let (z, rstd) = layer_norm(&apply(&transpose(&w), k));
        let residual = minus(&plus(&each(gamma, &z), bias), x.vector("target", t));
        let mut jacobian = zeros(x.v, x.v);
        for i in 0..x.v {
            for j in 0..x.v {
                let delta = f64::from(u8::from(i == j));
                jacobian[i][j] = rstd * (delta - 1.0 / n - z[i] * z[j] / n);
            }
        }
        let gradient = apply(&transpose(&jacobian), &each(gamma, &residual));
        w = sub(&w, &scale(x.number("eta", t), &outer(k, &gradient)));
        let (y, _) = layer_norm(&apply(&transpose(&w), x.vector("q", t)));
        output.extend(plus(&each(gamma, &y), bias));
    }
    Expected { output, states: vec![w.concat()] }
}
