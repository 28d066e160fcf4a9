//! `f32` arithmetic: `add`, `sub`, `mul`, `fma`, `div`, `rcp`, `sqrt` in all rounding modes, with `.ftz` and `.sat`.
//!
//! ```text
//! fma.rz.f32     1.5 * 2^-24 + 1    =    1      (.rp: 1 + 2^-23)
//! ```
//!
//! `.rn` is what the host's own `f32` does. The other modes go through `f64`: a product of two `f32` is exact there, and a
//! sum is rounded to odd ([`odd_sum`]), after which a second rounding to any format of at most 51 bits is as good as a
//! single one. Source: PTX ISA, "Floating Point Instructions"; S. Boldo and G. Melquiond, "Emulation of a FMA and correctly
//! rounded sums: proved algorithms using rounding to odd", IEEE Transactions on Computers 57 (2008).

use super::wide::{self, F32, F64};
use super::{Mode, Round};

/// The NaN of all arithmetic in `f32`.
pub const NAN: u32 = 0x7fff_ffff;
/// The bits of 1.
pub const ONE: u32 = 0x3f80_0000;

/// `add.f32`: `a + b`.
#[inline(always)]
pub fn add(a: u32, b: u32, mode: Mode) -> u32 {
    let (a, b) = (input(a, mode.ftz), input(b, mode.ftz));
    let sum = match mode.round {
        Round::Nearest => (a + b).to_bits(),
        round => narrow_sum(f64::from(a), f64::from(b), round),
    };
    output(sum, mode)
}

/// `sub.f32`: `a - b`.
#[inline(always)]
pub fn sub(a: u32, b: u32, mode: Mode) -> u32 {
    add(a, b ^ 0x8000_0000, mode)
}

/// `mul.f32`: `a b`.
#[inline(always)]
pub fn mul(a: u32, b: u32, mode: Mode) -> u32 {
    let (a, b) = (input(a, mode.ftz), input(b, mode.ftz));
    let product = match mode.round {
        Round::Nearest => (a * b).to_bits(),
        round => narrow(f64::from(a) * f64::from(b), round),
    };
    output(product, mode)
}

/// `fma.f32`: `a b + c` in one rounding.
#[inline(always)]
pub fn fma(a: u32, b: u32, c: u32, mode: Mode) -> u32 {
    let (a, b, c) = (input(a, mode.ftz), input(b, mode.ftz), input(c, mode.ftz));
    let product = f64::from(a) * f64::from(b);
    output(narrow_sum(product, f64::from(c), mode.round), mode)
}

/// `div.f32` with a rounding: `a / b`. `x / 0` is infinity, `0 / 0` and `inf / inf` are NaN.
#[inline(always)]
pub fn div(a: u32, b: u32, mode: Mode) -> u32 {
    let (a, b) = (input(a, mode.ftz), input(b, mode.ftz));
    let quotient = match mode.round {
        Round::Nearest => (a / b).to_bits(),
        round => wide::div(a.to_bits().into(), b.to_bits().into(), F32, round) as u32,
    };
    output(quotient, mode)
}

/// `rcp.f32` with a rounding: `1 / a`.
#[inline(always)]
pub fn rcp(a: u32, mode: Mode) -> u32 {
    div(ONE, a, mode)
}

/// `sqrt.f32` with a rounding. Of -0 it is -0; of what is below zero, NaN.
#[inline(always)]
pub fn sqrt(a: u32, mode: Mode) -> u32 {
    let a = input(a, mode.ftz);
    let root = match mode.round {
        Round::Nearest => a.sqrt().to_bits(),
        round => wide::sqrt(a.to_bits().into(), F32, round) as u32,
    };
    output(root, mode)
}

/// An operand, flushed where `.ftz` says so.
#[inline(always)]
pub fn input(bits: u32, ftz: bool) -> f32 {
    f32::from_bits(if ftz { flush(bits) } else { bits })
}

/// A result: the one NaN, flushed and saturated as the modifiers say.
#[inline(always)]
pub fn output(bits: u32, mode: Mode) -> u32 {
    let bits = if mode.ftz { flush(bits) } else { bits };
    let bits = if bits & 0x7fff_ffff > 0x7f80_0000 { NAN } else { bits };
    if mode.sat { saturate(bits) } else { bits }
}

/// Subnormal numbers become zeros of the same sign.
#[inline(always)]
pub fn flush(bits: u32) -> u32 {
    if bits & 0x7f80_0000 == 0 { bits & 0x8000_0000 } else { bits }
}

/// `.sat`: clamped to 0..1; NaN and -0 become +0.
#[inline(always)]
pub fn saturate(bits: u32) -> u32 {
    // Among positive numbers the bits are in order; a sign or a NaN is above infinity's.
    if bits > 0x7f80_0000 { 0 } else { bits.min(ONE) }
}

/// `x + y` of two exact `f64`, rounded once to `f32`.
#[inline(always)]
pub fn narrow_sum(x: f64, y: f64, round: Round) -> u32 {
    let sum = odd_sum(x, y);
    // An exact zero is +0 unless both are -0; rounding down, it is -0 unless both are +0.
    if round == Round::Down && sum == 0.0 && (x.is_sign_negative() || y.is_sign_negative()) {
        return 0x8000_0000;
    }
    narrow(sum, round)
}

/// `x + y` in `f64`, rounded to odd: where it is inexact, of its two neighbours the one whose last bit is 1.
///
/// Not for sums that overflow or underflow in `f64`; those of products of `f32` and of halves do not.
#[inline(always)]
pub fn odd_sum(x: f64, y: f64) -> f64 {
    let sum = x + y;
    // Knuth's TwoSum: `error` is exactly what the rounding of `sum` left out; NaN where the sum is not finite.
    let of_y = sum - x;
    let error = (x - (sum - of_y)) + (y - of_y);
    let bits = sum.to_bits();
    // An even last bit with an error towards zero: one step towards zero; away from zero: one step away.
    let inward = (error < 0.0) != (sum < 0.0);
    let stepped = if inward { bits.wrapping_sub(1) } else { bits + 1 };
    let inexact = error.abs() > 0.0;
    f64::from_bits(if inexact && bits & 1 == 0 { stepped } else { bits })
}

/// An `f64` rounded to `f32`.
#[inline(always)]
pub fn narrow(x: f64, round: Round) -> u32 {
    let nearest = x as f32;
    let (back, bits) = (f64::from(nearest), nearest.to_bits());
    let negative = x.is_sign_negative();
    match round {
        Round::Nearest => bits,
        Round::Zero if back.abs() > x.abs() => bits - 1,
        Round::Down if back > x => {
            if negative {
                bits + 1
            } else {
                bits - 1
            }
        }
        Round::Up if back < x => {
            if negative {
                bits - 1
            } else {
                bits + 1
            }
        }
        Round::NearestAway => wide::convert(x.to_bits(), F64, F32, round) as u32,
        _ => bits,
    }
}
