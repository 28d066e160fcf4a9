//! `mma.sync` of `f64`: `m8n8k4` (sm_80), `m16n8k4`, `m16n8k8`, `m16n8k16` (sm_90).
//!
//! ```text
//! d = fma(a[k-1], b[k-1], .. fma(a[1], b[1], fma(a[0], b[0], c)))        each with the rounding of the instruction
//! ```
//!
//! The ISA promises the precision of `fma.f64`; the order is open, and here it is that of k.
//! Registers are 64-bit ones. Source: PTX ISA, "Multiply-and-Accumulate Instruction: mma".

use super::super::{Round, double};
use super::Shape;
use super::fragment::{Slot, place_a, place_b, place_c, registers};

/// One 64-bit register of 32 lanes.
pub type Lanes64 = [u64; 32];

/// Whether PTX has a multiplication of `f64` of this shape.
pub fn is_shape(Shape { m, n, k }: Shape) -> bool {
    n == 8 && matches!((m, k), (8 | 16, 4) | (16, 8 | 16))
}

/// Registers a lane of A, B and C (D has as many as C).
pub fn registers_of(Shape { m, n, k }: Shape) -> [usize; 3] {
    [registers(m.into(), k, 1), registers(k, n.into(), 1), registers(m.into(), n.into(), 1)]
}

/// `D = A B + C`. Of a shape that is none, or fragments with fewer registers than [`registers_of`] says, `d` is left as it is.
pub fn mma(shape: Shape, a: &[Lanes64], b: &[Lanes64], c: &[Lanes64], d: &mut [Lanes64], round: Round) {
    let [of_a, of_b, of_c] = registers_of(shape);
    let operands = (a.get(..of_a), b.get(..of_b), c.get(..of_c), d.get_mut(..of_c));
    let (true, (Some(a), Some(b), Some(c), Some(d))) = (is_shape(shape), operands) else {
        debug_assert!(false, "no multiplication of f64 has the shape {shape:?}, or registers are missing");
        return;
    };
    let mut left = [[0; 16]; 16];
    for (slot, bits) in slots(a) {
        let at = place_a(shape, 1, slot);
        left[usize::from(at.row)][usize::from(at.column)] = bits;
    }
    let mut right = [[0; 16]; 8];
    for (slot, bits) in slots(b) {
        let at = place_b(1, slot);
        right[usize::from(at.column)][usize::from(at.row)] = bits;
    }
    for (slot, bits) in slots(c) {
        let at = place_c(1, slot);
        let pairs = left[usize::from(at.row)].iter().zip(&right[usize::from(at.column)]);
        let sum = pairs.take(shape.k.into()).fold(bits, |sum, (&x, &y)| double::fma(x, y, sum, round));
        d[usize::from(slot.register)][usize::from(slot.lane)] = sum;
    }
}

fn slots(registers: &[Lanes64]) -> impl Iterator<Item = (Slot, u64)> {
    registers.iter().enumerate().flat_map(|(register, lanes)| {
        let slot = move |lane: usize| Slot { lane: lane as u8, register: register as u8, slot: 0 };
        lanes.iter().enumerate().map(move |(lane, &bits)| (slot(lane), bits))
    })
}
