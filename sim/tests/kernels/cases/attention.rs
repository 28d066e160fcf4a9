//! Causal softmax attention of one head.

use super::{Case, Element, input, int, near, parts};
use crate::random::Random;

const DIM: usize = 64;

/// Over `length` tokens.
pub(crate) fn case(length: usize, seed: u64) -> Case {
    let mut random = Random::new(seed);
    let mut tensor = |scale: f32| {
        let written: Vec<Vec<u8>> =
            random.floats(length * DIM, scale).into_iter().map(|x| Element::BF16.write(x)).collect();
        let numbers: Vec<f64> = written.iter().map(|bytes| Element::BF16.read(bytes)).collect();
        (numbers, written.concat())
    };
    let ((q, q_bytes), (k, k_bytes), (v, v_bytes)) = (tensor(2.0), tensor(2.0), tensor(1.0));
    let mut out = Vec::with_capacity(length * DIM);
    for t in 0..length {
        let score = |s: usize| (0..DIM).map(|d| q[t * DIM + d] * k[s * DIM + d]).sum::<f64>() / 8.0;
        let scores: Vec<f64> = (0..=t).map(score).collect();
        let top = scores.iter().fold(f64::NEG_INFINITY, |top, &score| top.max(score));
        let weights: Vec<f64> = scores.iter().map(|score| (score - top).exp()).collect();
        let sum: f64 = weights.iter().sum();
        for d in 0..DIM {
            let terms = weights.iter().enumerate().map(|(s, weight)| weight / sum * v[s * DIM + d]);
            let (o, size) = terms.fold((0.0, 0.0), |(o, size), x: f64| (o + x, size + x.abs()));
            // Weights are rounded to bf16: half a unit, at most 2^-8 of each.
            out.push((o, size * (2f64.powi(-8) + 1e-5)));
        }
    }
    Case {
        name: format!("attention {length}"),
        text: include_str!("../attention.ptx"),
        kernel: "attention",
        grid: [parts(length, 64), 1, 1],
        block: [128, 1, 1],
        dynamic: 0,
        args: vec![
            input(q_bytes),
            input(k_bytes),
            input(v_bytes),
            near(Element::F32, out),
            int(length as i32),
        ],
    }
}
