//! `cvt` to and from pairs: `f16x2`, `bf16x2`, and the 8-bit floats `e4m3x2`, `e5m2x2`.
//!
//! ```text
//! cvt.rn.bf16x2.f32 %r1, %f1, %f2;         halves::<Bf16>(f1, f2, ..): %f1 in the upper half of %r1, %f2 in the lower
//! cvt.rn.satfinite.e4m3x2.f32 %h1, ..      the same with bytes
//! ```
//!
//! `e5m2` is the upper byte of an `f16`. `e4m3` has no infinity: 448 is `0x7e`, NaN `0x7f`, and every conversion to it
//! saturates. Source: PTX ISA, "cvt", "Semantics"; "FP8 Formats for Deep Learning", arXiv 2209.05433.

use super::convert::{How, cvt};
use super::half::{self, Half};
use super::wide::{E5M2, Format};
use crate::syntax::ast::Type;

/// `cvt.f16x2.f32`, `cvt.bf16x2.f32`: `a` into the upper half, `b` into the lower. `to` is `F16` or `BF16`.
#[inline(always)]
pub fn halves(a: u32, b: u32, to: Type, how: How) -> u32 {
    let one = |x: u32| cvt(x.into(), Type::F32, to, how).unwrap_or(0) as u16;
    half::pack(one(b), one(a))
}

/// An 8-bit float.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Byte {
    /// `e4m3`
    E4m3,
    /// `e5m2`
    E5m2,
}

/// `cvt.rn.satfinite.e4m3x2.f32`, `.e5m2x2.f32`: `a` into the upper byte, `b` into the lower.
#[inline(always)]
pub fn bytes(a: f32, b: f32, to: Byte, relu: bool) -> u16 {
    u16::from(narrow(a.into(), to, relu)) << 8 | u16::from(narrow(b.into(), to, relu))
}

/// `cvt.rn.satfinite.e4m3x2.f16x2`, `.bf16x2` and those to `e5m2x2`: upper to upper, lower to lower.
#[inline(always)]
pub fn bytes_of_halves<H: Half>(a: u32, to: Byte, relu: bool) -> u16 {
    bytes(H::widen((a >> 16) as u16), H::widen(a as u16), to, relu)
}

/// `cvt.rn.f16x2.e4m3x2`, `cvt.rn.f16x2.e5m2x2`, exact: upper to upper, lower to lower.
#[inline(always)]
pub fn halves_of_bytes<H: Half>(a: u16, from: Byte, relu: bool) -> u32 {
    let one = |byte: u8| {
        let bits = half::narrow::<H>(widen(byte, from).into());
        if relu { half::relu::<H>(bits) } else { bits }
    };
    half::pack(one(a as u8), one((a >> 8) as u8))
}

/// The `f32` of the same value.
#[inline(always)]
pub fn widen(byte: u8, from: Byte) -> f32 {
    match from {
        Byte::E5m2 => half::F16::widen(u16::from(byte) << 8),
        Byte::E4m3 => {
            let magnitude = u32::from(byte & 0x7f) << 20;
            // Both formats agree but for the bias, 7 against 127.
            let scaled = f32::from_bits(magnitude) * f32::from_bits((127 + 120) << 23);
            let nan = if byte & 0x7f == 0x7f { super::single::NAN } else { 0 };
            f32::from_bits(scaled.to_bits() | nan | u32::from(byte & 0x80) << 24)
        }
    }
}

/// Rounded to nearest even; what overflows, and infinity, become the largest number; NaN becomes `0x7f`.
#[inline(always)]
pub fn narrow(x: f64, to: Byte, relu: bool) -> u8 {
    if x.is_nan() {
        return 0x7f;
    }
    if relu && x.is_sign_negative() {
        return 0;
    }
    // The bits of e4m3 below NaN are those of a format with a fifth bit of exponent and the bias 15, at 2^-8 of the value.
    const WIDE_E4M3: Format = Format { exponent: 5, fraction: 3 };
    let (bits, largest) = match to {
        Byte::E5m2 => (half::nearest(x.abs(), E5M2), 0x7b),
        Byte::E4m3 => (half::nearest(x.abs() / 256.0, WIDE_E4M3), 0x7e),
    };
    bits.min(largest) as u8 | if x.is_sign_negative() { 0x80 } else { 0 }
}
