//! Softmax over rows.

use super::{Arg, Case, Element, bytes, input, int, near, parts};
use crate::random::Random;

/// Warps of a block in `softmax_warp`.
const WARPS: usize = 2;

/// One warp a row.
pub(crate) fn by_warp(rows: usize, columns: usize, seed: u64) -> Case {
    let [x, y] = data(rows, columns, seed);
    Case {
        name: format!("softmax_warp {rows} x {columns}"),
        text: include_str!("../softmax.ptx"),
        kernel: "softmax_warp",
        grid: [parts(rows, WARPS), 1, 1],
        block: [WARPS as u32 * 32, 1, 1],
        dynamic: 0,
        args: vec![x, y, int(rows as i32), int(columns as i32)],
    }
}

/// One block a row.
pub(crate) fn by_block(rows: usize, columns: usize, seed: u64) -> Case {
    let [x, y] = data(rows, columns, seed);
    Case {
        name: format!("softmax_block {rows} x {columns}"),
        text: include_str!("../softmax.ptx"),
        kernel: "softmax_block",
        grid: [rows as u32, 1, 1],
        block: [128, 1, 1],
        dynamic: 0,
        args: vec![x, y, int(columns as i32)],
    }
}

fn data(rows: usize, columns: usize, seed: u64) -> [Arg; 2] {
    let mut random = Random::new(seed);
    let mut x = random.floats(rows * columns, 8.0);
    // In all rows but one of four a number is so large that nothing but the row's maximum can be subtracted.
    for row in (0..rows).filter(|row| row % 4 != 0) {
        x[row * columns + random.integer(0, columns as i32) as usize] = 200.0;
    }
    let mut y = Vec::with_capacity(x.len());
    for row in x.chunks(columns) {
        let top = row.iter().fold(f64::NEG_INFINITY, |top, &x| top.max(f64::from(x)));
        let sum: f64 = row.iter().map(|&x| (f64::from(x) - top).exp()).sum();
        // An exponent is off by two roundings of itself, ex2.approx and the division by 2 units each.
        y.extend(row.iter().map(|&x| {
            let y = (f64::from(x) - top).exp() / sum;
            (y, y * ((top - f64::from(x)) * 2f64.powi(-22) + 2e-6) + 1e-37)
        }));
    }
    [input(bytes(&x)), near(Element::F32, y)]
}
