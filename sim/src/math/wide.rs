//! Exact results in wide integers, and their one rounding: the slow definition of all floating-point arithmetic here.
//!
//! ```text
//! fma(a, b, c)    a b is exact in 106 bits; c is shifted until the binary points meet, what falls off the end is
//!                 remembered in the lowest bit ("jammed"); the sum is rounded once
//! ```
//!
//! A finite value is `(-1)^negative magnitude 2^exponent` with a magnitude of up to 128 bits. Jamming keeps rounding right as
//! long as at least two bits lie between the last bit that is kept and the jammed one: `align` puts the highest bit at
//! 125, and the widest format keeps 53. The fast paths of [`super::single`], [`super::double`] and [`super::half`]
//! are tested against this file, and this file against brute force.
//! Source: J. Hauser's description of jamming in Berkeley SoftFloat's documentation; IEEE 754-2019, section 4.3.

use super::Round;

/// A binary floating-point format with infinities and NaNs in its highest exponent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    /// Bits of the exponent field.
    pub exponent: u32,
    /// Bits of the fraction field, without the leading one.
    pub fraction: u32,
}

/// `f16`
pub const F16: Format = Format { exponent: 5, fraction: 10 };
/// `bf16`
pub const BF16: Format = Format { exponent: 8, fraction: 7 };
/// `tf32`, as 19 bits; in a register it stands in the upper 19 of 32.
pub const TF32: Format = Format { exponent: 8, fraction: 10 };
/// `f32`
pub const F32: Format = Format { exponent: 8, fraction: 23 };
/// `f64`
pub const F64: Format = Format { exponent: 11, fraction: 52 };
/// `e5m2`
pub const E5M2: Format = Format { exponent: 5, fraction: 2 };

impl Format {
    /// The bias of the exponent field.
    #[inline(always)]
    pub const fn bias(self) -> i32 {
        (1 << (self.exponent - 1)) - 1
    }

    /// The exponent of the smallest normal number.
    #[inline(always)]
    pub const fn least_exponent(self) -> i32 {
        1 - self.bias()
    }

    /// The sign bit.
    #[inline(always)]
    pub const fn sign(self) -> u64 {
        1 << (self.exponent + self.fraction)
    }

    /// The bits of plus infinity.
    #[inline(always)]
    pub const fn infinity(self) -> u64 {
        ((1 << self.exponent) - 1) << self.fraction
    }

    /// The NaN that NVIDIA's hardware writes: all bits below the sign are ones.
    #[inline(always)]
    pub const fn nan(self) -> u64 {
        self.sign() - 1
    }

    /// Whether bits are a NaN's.
    #[inline(always)]
    pub const fn is_nan(self, bits: u64) -> bool {
        bits & (self.sign() - 1) > self.infinity()
    }
}

/// A finite value: `(-1)^negative magnitude 2^exponent`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exact {
    /// The sign, also of a zero.
    pub negative: bool,
    /// An integer; its lowest bit may be jammed.
    pub magnitude: u128,
    /// The weight of the magnitude's lowest bit, as a power of two.
    pub exponent: i32,
}

/// What bits mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    /// No number.
    Nan,
    /// Infinity, and whether it is minus infinity.
    Infinity(bool),
    /// A number.
    Finite(Exact),
}

/// What bits of a format mean.
pub fn unpack(bits: u64, format: Format) -> Value {
    let negative = bits & format.sign() != 0;
    let field = (bits & format.infinity()) >> format.fraction;
    let fraction = bits & ((1 << format.fraction) - 1);
    if bits & format.infinity() == format.infinity() {
        return if fraction == 0 { Value::Infinity(negative) } else { Value::Nan };
    }
    let (hidden, field) = if field == 0 { (0, 1) } else { (1 << format.fraction, field as i32) };
    let exponent = field - format.bias() - format.fraction as i32;
    Value::Finite(Exact { negative, magnitude: u128::from(fraction | hidden), exponent })
}

/// The one rounding: the number of a format that stands for an exact value.
///
/// Overflow gives infinity, or the largest number where the mode rounds towards zero on that side.
pub fn round(value: Exact, format: Format, mode: Round) -> u64 {
    let sign = if value.negative { format.sign() } else { 0 };
    if value.magnitude == 0 {
        return sign;
    }
    let top = 127 - value.magnitude.leading_zeros() as i32 + value.exponent;
    if top > format.bias() {
        return sign | overflow(value.negative, format, mode);
    }
    // The weight of the result's last bit: fixed below the smallest normal number.
    let last = top.max(format.least_exponent()) - format.fraction as i32;
    let (kept, above_half, half, inexact) = split(value.magnitude, last - value.exponent);
    let up = match mode {
        Round::Nearest => above_half || half && kept & 1 == 1,
        Round::NearestAway => above_half || half,
        Round::Zero => false,
        Round::Down => inexact && value.negative,
        Round::Up => inexact && !value.negative,
    };
    // A kept leading one adds 1 to the exponent field by itself, and so does a carry out of the fraction.
    let field = (last - (format.least_exponent() - format.fraction as i32)) as u64;
    let bits = (field << format.fraction) + kept + u64::from(up);
    sign | if bits >= format.infinity() { overflow(value.negative, format, mode) } else { bits }
}

/// Cuts the lowest `count` bits off: what is kept, whether the rest is above half, exactly half, not zero.
fn split(magnitude: u128, count: i32) -> (u64, bool, bool, bool) {
    if count <= 0 {
        return ((magnitude << -count) as u64, false, false, false);
    }
    if count > 128 {
        return (0, false, false, true);
    }
    let half = 1u128 << (count - 1);
    let rest = magnitude & (half | (half - 1));
    let kept = if count == 128 { 0 } else { magnitude >> count };
    (kept as u64, rest > half, rest == half, rest != 0)
}

fn overflow(negative: bool, format: Format, mode: Round) -> u64 {
    let towards_zero = match mode {
        Round::Nearest | Round::NearestAway => false,
        Round::Zero => true,
        Round::Down => !negative,
        Round::Up => negative,
    };
    format.infinity() - u64::from(towards_zero)
}

/// Moves the highest bit to position 125; a zero stays.
fn align(value: Exact) -> Exact {
    let shift = value.magnitude.leading_zeros() as i32 - 2;
    if value.magnitude == 0 || shift < 0 {
        return value;
    }
    Exact { magnitude: value.magnitude << shift, exponent: value.exponent - shift, ..value }
}

/// Shifts right; what falls off is jammed into the lowest bit.
fn jam(magnitude: u128, count: i32) -> u128 {
    match count {
        0 => magnitude,
        1..=127 => magnitude >> count | u128::from(magnitude << (128 - count) != 0),
        _ => u128::from(magnitude != 0),
    }
}

/// `x + y`, exact but for a jammed last bit. A sum that cancels is +0, but -0 when rounding down.
pub fn sum(x: Exact, y: Exact, mode: Round) -> Exact {
    if x.magnitude == 0 && y.magnitude == 0 && x.negative == y.negative {
        return x;
    }
    if x.magnitude == 0 || y.magnitude == 0 {
        let other = if x.magnitude == 0 { y } else { x };
        return if other.magnitude == 0 { zero(mode) } else { other };
    }
    let (x, y) = (align(x), align(y));
    let (high, low) = if x.exponent >= y.exponent { (x, y) } else { (y, x) };
    let low_magnitude = jam(low.magnitude, high.exponent - low.exponent);
    if high.negative == low.negative {
        return Exact { magnitude: high.magnitude + low_magnitude, ..high };
    }
    let magnitude = high.magnitude.abs_diff(low_magnitude);
    if magnitude == 0 {
        return zero(mode);
    }
    let negative = if high.magnitude > low_magnitude { high.negative } else { low.negative };
    Exact { negative, magnitude, exponent: high.exponent }
}

fn zero(mode: Round) -> Exact {
    Exact { negative: mode == Round::Down, magnitude: 0, exponent: 0 }
}

/// `x y` of two magnitudes below 2^64, exact.
pub fn product(x: Exact, y: Exact) -> Exact {
    Exact {
        negative: x.negative != y.negative,
        magnitude: x.magnitude * y.magnitude,
        exponent: x.exponent + y.exponent,
    }
}

/// `a b + c` rounded once; all of one format. NaN operands, `inf 0` and `inf - inf` give the format's NaN.
pub fn fma(a: u64, b: u64, c: u64, format: Format, mode: Round) -> u64 {
    use Value::{Finite, Infinity, Nan};
    let is_zero = |value: Exact| value.magnitude == 0;
    let infinity = |negative: bool| format.infinity() | if negative { format.sign() } else { 0 };
    let ab = match (unpack(a, format), unpack(b, format)) {
        (Nan, _) | (_, Nan) => return format.nan(),
        (Infinity(_), Finite(y)) if is_zero(y) => return format.nan(),
        (Finite(x), Infinity(_)) if is_zero(x) => return format.nan(),
        (Infinity(s), Infinity(t)) => Infinity(s != t),
        (Infinity(s), Finite(x)) | (Finite(x), Infinity(s)) => Infinity(s != x.negative),
        (Finite(x), Finite(y)) => Finite(product(x, y)),
    };
    match (ab, unpack(c, format)) {
        (_, Nan) | (Nan, _) => format.nan(),
        (Infinity(s), Infinity(t)) if s != t => format.nan(),
        (Infinity(s), _) | (_, Infinity(s)) => infinity(s),
        (Finite(p), Finite(c)) => round(sum(p, c, mode), format, mode),
    }
}

/// `a + b` rounded once.
pub fn add(a: u64, b: u64, format: Format, mode: Round) -> u64 {
    let one = (format.bias() as u64) << format.fraction;
    fma(a, one, b, format, mode)
}

/// `a b` rounded once.
pub fn mul(a: u64, b: u64, format: Format, mode: Round) -> u64 {
    // Adding a zero of the product's own sign changes nothing, not even the sign of a zero.
    fma(a, b, (a ^ b) & format.sign(), format, mode)
}

/// `a / b` rounded once. `0 / 0` and `inf / inf` are NaN, `x / 0` is infinity.
pub fn div(a: u64, b: u64, format: Format, mode: Round) -> u64 {
    use Value::{Finite, Infinity, Nan};
    let sign = (a ^ b) & format.sign();
    match (unpack(a, format), unpack(b, format)) {
        (Nan, _) | (_, Nan) | (Infinity(_), Infinity(_)) => format.nan(),
        (Infinity(_), Finite(_)) => sign | format.infinity(),
        (Finite(_), Infinity(_)) => sign,
        (Finite(x), Finite(y)) if y.magnitude == 0 => {
            if x.magnitude == 0 {
                format.nan()
            } else {
                sign | format.infinity()
            }
        }
        (Finite(x), Finite(y)) => {
            let x = align(x);
            // At least 126 - 53 bits of quotient, then one that says whether anything remains.
            let (quotient, rest) = (x.magnitude / y.magnitude, x.magnitude % y.magnitude);
            let magnitude = quotient << 1 | u128::from(rest != 0);
            let exponent = x.exponent - y.exponent - 1;
            round(Exact { negative: sign != 0, magnitude, exponent }, format, mode)
        }
    }
}

/// The square root rounded once; of -0 it is -0, of what is below zero NaN.
pub fn sqrt(a: u64, format: Format, mode: Round) -> u64 {
    let x = match unpack(a, format) {
        Value::Nan | Value::Infinity(true) => return format.nan(),
        Value::Infinity(false) => return a,
        Value::Finite(x) if x.magnitude == 0 => return a,
        Value::Finite(x) if x.negative => return format.nan(),
        Value::Finite(x) => align(x),
    };
    // An even exponent can be halved.
    let (magnitude, exponent) =
        if x.exponent % 2 == 0 { (x.magnitude, x.exponent) } else { (x.magnitude << 1, x.exponent - 1) };
    let root = magnitude.isqrt();
    let magnitude = root << 1 | u128::from(root * root != magnitude);
    round(Exact { negative: false, magnitude, exponent: exponent / 2 - 1 }, format, mode)
}

/// A value of one format in another, rounded once. NaN becomes the other's NaN.
pub fn convert(a: u64, from: Format, to: Format, mode: Round) -> u64 {
    match unpack(a, from) {
        Value::Nan => to.nan(),
        Value::Infinity(negative) => to.infinity() | if negative { to.sign() } else { 0 },
        Value::Finite(x) => round(x, to, mode),
    }
}
