//! `f16` and `bf16`: widening, rounding, arithmetic in one rounding, and pairs of them in one register.
//!
//! ```text
//! fma.rn.relu.bf16x2 %r4, %r1, %r2, %r3;     pair3(r1, r2, r3, |a, b, c| relu::<Bf16>(fma::<Bf16>(a, b, c, Mode::NEAREST)))
//! ```
//!
//! Everything goes through `f64`, where a product of two halves is exact and a sum is rounded to odd, so that the rounding
//! to the half that follows is the only one: `f64` alone would not do, since `2^16 + 2^-48` of `f16` spans 64 bits, and
//! `bf16` spans hundreds. Arithmetic on halves knows only `.rn`: of [`Mode`] only
//! `ftz` and `sat` count. Source: PTX ISA, "Half Precision Floating Point
//! Instructions".

use super::single::odd_sum;
use super::wide::{self, F64, Format};
use super::{Mode, Round};

/// One of the two formats of 16 bits.
pub trait Half {
    /// How its bits are divided.
    const FORMAT: Format;

    /// The `f32` of the same value. A NaN stays one, quiet.
    fn widen(bits: u16) -> f32;
}

/// `f16`
#[derive(Clone, Copy, Debug)]
pub struct F16;

/// `bf16`
#[derive(Clone, Copy, Debug)]
pub struct Bf16;

impl Half for F16 {
    const FORMAT: Format = wide::F16;

    #[inline(always)]
    fn widen(bits: u16) -> f32 {
        let magnitude = u32::from(bits & 0x7fff) << 13;
        // Both formats agree but for the bias, 15 against 127; the multiplication also makes subnormals normal.
        let scaled = f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23);
        let special = if magnitude >= 0x0f80_0000 { 0x7f80_0000 } else { 0 };
        f32::from_bits(scaled.to_bits() | special | u32::from(bits & 0x8000) << 16)
    }
}

impl Half for Bf16 {
    const FORMAT: Format = wide::BF16;

    #[inline(always)]
    fn widen(bits: u16) -> f32 {
        f32::from_bits(u32::from(bits) << 16)
    }
}

/// `add.f16`, `add.bf16`: `a + b`.
#[inline(always)]
pub fn add<H: Half>(a: u16, b: u16, mode: Mode) -> u16 {
    let (a, b) = (input::<H>(a, mode), input::<H>(b, mode));
    output::<H>(narrow::<H>(odd_sum(a, b)), mode)
}

/// `sub.f16`, `sub.bf16`: `a - b`.
#[inline(always)]
pub fn sub<H: Half>(a: u16, b: u16, mode: Mode) -> u16 {
    add::<H>(a, b ^ 0x8000, mode)
}

/// `mul.f16`, `mul.bf16`: `a b`.
#[inline(always)]
pub fn mul<H: Half>(a: u16, b: u16, mode: Mode) -> u16 {
    output::<H>(narrow::<H>(input::<H>(a, mode) * input::<H>(b, mode)), mode)
}

/// `fma.f16`, `fma.bf16`: `a b + c` in one rounding.
#[inline(always)]
pub fn fma<H: Half>(a: u16, b: u16, c: u16, mode: Mode) -> u16 {
    let product = input::<H>(a, mode) * input::<H>(b, mode);
    output::<H>(narrow::<H>(odd_sum(product, input::<H>(c, mode))), mode)
}

/// An operand, flushed where `.ftz` says so.
#[inline(always)]
pub fn input<H: Half>(bits: u16, mode: Mode) -> f64 {
    f64::from(H::widen(if mode.ftz { flush::<H>(bits) } else { bits }))
}

/// A result, flushed and saturated as the modifiers say; `.relu` is [`relu`], after it.
#[inline(always)]
pub fn output<H: Half>(bits: u16, mode: Mode) -> u16 {
    let bits = if mode.ftz { flush::<H>(bits) } else { bits };
    if mode.sat { saturate::<H>(bits) } else { bits }
}

/// Subnormal numbers become zeros of the same sign.
#[inline(always)]
pub fn flush<H: Half>(bits: u16) -> u16 {
    if bits & H::FORMAT.infinity() as u16 == 0 { bits & 0x8000 } else { bits }
}

/// `.sat`: clamped to 0..1; NaN and -0 become +0.
#[inline(always)]
pub fn saturate<H: Half>(bits: u16) -> u16 {
    let one = (H::FORMAT.bias() << H::FORMAT.fraction) as u16;
    // Among positive numbers the bits are in order; a sign or a NaN is above infinity's.
    if bits > H::FORMAT.infinity() as u16 { 0 } else { bits.min(one) }
}

/// `.relu`: what has a sign becomes +0; NaN becomes `0x7fff`.
#[inline(always)]
pub fn relu<H: Half>(bits: u16) -> u16 {
    let positive = if bits & 0x8000 != 0 { 0 } else { bits };
    if is_nan::<H>(bits) { H::FORMAT.nan() as u16 } else { positive }
}

/// Whether bits are a NaN's.
#[inline(always)]
pub fn is_nan<H: Half>(bits: u16) -> bool {
    H::FORMAT.is_nan(bits.into())
}

/// An `f64` rounded to a half, to nearest even. NaN becomes `0x7fff`.
#[inline(always)]
pub fn narrow<H: Half>(x: f64) -> u16 {
    nearest(x, H::FORMAT) as u16
}

/// An `f64` rounded to a half in any mode.
#[inline(always)]
pub fn narrow_to<H: Half>(x: f64, round: Round) -> u16 {
    match round {
        Round::Nearest => narrow::<H>(x),
        round => wide::convert(x.to_bits(), F64, H::FORMAT, round) as u16,
    }
}

/// An `f64` rounded to nearest even in a format of fewer bits than `f32` has; without branches, for loops.
#[inline(always)]
pub fn nearest(x: f64, format: Format) -> u32 {
    nearest_of_single(odd_single(x), format)
}

/// An `f64` rounded to `f32`, to odd: where it is inexact, cut towards zero, and then the last bit set.
#[inline(always)]
fn odd_single(x: f64) -> u32 {
    let near = x as f32;
    let back = f64::from(near);
    let cut = near.to_bits().wrapping_sub(u32::from(back.abs() > x.abs()));
    cut | u32::from(back != x)
}

/// An `f32`, exact or rounded to odd, rounded to nearest even in a format of fewer bits; without branches, for loops.
#[inline(always)]
pub fn nearest_of_single(bits: u32, format: Format) -> u32 {
    const F32: Format = wide::F32;
    let (infinity, nan) = (format.infinity() as i32, format.nan() as i32);
    // Without the sign, all of these fit in an i32, for whose comparisons hosts have vectors.
    let magnitude = (bits & 0x7fff_ffff) as i32;
    let cut = F32.fraction - format.fraction;
    // A normal number: round the fraction in place, the carry moves into the exponent by itself.
    let rounded = magnitude.wrapping_add((1 << (cut - 1)) - 1).wrapping_add(magnitude >> cut & 1) >> cut;
    let rebiased = rounded - ((F32.bias() - format.bias()) << format.fraction);
    let normal = if rebiased < infinity { rebiased } else { infinity };
    // A subnormal one: adding the power of two whose last bit weighs what the format's weighs lets the host round it.
    let weight = format.least_exponent() - format.fraction as i32;
    let power = (weight + F32.fraction as i32 + F32.bias()) << F32.fraction;
    let sum = f32::from_bits(magnitude as u32) + f32::from_bits(power as u32);
    let subnormal = (sum.to_bits() as i32).wrapping_sub(power);
    let least_normal = (format.least_exponent() + F32.bias()) << F32.fraction;
    let value = if magnitude < least_normal { subnormal } else { normal };
    let sign = bits >> 31 << (format.exponent + format.fraction);
    if magnitude > F32.infinity() as i32 { nan as u32 } else { value as u32 | sign }
}

/// Both halves of a register, by a function of one.
#[inline(always)]
pub fn pair1(a: u32, f: impl Fn(u16) -> u16) -> u32 {
    pack(f(a as u16), f((a >> 16) as u16))
}

/// Both halves of two registers, by a function of two.
#[inline(always)]
pub fn pair2(a: u32, b: u32, f: impl Fn(u16, u16) -> u16) -> u32 {
    pack(f(a as u16, b as u16), f((a >> 16) as u16, (b >> 16) as u16))
}

/// Both halves of three registers, by a function of three.
#[inline(always)]
pub fn pair3(a: u32, b: u32, c: u32, f: impl Fn(u16, u16, u16) -> u16) -> u32 {
    pack(f(a as u16, b as u16, c as u16), f((a >> 16) as u16, (b >> 16) as u16, (c >> 16) as u16))
}

/// Two halves in one register, the first in the low bits.
#[inline(always)]
pub fn pack(low: u16, high: u16) -> u32 {
    u32::from(low) | u32::from(high) << 16
}
