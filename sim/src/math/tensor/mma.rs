//! `mma.sync`: `D = A B + C` on fragments.
//!
//! ```text
//! a, b: registers of lanes -> A [16][K], B [K][8] as f64 -> C + A B in f64, k by k -> rounded once -> d
//! ```
//!
//! Products of two `f16`, `bf16`, `tf32` or 8-bit floats are exact in `f64`, and their sum in order of k, with C first, is
//! off by less than one part in 2^48 of the largest term; it is rounded to `f32` or `f16` once. Hardware is coarser: the ISA
//! promises "at least single precision" and leaves order and rounding open (real tensor cores align the terms of a block
//! and cut the rest off), so that results agree with a GPU's within a tolerance, and exactly where all sums are exact.
//! NaN and infinities propagate; a NaN result is `0x7fffffff` (`0x7fff`). Integers are exact.
//! Source: PTX ISA, "Multiply-and-Accumulate Instruction: mma", "Precision and rounding".

use super::super::half::{self, Bf16, F16, Half};
use super::super::single::NAN;
use super::fragment::registers;
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
    /// An instruction, or `None` where PTX has none of this shape and these types, or it is not supported.
    pub fn new(shape: Shape, a: Element, b: Element, accumulator: Accumulator) -> Option<Mma> {
        use Accumulator::{F16 as HalfSum, F32};
        let Shape { m, n, k } = shape;
        if (m, n) != (16, 8) {
            return None;
        }
        let known = match (a, b, accumulator) {
            (Element::F16, Element::F16, F32 | HalfSum) => matches!(k, 8 | 16),
            (Element::Bf16, Element::Bf16, F32) => matches!(k, 8 | 16),
            (Element::Tf32, Element::Tf32, F32) => matches!(k, 4 | 8),
            _ => false,
        };
        known.then_some(Mma { shape, a, b, accumulator })
    }

    /// Extents.
    pub fn shape(self) -> Shape {
        self.shape
    }

    /// Registers a lane of A, B and C (D has as many as C).
    pub fn registers(self) -> [usize; 3] {
        let Shape { m, n, k } = self.shape;
        [
            registers(m, k, self.a.packed()),
            registers(k, n, self.b.packed()),
            registers(m, n, self.accumulator.packed()),
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
        let half_sum = self.accumulator == Accumulator::F16;
        match (self.a, self.shape.k) {
            (Element::F16, 8) => floats::<F16, F16, 8>(half_sum, a, b, c, d),
            (Element::F16, _) => floats::<F16, F16, 16>(half_sum, a, b, c, d),
            (Element::Bf16, 8) => floats::<Bf16, Bf16, 8>(half_sum, a, b, c, d),
            (Element::Bf16, _) => floats::<Bf16, Bf16, 16>(half_sum, a, b, c, d),
            (Element::Tf32, 4) => floats::<Tf32, Tf32, 4>(half_sum, a, b, c, d),
            _ => floats::<Tf32, Tf32, 8>(half_sum, a, b, c, d),
        }
    }
}

/// How an element lies in a register.
trait Unpack {
    /// Elements a register.
    const PACKED: usize;
    /// One of them.
    fn unpack(word: u32, slot: usize) -> f64;
}

impl<H: Half> Unpack for H {
    const PACKED: usize = 2;

    #[inline(always)]
    fn unpack(word: u32, slot: usize) -> f64 {
        f64::from(H::widen((word >> (16 * slot)) as u16))
    }
}

/// `tf32`: an `f32` whose low 13 bits are ignored.
struct Tf32;

impl Unpack for Tf32 {
    const PACKED: usize = 1;

    #[inline(always)]
    fn unpack(word: u32, _: usize) -> f64 {
        f64::from(f32::from_bits(word & 0xffff_e000))
    }
}

/// A multiplication of floats, with the widest vectors that the host has.
///
/// Products are exact, so that it makes no difference whether the host fuses them with sums.
fn floats<A: Unpack, B: Unpack, const K: usize>(
    half_sum: bool,
    a: &[Lanes],
    b: &[Lanes],
    c: &[Lanes],
    d: &mut [Lanes],
) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the host has the feature that the function is compiled for.
        return unsafe { floats_avx2::<A, B, K>(half_sum, a, b, c, d) };
    }
    floats_anywhere::<A, B, K>(half_sum, a, b, c, d);
}

/// The same code, compiled for vectors of four `f64`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn floats_avx2<A: Unpack, B: Unpack, const K: usize>(
    half_sum: bool,
    a: &[Lanes],
    b: &[Lanes],
    c: &[Lanes],
    d: &mut [Lanes],
) {
    floats_anywhere::<A, B, K>(half_sum, a, b, c, d);
}

#[inline(always)]
fn floats_anywhere<A: Unpack, B: Unpack, const K: usize>(
    half_sum: bool,
    a: &[Lanes],
    b: &[Lanes],
    c: &[Lanes],
    d: &mut [Lanes],
) {
    let left = read_a::<A, K>(a);
    let right = read_b::<B, K>(b);
    let mut sums = if half_sum { read_halves(c) } else { read_singles(c) };
    for (sums, row) in sums.iter_mut().zip(&left) {
        let mut sum = *sums;
        for (x, column) in row.iter().zip(&right) {
            for (sum, y) in sum.iter_mut().zip(column) {
                *sum += x * y;
            }
        }
        *sums = sum;
    }
    if half_sum { write_halves(&sums, d) } else { write_singles(&sums, d) }
}

/// One element of each lane of a register.
#[inline(always)]
fn unpacked<U: Unpack>(lanes: &Lanes, slot: usize) -> [[f64; 4]; 8] {
    let mut values = [[0.0; 4]; 8];
    for (values, words) in values.iter_mut().zip(lanes.as_chunks::<4>().0) {
        for (value, &word) in values.iter_mut().zip(words) {
            *value = U::unpack(word, slot);
        }
    }
    values
}

/// A by rows. Its columns are in the order register, slot, thread, which keeps the lanes of a register together.
#[inline(always)]
fn read_a<A: Unpack, const K: usize>(a: &[Lanes]) -> [[f64; K]; 16] {
    let mut left = [[0.0; K]; 16];
    for (register, lanes) in a.iter().enumerate() {
        for slot in 0..A::PACKED {
            let block = (register / 2 * A::PACKED + slot) % (K / 4);
            for (group, values) in unpacked::<A>(lanes, slot).iter().enumerate() {
                left[register % 2 * 8 + group][4 * block..4 * block + 4].copy_from_slice(values);
            }
        }
    }
    left
}

/// B by rows, in the order of A's columns; its columns in the order of [`Sums`].
#[inline(always)]
fn read_b<B: Unpack, const K: usize>(b: &[Lanes]) -> [[f64; 8]; K] {
    let mut right = [[0.0; 8]; K];
    for (register, lanes) in b.iter().enumerate() {
        for slot in 0..B::PACKED {
            let block = (register * B::PACKED + slot) % (K / 4);
            let values = unpacked::<B>(lanes, slot);
            for thread in 0..4 {
                right[4 * block + thread] = [0, 2, 4, 6, 1, 3, 5, 7].map(|group| values[group][thread]);
            }
        }
    }
    right
}

/// C and D by rows, columns 0, 2, 4, 6 before 1, 3, 5, 7: so the lanes of a register are neighbours.
type Sums = [[f64; 8]; 16];

#[inline(always)]
fn read_singles(c: &[Lanes]) -> Sums {
    let mut sums = [[0.0; 8]; 16];
    for (register, lanes) in c.iter().enumerate() {
        for (group, words) in lanes.as_chunks::<4>().0.iter().enumerate() {
            let row = &mut sums[register / 2 % 2 * 8 + group];
            for (thread, &word) in words.iter().enumerate() {
                row[register % 2 * 4 + thread] = f64::from(f32::from_bits(word));
            }
        }
    }
    sums
}

#[inline(always)]
fn write_singles(sums: &Sums, d: &mut [Lanes]) {
    for (register, lanes) in d.iter_mut().enumerate() {
        for (group, words) in lanes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let row = &sums[register / 2 % 2 * 8 + group];
            for (thread, word) in words.iter_mut().enumerate() {
                let sum = row[register % 2 * 4 + thread] as f32;
                *word = if sum.is_nan() { NAN } else { sum.to_bits() };
            }
        }
    }
}

#[inline(always)]
fn read_halves(c: &[Lanes]) -> Sums {
    let mut sums = [[0.0; 8]; 16];
    for (register, lanes) in c.iter().enumerate() {
        for (group, words) in lanes.as_chunks::<4>().0.iter().enumerate() {
            let row = &mut sums[register % 2 * 8 + group];
            for (thread, &word) in words.iter().enumerate() {
                row[thread] = F16::unpack(word, 0);
                row[4 + thread] = F16::unpack(word, 1);
            }
        }
    }
    sums
}

#[inline(always)]
fn write_halves(sums: &Sums, d: &mut [Lanes]) {
    for (register, lanes) in d.iter_mut().enumerate() {
        for (group, words) in lanes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let row = &sums[register % 2 * 8 + group];
            for (thread, word) in words.iter_mut().enumerate() {
                let (low, high) = (half::narrow::<F16>(row[thread]), half::narrow::<F16>(row[4 + thread]));
                *word = half::pack(low, high);
            }
        }
    }
}
