//! Transposition through shared memory.

use super::{Case, bytes, input, int, output, parts};
use crate::random::Random;

/// `transpose_padded` or `transpose_conflicts`.
pub(crate) fn case(kernel: &'static str, rows: usize, columns: usize, seed: u64) -> Case {
    let x = Random::new(seed).floats(rows * columns, 1.0);
    let y: Vec<f32> =
        (0..columns).flat_map(|j| (0..rows).map(move |i| (i, j))).map(|(i, j)| x[i * columns + j]).collect();
    Case {
        name: format!("{kernel} {rows} x {columns}"),
        text: include_str!("../transpose.ptx"),
        kernel,
        grid: [parts(columns, 32), parts(rows, 32), 1],
        block: [32, 8, 1],
        dynamic: 0,
        args: vec![input(bytes(&x)), output(bytes(&y)), int(rows as i32), int(columns as i32)],
    }
}
