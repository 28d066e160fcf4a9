//! Arithmetic of floats: `add sub mul fma mad div rcp sqrt rsqrt sin cos lg2 ex2 tanh abs neg min max copysign testp`.
//!
//! ```text
//! add.rz.ftz.sat.f32 %f3, %f1, %f2;      Float { kind: Add, ty: F32, mode: { Zero, ftz, sat }, .. }
//! fma.rn.relu.bf16x2 %r4, %r1, %r2, %r3; Float { kind: FmaRelu, ty: BF16x2, .. }
//! rcp.approx.ftz.f64 %fd2, %fd1;         Float64 { kind: RcpApprox, .. }
//! ```
//!
//! Which modifiers go with which type is the ISA's (sections "Floating Point Instructions" and "Half Precision Floating Point
//! Instructions"); where it leaves the rounding out, it is to nearest even.

use super::op::{Extreme, Float, FloatOp, Mode, Op, Property, Round, Src32, Src64};
use super::words::{Reader, What};
use crate::syntax::ast::Type;

pub(crate) const ROUND: [(&str, Round); 4] =
    [("rn", Round::Nearest), ("rz", Round::Zero), ("rm", Round::Down), ("rp", Round::Up)];

const HALVES: [Type; 4] = [Type::F16, Type::F16x2, Type::BF16, Type::BF16x2];

/// Whether a type is one that this file's operations have.
pub(crate) fn is_float(ty: Type) -> bool {
    matches!(ty, Type::F32 | Type::F64) || HALVES.contains(&ty)
}

fn is_bfloat(ty: Type) -> bool {
    matches!(ty, Type::BF16 | Type::BF16x2)
}

/// `add`, `sub`, `mul`: the rounding may be left out.
pub(crate) fn arithmetic(r: &mut Reader, kind: FloatOp) -> What<Op> {
    let ty = r.last_type()?;
    let round = rounding(r, ty).unwrap_or(Round::Nearest);
    let ftz = !is_bfloat(ty) && ty != Type::F64 && r.flag("ftz");
    let sat = !is_bfloat(ty) && ty != Type::F64 && r.flag("sat");
    operation(r, kind, Mode { round, ftz, sat }, 2)
}

/// `fma`, and `mad` of floats, which is the same: the rounding has to be written.
pub(crate) fn fma(r: &mut Reader) -> What<Op> {
    let ty = r.last_type()?;
    if r.instruction.opcode == "mad" && !matches!(ty, Type::F32 | Type::F64) {
        return Err(format!("`mad` does not exist for {ty}: write `fma`"));
    }
    let round = match HALVES.contains(&ty) {
        true => flagged(r, "rn").map(|()| Round::Nearest)?,
        false => rounded(r)?,
    };
    let ftz = !is_bfloat(ty) && ty != Type::F64 && r.flag("ftz");
    let relu = HALVES.contains(&ty) && r.flag("relu");
    let sat = !relu && !is_bfloat(ty) && ty != Type::F64 && r.flag("sat");
    let kind = if relu { FloatOp::FmaRelu } else { FloatOp::Fma };
    operation(r, kind, Mode { round, ftz, sat }, 3)
}

/// Halves round to nearest only.
fn rounding(r: &mut Reader, ty: Type) -> Option<Round> {
    match HALVES.contains(&ty) {
        true => r.flag("rn").then_some(Round::Nearest),
        false => r.flag_of(&ROUND),
    }
}

/// The rounding, which has to be there.
fn rounded(r: &mut Reader) -> What<Round> {
    let opcode = &r.instruction.opcode;
    r.flag_of(&ROUND).ok_or_else(|| {
        format!("`{opcode}` needs `.rn`, `.rz`, `.rm` or `.rp` (or `.approx`, where it exists)")
    })
}

/// A word that has to be there.
fn flagged(r: &mut Reader, word: &str) -> What<()> {
    let opcode = &r.instruction.opcode;
    if r.flag(word) { Ok(()) } else { Err(format!("`{opcode}` of this type needs `.{word}`")) }
}

/// `div`, `rcp`, `sqrt`: approximate or rounded.
pub(crate) fn quotient(r: &mut Reader, exact: FloatOp, approx: FloatOp) -> What<Op> {
    let operands = if exact == FloatOp::Div { 2 } else { 1 };
    let ty = r.last_type()?;
    if ty == Type::F64 {
        if approx == FloatOp::RcpApprox && r.flag("approx") {
            flagged(r, "ftz")?;
            return operation(r, approx, ftz(true), operands);
        }
        let round = rounded(r)?;
        return operation(r, exact, Mode::rounding(round), operands);
    }
    if ty != Type::F32 {
        return Err(format!("`{}` is of f32 and f64, not of {ty}", r.instruction.opcode));
    }
    if r.flag("approx") {
        let flush = r.flag("ftz");
        return operation(r, approx, ftz(flush), operands);
    }
    if exact == FloatOp::Div && r.flag("full") {
        let flush = r.flag("ftz");
        return operation(r, FloatOp::DivFull, ftz(flush), operands);
    }
    let round = rounded(r)?;
    let ftz = r.flag("ftz");
    operation(r, exact, Mode { round, ftz, sat: false }, operands)
}

/// `rsqrt`, `sin`, `cos`, `lg2`, `ex2`, `tanh`: always approximate.
pub(crate) fn special(r: &mut Reader, kind: FloatOp) -> What<Op> {
    let ty = r.last_type()?;
    flagged(r, "approx")?;
    let flush = match (kind, ty) {
        (FloatOp::TanhApprox, Type::F32 | Type::F16 | Type::F16x2 | Type::BF16 | Type::BF16x2) => false,
        (FloatOp::Ex2Approx, Type::F16 | Type::F16x2) => false,
        (FloatOp::Ex2Approx, Type::BF16 | Type::BF16x2) => {
            flagged(r, "ftz")?;
            true
        }
        (FloatOp::RsqrtApprox, Type::F64) => r.flag("ftz"),
        (FloatOp::TanhApprox, _) => return Err(format!("`tanh` does not exist for {ty}")),
        (_, Type::F32) => r.flag("ftz"),
        _ => return Err(format!("`{}` does not exist for {ty}", r.instruction.opcode)),
    };
    operation(r, kind, ftz(flush), 1)
}

/// `abs`, `neg`.
pub(crate) fn sign(r: &mut Reader, kind: FloatOp) -> What<Op> {
    let ty = r.last_type()?;
    let flush = !is_bfloat(ty) && ty != Type::F64 && r.flag("ftz");
    operation(r, kind, ftz(flush), 1)
}

/// `min`, `max`, of two or three operands.
pub(crate) fn extreme(r: &mut Reader, kind: fn(Extreme) -> FloatOp) -> What<Op> {
    let ty = r.last_type()?;
    let plain = ty == Type::F64;
    let flush = !is_bfloat(ty) && !plain && r.flag("ftz");
    let nan = !plain && r.flag("NaN");
    let xorsign = !plain && r.flag("xorsign");
    if xorsign {
        flagged(r, "abs")?;
    }
    let three = ty == Type::F32 && !xorsign && r.instruction.operands.len() == 4;
    operation(r, kind(Extreme { nan, xorsign, three }), ftz(flush), if three { 3 } else { 2 })
}

/// `copysign`
pub(crate) fn copysign(r: &mut Reader) -> What<Op> {
    match r.last_type()? {
        Type::F32 | Type::F64 => operation(r, FloatOp::Copysign, Mode::NEAREST, 2),
        ty => Err(format!("`copysign` does not exist for {ty}")),
    }
}

/// `testp`
pub(crate) fn test(r: &mut Reader) -> What<Op> {
    let property = r.need_one_of(&[
        ("finite", Property::Finite),
        ("infinite", Property::Infinite),
        ("number", Property::Number),
        ("notanumber", Property::NotANumber),
        ("normal", Property::Normal),
        ("subnormal", Property::Subnormal),
    ])?;
    let ty = r.ty(&[Type::F32, Type::F64])?;
    let dst = r.dst_pred()?;
    Ok(Op::Test { property, ty, dst, a: r.src(ty, super::operands::Fit::Exact)? })
}

fn ftz(ftz: bool) -> Mode {
    Mode { round: Round::Nearest, ftz, sat: false }
}

/// Takes the type and the operands.
fn operation(r: &mut Reader, kind: FloatOp, mode: Mode, operands: usize) -> What<Op> {
    let all = [Type::F32, Type::F64, Type::F16, Type::F16x2, Type::BF16, Type::BF16x2];
    let float = match r.ty(&all)? {
        Type::F64 => return operation64(r, kind, mode, operands),
        Type::F16 => Float::F16,
        Type::F16x2 => Float::F16x2,
        Type::BF16 => Float::BF16,
        Type::BF16x2 => Float::BF16x2,
        _ => Float::F32,
    };
    let ty = r.last_type()?;
    let dst = r.dst32(ty)?;
    let mut sources = [Src32::Imm(0); 3];
    for source in sources.iter_mut().take(operands) {
        *source = r.src32(ty)?;
    }
    let [a, b, c] = sources;
    Ok(Op::Float { kind, ty: float, mode, dst, a, b, c })
}

fn operation64(r: &mut Reader, kind: FloatOp, mode: Mode, operands: usize) -> What<Op> {
    let dst = r.dst64(Type::F64)?;
    let mut sources = [Src64::Imm(0); 3];
    for source in sources.iter_mut().take(operands) {
        *source = r.src64(Type::F64)?;
    }
    let [a, b, c] = sources;
    Ok(Op::Float64 { kind, mode, dst, a, b, c })
}
