//! Bits: `and or xor not cnot lop3 shl shr shf prmt popc clz bfind brev bfe bfi szext bmsk fns`.
//!
//! ```text
//! and.pred %p3, %p1, %p2;              PredLogic { logic: And, .. }
//! lop3.b32 %r4, %r1, %r2, %r3, 0x80;   Integer { kind: Lop3(0x80), .. }
//! shr.s64 %rd2, %rd1, 32;              Shift64 { kind: Shr, signed, by: Imm(32), .. }
//! ```
//!
//! Amounts, positions and lengths are 32 bits whatever the type. Source: PTX ISA, sections "Logic and Shift
//! Instructions" and "Integer Arithmetic Instructions".

use super::integer::operation;
use super::op::{Integer, IntegerOp, Logic, Op, Permute, Src32, SrcPred};
use super::words::{Reader, What};
use crate::syntax::ast::{Operand, Type};

const BITS: [Type; 3] = [Type::B16, Type::B32, Type::B64];
const WORD: Integer = Integer { bits: 32, signed: false };

/// `and`, `or`, `xor`.
pub(crate) fn logic(r: &mut Reader, kind: IntegerOp, logic: Logic) -> What<Op> {
    if r.take("pred") {
        return Ok(Op::PredLogic { logic, dst: r.dst_pred()?, a: r.src_pred()?, b: r.src_pred()? });
    }
    let ty = r.ty(&[Type::B16, Type::B32, Type::B64])?;
    operation(r, kind, ty, 2)
}

/// `not`
pub(crate) fn not(r: &mut Reader) -> What<Op> {
    if r.take("pred") {
        let dst = r.dst_pred()?;
        let a = match r.src_pred()? {
            SrcPred::Reg { pred, negated } => SrcPred::Reg { pred, negated: !negated },
            SrcPred::Imm(value) => SrcPred::Imm(!value),
        };
        return Ok(Op::PredMove { dst, a });
    }
    let ty = r.ty(&BITS)?;
    operation(r, IntegerOp::Not, ty, 1)
}

/// `cnot`
pub(crate) fn cnot(r: &mut Reader) -> What<Op> {
    let ty = r.ty(&BITS)?;
    operation(r, IntegerOp::Cnot, ty, 1)
}

/// `lop3`, also with a test of the result.
pub(crate) fn lop3(r: &mut Reader) -> What<Op> {
    let test = r.one_of(&[("or", Logic::Or), ("and", Logic::And)]);
    r.need("b32")?;
    let target = r.any()?;
    let (a, b, c) = (r.src32(Type::B32)?, r.src32(Type::B32)?, r.src32(Type::B32)?);
    let table = constant(r, 255, "the table of lop3")? as u8;
    let Some(logic) = test else {
        let dst = r.word_of(target, Type::B32)?;
        return Ok(Op::Integer { kind: IntegerOp::Lop3(table), ty: WORD, dst, a, b, c });
    };
    let Operand::Pair(value, test) = target else {
        return Err("`lop3` with a Boolean operation writes a pair `d|p`".into());
    };
    let dst = match **value {
        Operand::Sink => None,
        ref value => Some(r.word_of(value, Type::B32)?),
    };
    let test =
        r.maybe_pred_of(test)?.ok_or("`lop3` with a Boolean operation needs the predicate of `d|p`")?;
    Ok(Op::Lop3Test { table, logic, dst, test, a, b, c, q: r.src_pred()? })
}

/// A constant from 0 to `most`.
pub(crate) fn constant(r: &mut Reader, most: i64, what: &str) -> What<i64> {
    match r.any()? {
        Operand::Int(value) if (0..=most).contains(value) => Ok(*value),
        _ => Err(format!("{what} has to be a constant from 0 to {most}")),
    }
}

/// `shl`, `shr`.
pub(crate) fn shift(r: &mut Reader, kind: IntegerOp) -> What<Op> {
    let any =
        [Type::B16, Type::B32, Type::B64, Type::U16, Type::U32, Type::U64, Type::S16, Type::S32, Type::S64];
    let ty = r.ty(if kind == IntegerOp::Shl { &BITS } else { &any })?;
    let signed = ty.is_signed();
    if ty.bytes() == 8 {
        let (dst, a, by) = (r.dst64(ty)?, r.src64(ty)?, r.src32(Type::U32)?);
        return Ok(Op::Shift64 { kind, signed, dst, a, by });
    }
    let (dst, a, b) = (r.dst32(ty)?, r.src32(ty)?, r.src32(Type::U32)?);
    let ty = Integer { bits: (ty.bytes() * 8) as u8, signed };
    Ok(Op::Integer { kind, ty, dst, a, b, c: Src32::Imm(0) })
}

/// `shf`
pub(crate) fn funnel(r: &mut Reader) -> What<Op> {
    let left = r.need_one_of(&[("l", true), ("r", false)])?;
    let clamp = r.need_one_of(&[("clamp", true), ("wrap", false)])?;
    let kind = match (left, clamp) {
        (true, true) => IntegerOp::FunnelLeftClamp,
        (true, false) => IntegerOp::FunnelLeftWrap,
        (false, true) => IntegerOp::FunnelRightClamp,
        (false, false) => IntegerOp::FunnelRightWrap,
    };
    r.need("b32")?;
    three_words(r, kind)
}

/// `prmt`
pub(crate) fn permute(r: &mut Reader) -> What<Op> {
    r.need("b32")?;
    let mode = r.one_of(&[
        ("f4e", Permute::F4e),
        ("b4e", Permute::B4e),
        ("rc8", Permute::Rc8),
        ("ecl", Permute::Ecl),
        ("ecr", Permute::Ecr),
        ("rc16", Permute::Rc16),
    ]);
    three_words(r, IntegerOp::Prmt(mode.unwrap_or(Permute::Default)))
}

fn three_words(r: &mut Reader, kind: IntegerOp) -> What<Op> {
    let (dst, a, b) = (r.dst32(Type::B32)?, r.src32(Type::B32)?, r.src32(Type::B32)?);
    Ok(Op::Integer { kind, ty: WORD, dst, a, b, c: r.src32(Type::U32)? })
}

/// `popc`, `clz`, `bfind`: 32 bits whatever the type.
pub(crate) fn count(r: &mut Reader, kind: IntegerOp) -> What<Op> {
    let find = kind == IntegerOp::Bfind;
    let kind = if find && r.take("shiftamt") { IntegerOp::BfindShift } else { kind };
    let ty = match find {
        true => r.ty(&[Type::U32, Type::U64, Type::S32, Type::S64])?,
        false => r.ty(&[Type::B32, Type::B64])?,
    };
    let (signed, dst) = (ty.is_signed(), r.dst32(Type::U32)?);
    if ty.bytes() == 8 {
        return Ok(Op::Count64 { kind, signed, dst, a: r.src64(ty)? });
    }
    let none = Src32::Imm(0);
    Ok(Op::Integer { kind, ty: Integer { bits: 32, signed }, dst, a: r.src32(ty)?, b: none, c: none })
}

/// `brev`
pub(crate) fn reverse(r: &mut Reader) -> What<Op> {
    let ty = r.ty(&[Type::B32, Type::B64])?;
    operation(r, IntegerOp::Brev, ty, 1)
}

/// `bfe`
pub(crate) fn extract(r: &mut Reader) -> What<Op> {
    let ty = r.ty(&[Type::U32, Type::U64, Type::S32, Type::S64])?;
    let signed = ty.is_signed();
    if ty.bytes() == 8 {
        let (dst, a) = (r.dst64(ty)?, r.src64(ty)?);
        return Ok(Op::Extract64 { signed, dst, a, start: r.src32(Type::U32)?, length: r.src32(Type::U32)? });
    }
    let (dst, a, b, c) = (r.dst32(ty)?, r.src32(ty)?, r.src32(Type::U32)?, r.src32(Type::U32)?);
    Ok(Op::Integer { kind: IntegerOp::Bfe, ty: Integer { bits: 32, signed }, dst, a, b, c })
}

/// `bfi`
pub(crate) fn insert(r: &mut Reader) -> What<Op> {
    let ty = r.ty(&[Type::B32, Type::B64])?;
    if ty.bytes() == 8 {
        let (dst, a, b) = (r.dst64(ty)?, r.src64(ty)?, r.src64(ty)?);
        return Ok(Op::Insert64 { dst, a, b, start: r.src32(Type::U32)?, length: r.src32(Type::U32)? });
    }
    let (dst, a, b) = (r.dst32(ty)?, r.src32(ty)?, r.src32(ty)?);
    Ok(Op::Insert { dst, a, b, start: r.src32(Type::U32)?, length: r.src32(Type::U32)? })
}

/// `szext`
pub(crate) fn extend(r: &mut Reader) -> What<Op> {
    let kind = r.need_one_of(&[("clamp", IntegerOp::SzextClamp), ("wrap", IntegerOp::SzextWrap)])?;
    let ty = r.ty(&[Type::U32, Type::S32])?;
    let (dst, a, b) = (r.dst32(ty)?, r.src32(ty)?, r.src32(Type::U32)?);
    let ty = Integer { bits: 32, signed: ty.is_signed() };
    Ok(Op::Integer { kind, ty, dst, a, b, c: Src32::Imm(0) })
}

/// `bmsk`
pub(crate) fn mask(r: &mut Reader) -> What<Op> {
    let kind = r.need_one_of(&[("clamp", IntegerOp::BmskClamp), ("wrap", IntegerOp::BmskWrap)])?;
    r.need("b32")?;
    let (dst, a, b) = (r.dst32(Type::B32)?, r.src32(Type::U32)?, r.src32(Type::U32)?);
    Ok(Op::Integer { kind, ty: WORD, dst, a, b, c: Src32::Imm(0) })
}

/// `fns`
pub(crate) fn nth(r: &mut Reader) -> What<Op> {
    r.need("b32")?;
    let (dst, a) = (r.dst32(Type::B32)?, r.src32(Type::B32)?);
    let (b, c) = (r.src32(Type::B32)?, r.src32(Type::S32)?);
    Ok(Op::Integer { kind: IntegerOp::Fns, ty: WORD, dst, a, b, c })
}
