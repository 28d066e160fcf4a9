//! `mma.sync`: `D = A B + C` on fragments.
//!
//! ```text
//! a, b: registers of lanes -> A [16][K], B [K][8] as f64 -> C + A B in f64 -> rounded once -> d
//! ```
//!
//! Products of two `f16`, `bf16`, `tf32` or 8-bit floats are exact in `f64`; their sum, C first and always in one order,
//! is off by less than one part in 2^48 of the largest term, and is rounded to `f32` or `f16` once. Hardware is coarser:
//! the ISA promises "at least single precision" and leaves order and rounding open (real tensor cores align the terms of a
//! block and cut the rest off), so that results agree with a GPU's within a tolerance, and exactly where all sums are exact.
//! NaN and infinities propagate; a NaN result is `0x7fffffff` (`0x7fff`). Integers are exact.
//! Source: PTX ISA, "Multiply-and-Accumulate Instruction: mma", "Precision and rounding".

use super::super::half::{Bf16, F16};
use super::floats::{E4m3, E5m2, Halves, Single, Tf32, Total, floats};
use super::fragment::registers;
use super::integers::{bits, integers};
use super::{Accumulator, Element, Lanes, Shape};

/// A supported `mma.sync`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mma {
    shape: Shape,
    a: Element,
    b: Element,
    accumulator: Accumulator,
}

impl Mma {
    /// An instruction, or `None` where PTX has none of this shape and these types, or it is not supported
    /// (`m8n8k4` of `f16`, and what only sm_100 and later know).
    pub fn new(shape: Shape, a: Element, b: Element, accumulator: Accumulator) -> Option<Mma> {
        use Accumulator as Sum;
        use Element::{B1And, B1Xor, Bf16, E4m3, E5m2, F16, S4, S8, Tf32, U4, U8};
        let Shape { m, n, k } = shape;
        let whole = matches!(accumulator, Sum::S32 | Sum::S32Clamped);
        let known = match (a, b) {
            (F16, F16) => m == 16 && matches!(k, 8 | 16) && !whole,
            (Bf16, Bf16) => m == 16 && matches!(k, 8 | 16) && accumulator == Sum::F32,
            (Tf32, Tf32) => m == 16 && matches!(k, 4 | 8) && accumulator == Sum::F32,
            (E4m3 | E5m2, E4m3 | E5m2) => m == 16 && matches!(k, 16 | 32) && !whole,
            (S8 | U8, S8 | U8) => matches!((m, k), (8 | 16, 16) | (16, 32)) && whole,
            (S4 | U4, S4 | U4) => matches!((m, k), (8 | 16, 32) | (16, 64)) && whole,
            (B1Xor, B1Xor) | (B1And, B1And) => {
                matches!((m, k), (8 | 16, 128) | (16, 256)) && accumulator == Sum::S32
            }
            _ => false,
        };
        (known && n == 8).then_some(Mma { shape, a, b, accumulator })
    }

    /// Extents.
    pub fn shape(self) -> Shape {
        self.shape
    }

    /// The type of A.
    pub fn left(self) -> Element {
        self.a
    }

    /// Registers a lane of A, B and C (D has as many as C).
    pub fn registers(self) -> [usize; 3] {
        let Shape { m, n, k } = self.shape;
        [
            registers(m.into(), k, self.a.packed()),
            registers(k, n.into(), self.b.packed()),
            registers(m.into(), n.into(), self.accumulator.packed()),
        ]
    }

    /// `D = A B + C`. Fragments with fewer registers than [`Mma::registers`] says are a mistake of the caller: `d` is then
    /// left as it is.
    pub fn run(self, a: &[Lanes], b: &[Lanes], c: &[Lanes], d: &mut [Lanes]) {
        let [of_a, of_b, of_c] = self.registers();
        let operands = (a.get(..of_a), b.get(..of_b), c.get(..of_c), d.get_mut(..of_c));
        let (Some(a), Some(b), Some(c), Some(d)) = operands else {
            debug_assert!(false, "a fragment of {self:?} lacks registers");
            return;
        };
        if let Element::B1Xor | Element::B1And = self.a {
            return bits(self.shape, self.a == Element::B1Xor, [a, b, c], d);
        }
        match self.accumulator {
            Accumulator::F32 => self.floats::<Single>([a, b, c], d),
            Accumulator::F16 => self.floats::<Halves>([a, b, c], d),
            Accumulator::S32 => integers(self.shape, self.a, self.b, false, [a, b, c], d),
            Accumulator::S32Clamped => integers(self.shape, self.a, self.b, true, [a, b, c], d),
        }
    }

    /// Floats. The numbers are k and the registers of A and B.
    fn floats<T: Total>(self, abc: [&[Lanes]; 3], d: &mut [Lanes]) {
        use Element::{Bf16 as B, E4m3 as E4, E5m2 as E5, F16 as H, Tf32 as T32};
        match (self.a, self.b, self.shape.k) {
            (H, H, 8) => floats::<F16, F16, T, 8, 2, 1>(abc, d),
            (H, H, _) => floats::<F16, F16, T, 16, 4, 2>(abc, d),
            (B, B, 8) => floats::<Bf16, Bf16, T, 8, 2, 1>(abc, d),
            (B, B, _) => floats::<Bf16, Bf16, T, 16, 4, 2>(abc, d),
            (T32, T32, 4) => floats::<Tf32, Tf32, T, 4, 2, 1>(abc, d),
            (T32, T32, _) => floats::<Tf32, Tf32, T, 8, 4, 2>(abc, d),
            (E4, E4, 16) => floats::<E4m3, E4m3, T, 16, 2, 1>(abc, d),
            (E4, E5, 16) => floats::<E4m3, E5m2, T, 16, 2, 1>(abc, d),
            (E5, E4, 16) => floats::<E5m2, E4m3, T, 16, 2, 1>(abc, d),
            (E5, E5, 16) => floats::<E5m2, E5m2, T, 16, 2, 1>(abc, d),
            (E4, E4, _) => floats::<E4m3, E4m3, T, 32, 4, 2>(abc, d),
            (E4, E5, _) => floats::<E4m3, E5m2, T, 32, 4, 2>(abc, d),
            (E5, E4, _) => floats::<E5m2, E4m3, T, 32, 4, 2>(abc, d),
            // `new` lets no other types pass.
            _ => floats::<E5m2, E5m2, T, 32, 4, 2>(abc, d),
        }
    }
}
