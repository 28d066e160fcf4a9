//! `mma.sync` of `s8`, `u8`, `s4`, `u4` and of single bits.
//!
//! ```text
//! mma.sync.aligned.m16n8k32.row.col.satfinite.s32.s8.u8.s32      exact sums, wrapped or clamped to 32 bits at the end
//! ```
//!
//! Written with the formulas of [`super::fragment`], element by element, since kernels of this project do not use them.

use super::fragment::{Slot, place_a, place_b, place_c};
use super::{Element, Lanes, Shape};

/// One element of a register.
fn element(word: u32, slot: u8, ty: Element) -> i64 {
    let (width, signed) = match ty {
        Element::S8 => (8, true),
        Element::U8 => (8, false),
        Element::S4 => (4, true),
        _ => (4, false),
    };
    let top = word >> (width * u32::from(slot)) << (32 - width);
    if signed { i64::from(top as i32 >> (32 - width)) } else { i64::from(top >> (32 - width)) }
}

/// All slots of so many registers, with the register's bits.
fn slots(registers: &[Lanes], packed: u8) -> impl Iterator<Item = (Slot, u32)> {
    registers.iter().enumerate().flat_map(move |(register, lanes)| {
        lanes.iter().enumerate().flat_map(move |(lane, &word)| {
            (0..packed).map(move |slot| (Slot { lane: lane as u8, register: register as u8, slot }, word))
        })
    })
}

/// `D = A B + C` of 8- and 4-bit integers; `[a, b, c]` have the registers that the shape asks for.
pub(super) fn integers(
    shape: Shape,
    a_ty: Element,
    b_ty: Element,
    clamped: bool,
    [a, b, c]: [&[Lanes]; 3],
    d: &mut [Lanes],
) {
    let mut left = [[0i64; 64]; 16];
    for (slot, word) in slots(a, a_ty.packed()) {
        let at = place_a(shape, a_ty.packed(), slot);
        left[usize::from(at.row)][usize::from(at.column)] = element(word, slot.slot, a_ty);
    }
    let mut right = [[0i64; 64]; 8];
    for (slot, word) in slots(b, b_ty.packed()) {
        let at = place_b(b_ty.packed(), slot);
        right[usize::from(at.column)][usize::from(at.row)] = element(word, slot.slot, b_ty);
    }
    for (slot, word) in slots(c, 1) {
        let at = place_c(1, slot);
        let (row, column) = (&left[usize::from(at.row)], &right[usize::from(at.column)]);
        let sum = i64::from(word as i32) + row.iter().zip(column).map(|(x, y)| x * y).sum::<i64>();
        let sum = if clamped { sum.clamp(i32::MIN.into(), i32::MAX.into()) } else { sum };
        d[usize::from(slot.register)][usize::from(slot.lane)] = sum as u32;
    }
}

/// `D = popc(A xor B) + C`, or with `and`, of single bits; 32 to a register.
pub(super) fn bits(shape: Shape, xor: bool, [a, b, c]: [&[Lanes]; 3], d: &mut [Lanes]) {
    let mut left = [[0u32; 8]; 16];
    for (slot, word) in slots(a, 1) {
        // A register is 32 neighbours of a row, as if it were one element of a matrix with as many columns fewer.
        let at = place_a(shape, 1, slot);
        left[usize::from(at.row)][usize::from(at.column)] = word;
    }
    let mut right = [[0u32; 8]; 8];
    for (slot, word) in slots(b, 1) {
        let at = place_b(1, slot);
        right[usize::from(at.column)][usize::from(at.row)] = word;
    }
    for (slot, word) in slots(c, 1) {
        let at = place_c(1, slot);
        let (row, column) = (&left[usize::from(at.row)], &right[usize::from(at.column)]);
        let count = |x: u32, y: u32| if xor { x ^ y } else { x & y }.count_ones();
        let sum = row.iter().zip(column).fold(word, |sum, (&x, &y)| sum.wrapping_add(count(x, y)));
        d[usize::from(slot.register)][usize::from(slot.lane)] = sum;
    }
}
