//! The approximations: `ex2`, `lg2`, `rcp`, `rsqrt`, `sqrt`, `sin`, `cos`, `tanh`, `div.approx`, `div.full`.
//!
//! ```text
//! ex2.approx.ftz.f32 %f2, %f1;        2^a = 2^n 2^f, n whole, |f| <= 1/2; 2^f by its series in f64; rounded to f32 once
//! ```
//!
//! Hardware is off by an ulp or two, and the ISA promises only a bound; everything here is computed in `f64` to about 2^-40
//! and rounded once, so that it lies inside every bound and is the same on every host: no function of the host's
//! mathematical library is used. Special values are those of the ISA's tables. `.ftz` flushes subnormal operands and
//! results. All but `sin` and `cos` are free of branches, for loops over lanes.
//! Source: PTX ISA, "Floating Point Instructions" and "Half Precision Floating Point Instructions"; the series are
//! Taylor's.

use super::half::{self, Half};
use super::single::{input, output};
use super::{Mode, double, wide};

/// `ex2.approx.f32`: `2^a`. Bound: 2 ulp.
#[inline(always)]
pub fn ex2(a: u32, ftz: bool) -> u32 {
    finish(exp2(f64::from(input(a, ftz))), ftz)
}

/// `lg2.approx.f32`: the logarithm to base 2. Of zeros it is minus infinity, of what is below NaN. Bound: 2^-22, absolute for
/// `a` from 1/2 to 2, else relative.
#[inline(always)]
pub fn lg2(a: u32, ftz: bool) -> u32 {
    let x = f64::from(input(a, ftz));
    let special = if x == 0.0 { f64::NEG_INFINITY } else { if x > 0.0 { x } else { f64::NAN } };
    finish(if x > 0.0 && x < f64::INFINITY { log2(x) } else { special }, ftz)
}

/// `rcp.approx.f32`: `1 / a`. Bound: 1 ulp.
#[inline(always)]
pub fn rcp(a: u32, ftz: bool) -> u32 {
    finish(1.0 / f64::from(input(a, ftz)), ftz)
}

/// `sqrt.approx.f32`. Of -0 it is -0, of what is below NaN. Bound: 2^-23, relative.
#[inline(always)]
pub fn sqrt(a: u32, ftz: bool) -> u32 {
    finish(f64::from(input(a, ftz)).sqrt(), ftz)
}

/// `rsqrt.approx.f32`: `1 / sqrt(a)`. Of -0 it is minus infinity, of what is below NaN. Bound: 2^-22.9, relative.
#[inline(always)]
pub fn rsqrt(a: u32, ftz: bool) -> u32 {
    finish(1.0 / f64::from(input(a, ftz)).sqrt(), ftz)
}

/// `sin.approx.f32`, of radians. Of infinities it is NaN. Bound: 2^-20.5 within a turn, 2^-14.7 within 50, none beyond.
#[inline(always)]
pub fn sin(a: u32, ftz: bool) -> u32 {
    let x = f64::from(input(a, ftz));
    // Of -0 it is -0, which the reduction would lose.
    finish(if x == 0.0 { x } else { circle(x).0 }, ftz)
}

/// `cos.approx.f32`, of radians. Of infinities it is NaN. Bound: as for [`sin`].
#[inline(always)]
pub fn cos(a: u32, ftz: bool) -> u32 {
    finish(circle(f64::from(input(a, ftz))).1, ftz)
}

/// `tanh.approx.f32`. Bound: 2^-11, relative.
#[inline(always)]
pub fn tanh(a: u32) -> u32 {
    finish(tangent(f64::from(f32::from_bits(a))), false)
}

/// `div.approx.f32`: `a / b`. Where `|b|` is above 2^126 it is a zero, or NaN for an infinite `a`. Bound: 2 ulp for `|b|` from
/// 2^-126 to 2^126.
#[inline(always)]
pub fn div(a: u32, b: u32, ftz: bool) -> u32 {
    let (x, y) = (f64::from(input(a, ftz)), f64::from(input(b, ftz)));
    let magnitude = b & 0x7fff_ffff;
    let huge = magnitude > (127 + 126) << 23 && magnitude < 0x7f80_0000;
    // The hardware multiplies by a reciprocal that has become zero.
    let zero = 0f64.copysign(y);
    finish(if huge { x * zero } else { x / y }, ftz)
}

/// `div.full.f32`: `a / b`. Bound: 2 ulp.
#[inline(always)]
pub fn div_full(a: u32, b: u32, ftz: bool) -> u32 {
    finish(f64::from(input(a, ftz)) / f64::from(input(b, ftz)), ftz)
}

/// `ex2.approx.f16`, `ex2.approx.ftz.bf16`: `2^a`. Bounds: 2^-9.9 and 2^-7, relative.
#[inline(always)]
pub fn ex2_half<H: Half>(a: u16, ftz: bool) -> u16 {
    let mode = Mode { ftz, ..Mode::NEAREST };
    half::output::<H>(half::narrow::<H>(exp2(half::input::<H>(a, mode))), mode)
}

/// `tanh.approx.f16`, `tanh.approx.bf16`. Bounds: 2^-10.987 and 2^-8, absolute.
#[inline(always)]
pub fn tanh_half<H: Half>(a: u16) -> u16 {
    half::narrow::<H>(tangent(f64::from(H::widen(a))))
}

/// `rcp.approx.ftz.f64`: `1 / a` of the upper 32 bits of `a`, cut to its upper 32 bits. Subnormal operands and results count
/// as zeros.
pub fn rcp_f64(a: u64) -> u64 {
    upper(a, |x| 1.0 / x)
}

/// `rsqrt.approx.ftz.f64`: `1 / sqrt(a)` of the upper 32 bits of `a`, cut to its upper 32 bits.
pub fn rsqrt_ftz_f64(a: u64) -> u64 {
    upper(a, |x| 1.0 / x.sqrt())
}

/// `rsqrt.approx.f64`: `1 / sqrt(a)`.
pub fn rsqrt_f64(a: u64) -> u64 {
    double::rcp(double::sqrt(a, super::Round::Nearest), super::Round::Nearest)
}

fn upper(a: u64, function: impl Fn(f64) -> f64) -> u64 {
    const UPPER: u64 = 0xffff_ffff_0000_0000;
    let flush = |bits: u64| if bits & wide::F64.infinity() == 0 { bits & wide::F64.sign() } else { bits };
    let result = function(f64::from_bits(flush(a & UPPER)));
    if result.is_nan() { 0x7fff_ffff_0000_0000 } else { flush(result.to_bits() & UPPER) }
}

/// Rounded to `f32`, flushed, with the one NaN.
#[inline(always)]
fn finish(x: f64, ftz: bool) -> u32 {
    output((x as f32).to_bits(), Mode { ftz, ..Mode::NEAREST })
}

/// `2^x`, to about 2^-42, for `x` of the size of `f32`'s exponents; beyond, 0 and infinity.
#[inline(always)]
fn exp2(x: f64) -> f64 {
    // ln(2)^k / k!
    const TERMS: [f64; 11] = [
        1.0,
        std::f64::consts::LN_2,
        2.402_265_069_591_007e-1,
        5.550_410_866_482_158e-2,
        9.618_129_107_628_477e-3,
        1.333_355_814_642_844_3e-3,
        1.540_353_039_338_161e-4,
        1.525_273_380_405_984e-5,
        1.321_548_679_014_431e-6,
        1.017_808_600_923_969_9e-7,
        7.054_911_620_801_123e-9,
    ];
    // The clamp also keeps infinities from becoming NaN below; a NaN stays one.
    let x = x.clamp(-300.0, 300.0);
    // The last bit of 1.5 2^52 weighs 1, so that adding it rounds to a whole number and leaves that in the low bits.
    const WHOLE: f64 = 6_755_399_441_055_744.0;
    let shifted = x + WHOLE;
    let fraction = x - (shifted - WHOLE);
    let power = TERMS.iter().rev().fold(0.0, |sum, term| sum * fraction + term);
    let scale = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    power * scale
}

/// The logarithm to base 2 of a positive normal `f64`, to about 2^-44 of itself.
#[inline(always)]
fn log2(x: f64) -> f64 {
    // x = 2^e m with m from sqrt(1/2) to sqrt(2): the fraction bits of sqrt(1/2) decide which.
    const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    let offset = x.to_bits().wrapping_sub(ROOT_HALF);
    let exponent = (offset as i64) >> 52;
    let m = f64::from_bits((offset & 0xf_ffff_ffff_ffff) + ROOT_HALF);
    // log2(m) = 2 / ln(2) (s + s^3 / 3 + s^5 / 5 + ..), s = (m - 1) / (m + 1)
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    let series = (0..9).rev().fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    exponent as f64 + 2.0 * std::f64::consts::LOG2_E * (s * series)
}

/// The hyperbolic tangent, to about 2^-40 of itself.
#[inline(always)]
fn tangent(x: f64) -> f64 {
    let magnitude = x.abs();
    // 1 - 2 / (e^2x + 1) cancels for small x, where x - x^3 / 3 + 2 x^5 / 15 does better.
    let square = x * x;
    let small = magnitude * (1.0 - square * (1.0 / 3.0 - square * (2.0 / 15.0)));
    let large = 1.0 - 2.0 / (exp2(magnitude * (2.0 * std::f64::consts::LOG2_E)) + 1.0);
    (if magnitude < 0.004 { small } else { large }).copysign(x)
}

/// Sine and cosine, to about 2^-40, of moderate angles; NaN of infinities.
fn circle(x: f64) -> (f64, f64) {
    use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, TAU};
    let x = x % TAU;
    let quarter = (x * FRAC_2_PI).round_ties_even();
    let r = x - quarter * FRAC_PI_2;
    let square = r * r;
    // 1 - r^2/(2 3) (1 - r^2/(4 5) (..)) and 1 - r^2/(1 2) (1 - r^2/(3 4) (..))
    let nest = |first: i32| {
        (0..8).rev().fold(1.0, |sum, k| {
            let n = f64::from(2 * k + first);
            1.0 - square / (n * (n + 1.0)) * sum
        })
    };
    let (sine, cosine) = (r * nest(2), nest(1));
    match quarter as i64 & 3 {
        _ if x.is_nan() => (f64::NAN, f64::NAN),
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounding to `f32` hides most of a wrong coefficient, so that the series are tested before it.
    #[test]
    fn series_in_f64() {
        let bound = 2f64.powi(-40);
        for step in -4000..4000 {
            let x = f64::from(step) / 32.0 + 1.0 / 1000.0;
            let near = |got: f64, exact: f64, what: &str| {
                assert!((got - exact).abs() <= exact.abs() * bound, "{what} of {x}: {got}, exactly {exact}");
            };
            near(exp2(x), x.exp2(), "exp2");
            near(log2(x.exp2()), x, "log2 of 2^x");
            near(log2(1.0 + x.abs() / 1e4), (1.0 + x.abs() / 1e4).log2(), "log2 near 1");
            near(tangent(x / 20.0), (x / 20.0).tanh(), "tanh");
            near(tangent(x / 1e5), (x / 1e5).tanh(), "tanh near 0");
            let (sine, cosine) = circle(x);
            assert!((sine - x.sin()).abs() <= bound && (cosine - x.cos()).abs() <= bound, "circle at {x}");
        }
    }
}
