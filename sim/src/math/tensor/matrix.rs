//! `ldmatrix`, `stmatrix` and `movmatrix`: 8x8 matrices of 16-bit elements between rows of memory and registers of lanes.
//!
//! ```text
//! plain       lane 4 r + t holds elements (r, 2t) and (r, 2t + 1): word t of row r
//! .trans      lane 4 c + t holds elements (2t, c) and (2t + 1, c)
//! ```
//!
//! One call is one matrix; `.x2` and `.x4` are two and four, whose rows the addresses of lanes 0..8, 8..16, .. give, and whose
//! registers follow one another. A row is 16 bytes, as four little-endian words.
//! Source: PTX ISA, "ldmatrix", "stmatrix", "movmatrix".

use super::Lanes;

/// Eight rows of 16 bytes.
pub type Rows = [[u32; 4]; 8];

/// `ldmatrix.m8n8.b16` of one matrix: the register that each lane receives.
#[inline]
pub fn load(rows: &Rows, trans: bool) -> Lanes {
    let plain = std::array::from_fn(|lane| rows[lane / 4][lane % 4]);
    if trans { transpose(&plain) } else { plain }
}

/// `stmatrix.m8n8.b16` of one matrix: the rows that the lanes' registers make.
#[inline]
pub fn store(lanes: &Lanes, trans: bool) -> Rows {
    let plain = if trans { transpose(lanes) } else { *lanes };
    std::array::from_fn(|row| std::array::from_fn(|word| plain[4 * row + word]))
}

/// `movmatrix.m8n8.trans.b16`: the transpose.
#[inline]
pub fn transpose(lanes: &Lanes) -> Lanes {
    std::array::from_fn(|lane| {
        let (column, thread) = (lane / 4, lane % 4);
        // Elements (2 thread, column) and (2 thread + 1, column).
        let element = |row: usize| lanes[4 * row + column / 2] >> (16 * (column % 2)) & 0xffff;
        element(2 * thread) | element(2 * thread + 1) << 16
    })
}
