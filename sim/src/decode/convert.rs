//! Conversions: `cvt`.
//!
//! ```text
//! cvt.rn.f16.f32 %rs1, %f1;                     { to: F16, from: F32, round: Float(Nearest) }
//! cvt.rzi.ftz.s32.f32 %r1, %f1;                 { to: S32, from: F32, round: Integer(Zero), ftz }
//! cvt.rn.relu.bf16x2.f32 %r1, %f1, %f2;         { to: BF16x2, from: F32, relu }; %f1 becomes the upper half
//! cvt.rn.satfinite.e4m3x2.f32 %rs1, %f1, %f2;   { to: E4M3x2, from: F32, satfinite }
//! cvt.u16.u32 %r1, %r2;                         destination and source may be wider registers
//! ```
//!
//! Which rounding goes with which pair of types is the ISA's; whoever writes one that changes nothing is told so, as
//! `ptxas` does. Source: PTX ISA, "Data Movement and Conversion Instructions: cvt".

use super::op::{Conversion, ConvertRound, Op, Round};
use super::operands::Fit;
use super::words::{Reader, What};
use crate::syntax::ast::Type;

const ROUNDS: [(&str, ConvertRound); 9] = [
    ("rn", ConvertRound::Float(Round::Nearest)),
    ("rz", ConvertRound::Float(Round::Zero)),
    ("rm", ConvertRound::Float(Round::Down)),
    ("rp", ConvertRound::Float(Round::Up)),
    ("rna", ConvertRound::Float(Round::NearestAway)),
    ("rni", ConvertRound::Integer(Round::Nearest)),
    ("rzi", ConvertRound::Integer(Round::Zero)),
    ("rmi", ConvertRound::Integer(Round::Down)),
    ("rpi", ConvertRound::Integer(Round::Up)),
];

const SCALARS: [Type; 12] = [
    Type::U8,
    Type::U16,
    Type::U32,
    Type::U64,
    Type::S8,
    Type::S16,
    Type::S32,
    Type::S64,
    Type::F16,
    Type::BF16,
    Type::F32,
    Type::F64,
];

/// `cvt`
pub(crate) fn cvt(r: &mut Reader) -> What<Op> {
    if r.take("pack") {
        return Err("`cvt.pack` is not supported: use `prmt` or `bfi` to pack bytes".into());
    }
    let round = r.flag_of(&ROUNDS).unwrap_or(ConvertRound::None);
    let mut c = Conversion {
        // Both types come last.
        to: Type::B32,
        from: Type::B32,
        round,
        ftz: r.flag("ftz"),
        sat: r.flag("sat"),
        satfinite: r.flag("satfinite"),
        relu: r.flag("relu"),
    };
    let packed = [Type::F16x2, Type::BF16x2, Type::TF32, Type::E4M3x2, Type::E5M2x2];
    c.to = r.ty(&[&SCALARS[..], &packed[..]].concat())?;
    c.from = r.ty(&[&SCALARS[..], &[Type::F16x2, Type::E4M3x2, Type::E5M2x2][..]].concat())?;
    check(&c)?;
    let two = c.from == Type::F32 && packed.contains(&c.to) && c.to != Type::TF32;
    let dst = r.dst(c.to, Fit::Wider)?;
    let a = r.src(c.from, Fit::Wider)?;
    let b = if two { Some(r.src(c.from, Fit::Wider)?) } else { None };
    Ok(Op::Convert { conversion: c, dst, a, b })
}

fn is_integer(ty: Type) -> bool {
    use Type::*;
    matches!(ty, U8 | U16 | U32 | U64 | S8 | S16 | S32 | S64)
}

/// Whether an integer type has every value of another.
fn holds(to: Type, from: Type) -> bool {
    match (to.is_signed(), from.is_signed()) {
        (false, true) => false,
        (true, false) => to.bytes() > from.bytes(),
        _ => to.bytes() >= from.bytes(),
    }
}

/// Bits of significand, hidden one included.
fn precision(ty: Type) -> u32 {
    match ty {
        Type::F64 => 53,
        Type::F32 => 24,
        Type::F16 => 11,
        _ => 8,
    }
}

/// Whether these modifiers exist for these types.
fn check(c: &Conversion) -> What<()> {
    let (to, from) = (c.to, c.from);
    let wrong = |what: &str| Err(format!("`cvt.{to}.{from}` {what}"));
    let is_small = |ty: Type| matches!(ty, Type::E4M3x2 | Type::E5M2x2);
    if is_small(to) || is_small(from) || matches!(to, Type::F16x2 | Type::BF16x2 | Type::TF32) {
        return check_packed(c);
    }
    if from == Type::F16x2 {
        return wrong("does not exist");
    }
    match (is_integer(to), is_integer(from), c.round) {
        (true, true, ConvertRound::None) if c.sat && holds(to, from) => {
            return wrong("takes no `.sat`: every value fits");
        }
        (true, true, ConvertRound::None) => {}
        (true, true, _) => return wrong("is exact or cut off: it takes no rounding"),
        (true, false, ConvertRound::Integer(_)) => {}
        (true, false, _) => return wrong("needs `.rni`, `.rzi`, `.rmi` or `.rpi`"),
        (false, true, ConvertRound::Float(round)) if round != Round::NearestAway => {}
        (false, true, _) => return wrong("needs `.rn`, `.rz`, `.rm` or `.rp`"),
        (false, false, round) => check_float(c, round)?,
    }
    let both = |ty: Type| from == ty || to == ty;
    if c.ftz && !both(Type::F32) {
        return wrong("takes no `.ftz`: neither side is f32");
    }
    if both(Type::BF16) && (to.bytes() == 1 || from.bytes() == 1 || c.sat && is_integer(to)) {
        return wrong("does not exist for 8 bits, nor with `.sat`");
    }
    if (c.relu || c.satfinite) && !(matches!(to, Type::F16 | Type::BF16) && from == Type::F32) {
        return wrong("takes neither `.relu` nor `.satfinite`");
    }
    if c.sat && (c.relu || c.satfinite || to == Type::BF16) {
        return wrong("takes no `.sat` here");
    }
    Ok(())
}

fn check_float(c: &Conversion, round: ConvertRound) -> What<()> {
    let (to, from) = (c.to, c.from);
    let wrong = |what: &str| Err(format!("`cvt.{to}.{from}` {what}"));
    // f16 and bf16 hold different numbers, so that either way rounds; else fewer bits of significand do.
    let halves = matches!((to, from), (Type::F16, Type::BF16) | (Type::BF16, Type::F16));
    match round {
        ConvertRound::Float(Round::NearestAway) => wrong("takes no `.rna`"),
        ConvertRound::Float(_) if halves || precision(to) < precision(from) => Ok(()),
        // `ptxas` lets it pass for bf16 alone, where NVRTC writes it; it changes nothing.
        ConvertRound::Float(_) if from == Type::BF16 && to != from => Ok(()),
        ConvertRound::Float(_) => wrong("is exact: it takes no rounding"),
        ConvertRound::Integer(_) if to == from => Ok(()),
        ConvertRound::Integer(_) => wrong("does not round to an integer: only conversions of one type do"),
        ConvertRound::None if halves || precision(to) < precision(from) => {
            wrong("needs `.rn`, `.rz`, `.rm` or `.rp`")
        }
        ConvertRound::None => Ok(()),
    }
}

/// The forms with a list of modifiers of their own.
fn check_packed(c: &Conversion) -> What<()> {
    use Round::{Nearest, NearestAway, Zero};
    let (to, from) = (c.to, c.from);
    let round = match c.round {
        ConvertRound::Float(round) => Some(round),
        _ => None,
    };
    let fine = !c.ftz
        && !c.sat
        && match (to, from) {
            (Type::F16x2 | Type::BF16x2, Type::F32) => matches!(round, Some(Nearest | Zero)),
            (Type::TF32, Type::F32) if round == Some(NearestAway) => !c.relu,
            (Type::TF32, Type::F32) => matches!(round, Some(Nearest | Zero)),
            (Type::E4M3x2 | Type::E5M2x2, Type::F32 | Type::F16x2) => round == Some(Nearest) && c.satfinite,
            (Type::F16x2, Type::E4M3x2 | Type::E5M2x2) => round == Some(Nearest) && !c.satfinite,
            _ => false,
        };
    if fine {
        return Ok(());
    }
    let forms = match (to, from) {
        (Type::F16x2 | Type::BF16x2, Type::F32) => "`.rn` or `.rz`, then `.relu`, `.satfinite`",
        (Type::TF32, Type::F32) => "`.rna` and `.satfinite`, or `.rn`, `.rz` and `.satfinite`, `.relu`",
        (Type::E4M3x2 | Type::E5M2x2, Type::F32 | Type::F16x2) => "`.rn.satfinite`, then `.relu`",
        (Type::F16x2, Type::E4M3x2 | Type::E5M2x2) => "`.rn`, then `.relu`",
        _ => return Err(format!("`cvt.{to}.{from}` does not exist or is not supported")),
    };
    Err(format!("`cvt.{to}.{from}` takes {forms}"))
}
