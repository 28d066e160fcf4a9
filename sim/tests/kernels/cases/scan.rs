//! A segmented scan.

use super::{Case, bytes, input, int, output};
use crate::random::Random;

/// Sums that start anew at every head.
pub(crate) fn segmented(n: usize, seed: u64) -> Case {
    let mut random = Random::new(seed);
    let values = random.integers(n, -1000, 1000);
    let heads: Vec<u8> = (0..n).map(|_| u8::from(random.integer(0, 70) == 0)).collect();
    let mut sums = Vec::with_capacity(n);
    let mut sum = 0;
    for (value, head) in values.iter().zip(&heads) {
        sum = if *head == 1 { *value } else { sum + value };
        sums.push(sum);
    }
    Case {
        name: format!("segmented_scan {n}"),
        text: include_str!("../scan.ptx"),
        kernel: "segmented_scan",
        grid: [1, 1, 1],
        block: [128, 1, 1],
        dynamic: 0,
        args: vec![input(bytes(&values)), input(heads), output(bytes(&sums)), int(n as i32)],
    }
}
