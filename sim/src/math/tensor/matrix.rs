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
    load_columns(&std::array::from_fn(|word| std::array::from_fn(|row| rows[row][word])), trans)
}

/// The same of rows that lie word by word, as memories give them.
#[inline]
pub fn load_columns(words: &[[u32; 8]; 4], trans: bool) -> Lanes {
    let mut lanes = [0; 32];
    for (word, column) in words.iter().enumerate() {
        if !trans {
            for (row, value) in column.iter().enumerate() {
                lanes[4 * row + word] = *value;
            }
            continue;
        }
        // A word holds two columns of elements; a lane receives those of two rows.
        for (thread, [first, second]) in column.as_chunks::<2>().0.iter().enumerate() {
            lanes[8 * word + thread] = first & 0xffff | second << 16;
            lanes[8 * word + 4 + thread] = first >> 16 | second & 0xffff_0000;
        }
    }
    lanes
}

/// `stmatrix.m8n8.b16` of one matrix: the rows that the lanes' registers make.
#[inline]
pub fn store(lanes: &Lanes, trans: bool) -> Rows {
    let mut rows = [[0; 4]; 8];
    rows.as_flattened_mut().copy_from_slice(&if trans { transpose(lanes) } else { *lanes });
    rows
}

/// `movmatrix.m8n8.trans.b16`: the transpose.
#[inline]
pub fn transpose(lanes: &Lanes) -> Lanes {
    load(&store(lanes, false), true)
}
