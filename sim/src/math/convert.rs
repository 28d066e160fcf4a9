//! `cvt` between integers and floats of all widths.
//!
//! ```text
//! cvt.rzi.s32.f32 %r1, %f1;            to_integer(f64::from(x), Round::Zero, Int { bits: 32, signed: true }, 0)
//! cvt.rn.f16.f32 %h1, %f1;             cvt(a, F32, F16, How { round: Rounding::Float(Nearest), .. })
//! ```
//!
//! [`cvt`] is the whole instruction for one value; values are bit patterns in the low bits of a `u64`, the rest of which is
//! ignored in operands and zero in results. The packed forms and the 8-bit floats are in [`super::packed`]. NaN
//! becomes, as an integer: 0, or the top bit alone where a 64-bit type takes part. Out of range floats clamp.
//! Source: PTX ISA, "Data Movement and Conversion Instructions: cvt".

use super::half::{self, Bf16, Half};
use super::wide::{self, Exact, F32, F64, Format, TF32};
use super::{Round, single};
use crate::syntax::ast::Type;

/// The rounding of a conversion.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Rounding {
    /// The result is exact; or the instruction names none.
    #[default]
    None,
    /// `.rn`, `.rz`, `.rm`, `.rp`, `.rna`: to a float of the destination's precision.
    Float(Round),
    /// `.rni`, `.rzi`, `.rmi`, `.rpi`: to an integer (also from float to float of one size).
    Integer(Round),
}

/// The modifiers of `cvt`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct How {
    /// How it rounds.
    pub round: Rounding,
    /// `.ftz`: subnormal `f32` operands and results become zeros of the same sign.
    pub ftz: bool,
    /// `.sat`: clamped to 0..1 of floats (NaN becomes +0), to the type's range of integers.
    pub sat: bool,
    /// `.satfinite`: what overflows becomes the largest finite number.
    pub satfinite: bool,
    /// `.relu`: what has a sign becomes +0.
    pub relu: bool,
}

impl How {
    /// `.rn` and nothing else. A loop over lanes that knows its modifiers when it is compiled becomes vector code, and
    /// this is what most conversions of kernels have.
    pub const NEAREST: How =
        How { round: Rounding::Float(Round::Nearest), ftz: false, sat: false, satfinite: false, relu: false };
}

/// An integer type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Int {
    /// 8, 16, 32 or 64.
    pub bits: u32,
    /// Whether it has a sign.
    pub signed: bool,
}

/// What a type is for a conversion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Int(Int),
    Float(Format),
}

fn kind(ty: Type) -> Option<Kind> {
    let int = |signed: bool| Some(Kind::Int(Int { bits: 8 * ty.bytes(), signed }));
    match ty {
        Type::F16 => Some(Kind::Float(wide::F16)),
        Type::BF16 => Some(Kind::Float(wide::BF16)),
        Type::F32 => Some(Kind::Float(F32)),
        Type::F64 => Some(Kind::Float(F64)),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => int(false),
        Type::S8 | Type::S16 | Type::S32 | Type::S64 => int(true),
        _ => None,
    }
}

/// `cvt` of one value between integers, `f16`, `bf16`, `f32`, `f64`, and from `f32` to `tf32`. `None` for other types.
///
/// A result narrower than its register is zero-extended here; a signed one may have to be extended by its sign.
#[inline(always)]
pub fn cvt(a: u64, from: Type, to: Type, how: How) -> Option<u64> {
    if (from, to) == (Type::F32, Type::TF32) {
        return Some(tf32(a as u32, how).into());
    }
    Some(match (kind(from)?, kind(to)?) {
        (Kind::Int(from), Kind::Int(to)) => integer_to_integer(a, from, to, how.sat),
        (Kind::Int(from), Kind::Float(to)) => finish(from_integer(a, from, to, float_round(how)), to, how),
        (Kind::Float(from), Kind::Int(to)) => {
            let nan = if from == F64 || to.bits == 64 { 1 << (to.bits - 1) } else { 0 };
            let round = if let Rounding::Integer(round) = how.round { round } else { Round::Zero };
            to_integer(widen(flush_operand(a, from, how), from), round, to, nan)
        }
        (Kind::Float(from), Kind::Float(to)) => float_to_float(flush_operand(a, from, how), from, to, how),
    })
}

#[inline]
fn float_round(how: How) -> Round {
    if let Rounding::Float(round) = how.round { round } else { Round::Nearest }
}

#[inline]
fn flush_operand(a: u64, format: Format, how: How) -> u64 {
    if how.ftz && format == F32 { single::flush(a as u32).into() } else { a }
}

/// The `f64` of the same value.
#[inline]
fn widen(a: u64, format: Format) -> f64 {
    match format {
        F64 => f64::from_bits(a),
        F32 => f32::from_bits(a as u32).into(),
        wide::F16 => half::F16::widen(a as u16).into(),
        _ => Bf16::widen(a as u16).into(),
    }
}

/// Rounded to a float.
#[inline]
fn narrow(x: f64, format: Format, round: Round) -> u64 {
    match (format, round) {
        (F64, _) => x.to_bits(),
        (F32, _) => single::narrow(x, round).into(),
        (_, Round::Nearest) => half::nearest(x, format).into(),
        _ => wide::convert(x.to_bits(), F64, format, round),
    }
}

#[inline(always)]
fn float_to_float(a: u64, from: Format, to: Format, how: How) -> u64 {
    if from == F32 && to.fraction < F32.fraction && how.round == Rounding::Float(Round::Nearest) {
        // What kernels are full of, without a way through `f64`.
        return finish(half::nearest_of_single(a as u32, to).into(), to, how);
    }
    let x = widen(a, from);
    let bits = match how.round {
        // Without a rounding, a number of the same type passes as it is.
        Rounding::None if from == to && !from.is_nan(a) => a & (to.sign() | (to.sign() - 1)),
        // A subnormal's integer would be lost in the format only if it had no 0 and 1.
        Rounding::Integer(round) => narrow(to_whole(x, round), to, Round::Nearest),
        _ => narrow(x, to, float_round(how)),
    };
    finish(bits, to, how)
}

/// What follows rounding: `.ftz`, the NaN, `.satfinite`, `.relu`, `.sat`.
#[inline(always)]
fn finish(bits: u64, format: Format, how: How) -> u64 {
    if format.fraction < F32.fraction && !(how.sat || how.relu || how.satfinite) {
        // Rounding to a short format made its only NaN.
        return bits;
    }
    let magnitude = bits & (format.sign() - 1);
    let negative = bits & format.sign() != 0;
    if magnitude > format.infinity() {
        let quiet = if format == F64 { bits | 1 << 51 } else { format.nan() };
        return if how.sat { 0 } else { quiet };
    }
    if negative && (how.relu || how.sat) {
        return 0;
    }
    if how.sat {
        return magnitude.min((format.bias() as u64) << format.fraction);
    }
    if how.satfinite && magnitude == format.infinity() {
        return bits - 1;
    }
    if how.ftz && format == F32 { single::flush(bits as u32).into() } else { bits }
}

/// `cvt.rn.tf32.f32`, `.rz`, `.rna`: rounded to 10 bits of fraction; the low 13 bits of the register are zero.
#[inline(always)]
pub fn tf32(a: u32, how: How) -> u32 {
    let bits = match float_round(how) {
        Round::Nearest => u64::from(half::nearest_of_single(a, TF32)),
        round => wide::convert(a.into(), F32, TF32, round),
    };
    let bits = finish(bits, TF32, how);
    (bits as u32) << (F32.fraction - TF32.fraction)
}

/// An `f64` rounded to a whole number, still a float.
#[inline(always)]
pub fn to_whole(x: f64, round: Round) -> f64 {
    match round {
        Round::Nearest => x.round_ties_even(),
        Round::Zero => x.trunc(),
        Round::Down => x.floor(),
        Round::Up => x.ceil(),
        Round::NearestAway => x.round(),
    }
}

/// A float as an integer of a type: rounded, then clamped to the type's range; `nan` for NaN.
#[inline(always)]
pub fn to_integer(x: f64, round: Round, to: Int, nan: u64) -> u64 {
    if x.is_nan() {
        return nan;
    }
    // Casts cut towards zero by themselves, and clamp.
    let whole = if round == Round::Zero { x } else { to_whole(x, round) };
    let bits = match (to.signed, to.bits) {
        (true, 64) => whole as i64 as u64,
        (false, 64) => whole as u64,
        (true, 32) => whole as i32 as u64,
        (false, 32) => u64::from(whole as u32),
        (true, 16) => whole as i16 as u64,
        (false, 16) => u64::from(whole as u16),
        (true, _) => whole as i8 as u64,
        (false, _) => u64::from(whole as u8),
    };
    cut(bits, to.bits)
}

/// An integer as a float, rounded.
#[inline]
pub fn from_integer(a: u64, from: Int, to: Format, round: Round) -> u64 {
    let number = extend(a, from);
    // What f64 holds exactly may be rounded from there.
    if number.unsigned_abs() <= 1 << 53 {
        return narrow(number as f64, to, round);
    }
    let exact = Exact { negative: number < 0, magnitude: number.unsigned_abs(), exponent: 0 };
    wide::round(exact, to, round)
}

/// An integer in another type: cut, or extended by the sign of its own type; with `.sat`, clamped.
#[inline(always)]
pub fn integer_to_integer(a: u64, from: Int, to: Int, sat: bool) -> u64 {
    let number = extend(a, from);
    let number = if sat {
        let (least, most) =
            if to.signed { (-1 << (to.bits - 1), (1 << (to.bits - 1)) - 1) } else { (0, (1 << to.bits) - 1) };
        number.clamp(least, most)
    } else {
        number
    };
    cut(number as u64, to.bits)
}

/// The number that the low bits are.
#[inline(always)]
fn extend(a: u64, ty: Int) -> i128 {
    let spare = 64 - ty.bits;
    if ty.signed { i128::from((a << spare) as i64 >> spare) } else { i128::from(a << spare >> spare) }
}

/// The low bits.
#[inline(always)]
fn cut(a: u64, bits: u32) -> u64 {
    a << (64 - bits) >> (64 - bits)
}
