//! A producer and two consumers.

use super::{Case, bytes, input, int, output};
use crate::random::Random;

/// Weighted sums of squares over `rows` rows of 64.
pub(crate) fn case(rows: usize, seed: u64) -> Case {
    let x = Random::new(seed).integers(rows * 64, -1000, 1000);
    let sum = |i: usize| {
        (0..rows).map(|t| (t as i32 + 1).wrapping_mul(x[t * 64 + i].pow(2))).fold(0, i32::wrapping_add)
    };
    let y: Vec<i32> = (0..64).map(sum).collect();
    Case {
        name: format!("pipeline {rows}"),
        text: include_str!("../pipeline.ptx"),
        kernel: "pipeline",
        grid: [1, 1, 1],
        block: [96, 1, 1],
        dynamic: 0,
        args: vec![input(bytes(&x)), output(bytes(&y)), int(rows as i32)],
    }
}
