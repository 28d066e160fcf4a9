//! Functions that are called.

use super::{Case, Element, bytes, input, int, near, output, parts};
use crate::random::Random;

/// Dot products through pointers of every space, and powers by recursion.
pub(crate) fn case(n: usize, seed: u64) -> Case {
    let x = Random::new(seed).floats(n.max(1) * 8, 1.0);
    let weights: Vec<f64> = x[..8].iter().map(|&x| f64::from(x) * 0.5).collect();
    let mut out = Vec::with_capacity(n);
    let mut powers = Vec::with_capacity(n);
    for i in 0..n {
        let given: Vec<f64> = x[i * 8..i * 8 + 8].iter().map(|&x| f64::from(x)).collect();
        let mine: Vec<f64> = given.iter().enumerate().map(|(j, x)| x + j as f64).collect();
        let (mut sum, mut count) = (dot(&mine, &weights), 1.0);
        if i % 3 == 1 {
            let length = 8 - i % 2;
            sum += dot(&given[..length], &mine[..length]);
            count += 1.0;
        }
        // Twenty roundings of numbers below 64.
        out.push((sum * count, 20.0 * 64.0 * 2f64.powi(-24)));
        let (a, b) = ((i % 5).min(i % 7), (i % 5).max(i % 7));
        powers.push((a as i32 + 2).pow(b as u32));
    }
    Case {
        name: format!("calls {n}"),
        text: include_str!("../calls.ptx"),
        kernel: "calls",
        grid: [parts(n, 64), 1, 1],
        block: [64, 1, 1],
        dynamic: 0,
        args: vec![input(bytes(&x)), near(Element::F32, out), output(bytes(&powers)), int(n as i32)],
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
