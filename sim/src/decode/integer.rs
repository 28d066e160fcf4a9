//! Arithmetic of integers: `add sub mul mad mul24 mad24 sad div rem abs neg min max`, `dp4a dp2a`, and the chain through the carry
//! bit: `add.cc addc sub.cc subc mad.cc madc`.
//!
//! ```text
//! add.sat.s32 %r3, %r1, %r2;           Integer { kind: AddSat, ty: { 32, signed }, .. }
//! mad.wide.u32 %rd2, %r1, %r2, %rd1;   Wide { signed: false, .. }
//! madc.hi.cc.u32 %r4, %r1, %r2, %r3;   Carry { kind: MadHi, carry_in, carry_out, .. }
//! ```
//!
//! Source: PTX ISA, sections "Integer Arithmetic Instructions" and "Extended-Precision Integer Arithmetic Instructions".

use super::op::{CarryOp, Integer, IntegerOp, Op, Src32, Src64};
use super::words::{Reader, What};
use crate::syntax::ast::Type;

/// 16, 32 and 64 bits of either sign.
pub(crate) const INTEGERS: [Type; 6] = [Type::U16, Type::U32, Type::U64, Type::S16, Type::S32, Type::S64];
const SIGNED: [Type; 3] = [Type::S16, Type::S32, Type::S64];
const WORDS: [Type; 2] = [Type::U32, Type::S32];
const CHAIN: [Type; 4] = [Type::U32, Type::S32, Type::U64, Type::S64];

/// Which part of a product.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Lo,
    Hi,
    Wide,
}

const PARTS: [(&str, Part); 3] = [("lo", Part::Lo), ("hi", Part::Hi), ("wide", Part::Wide)];

/// `add`, `sub`: `.sat` is of s32 alone.
pub(crate) fn sum(r: &mut Reader, plain: IntegerOp, saturated: IntegerOp, carry: CarryOp) -> What<Op> {
    if r.take("cc") {
        return chain(r, carry, false, true);
    }
    if r.take("sat") {
        let ty = r.ty(&[Type::S32])?;
        return operation(r, saturated, ty, 2);
    }
    let ty = r.ty(&INTEGERS)?;
    operation(r, plain, ty, 2)
}

/// `addc`, `subc`.
pub(crate) fn sum_with_carry(r: &mut Reader, kind: CarryOp) -> What<Op> {
    let carry_out = r.take("cc");
    chain(r, kind, true, carry_out)
}

/// `mul` of integers.
pub(crate) fn product(r: &mut Reader) -> What<Op> {
    let part = r.need_one_of(&PARTS)?;
    if part == Part::Wide {
        return wide(r, false);
    }
    let ty = r.ty(&INTEGERS)?;
    operation(r, if part == Part::Lo { IntegerOp::MulLo } else { IntegerOp::MulHi }, ty, 2)
}

/// `mad` of integers.
pub(crate) fn product_sum(r: &mut Reader) -> What<Op> {
    let kind = match r.need_one_of(&PARTS)? {
        Part::Wide => return wide(r, true),
        Part::Lo if r.take("cc") => return chain(r, CarryOp::MadLo, false, true),
        Part::Hi if r.take("cc") => return chain(r, CarryOp::MadHi, false, true),
        Part::Hi if r.take("sat") => {
            let ty = r.ty(&[Type::S32])?;
            return operation(r, IntegerOp::MadHiSat, ty, 3);
        }
        Part::Lo => IntegerOp::MadLo,
        Part::Hi => IntegerOp::MadHi,
    };
    let ty = r.ty(&INTEGERS)?;
    operation(r, kind, ty, 3)
}

/// `madc`
pub(crate) fn product_with_carry(r: &mut Reader) -> What<Op> {
    let kind = r.need_one_of(&[("lo", CarryOp::MadLo), ("hi", CarryOp::MadHi)])?;
    let carry_out = r.take("cc");
    chain(r, kind, true, carry_out)
}

/// `mul.wide`, `mad.wide`: the product, and the sum, have twice the bits.
fn wide(r: &mut Reader, sum: bool) -> What<Op> {
    let ty = r.ty(&[Type::U16, Type::S16, Type::U32, Type::S32])?;
    let signed = ty.is_signed();
    if ty.bytes() == 4 {
        let long = if signed { Type::S64 } else { Type::U64 };
        let (dst, a, b) = (r.dst64(long)?, r.src32(ty)?, r.src32(ty)?);
        let c = if sum { r.src64(long)? } else { Src64::Imm(0) };
        return Ok(Op::Wide { signed, dst, a, b, c });
    }
    let word = if signed { Type::S32 } else { Type::U32 };
    let (dst, a, b) = (r.dst32(word)?, r.src32(ty)?, r.src32(ty)?);
    let (kind, c) = match sum {
        true => (IntegerOp::MadWide, r.src32(word)?),
        false => (IntegerOp::MulWide, Src32::Imm(0)),
    };
    Ok(Op::Integer { kind, ty: Integer { bits: 16, signed }, dst, a, b, c })
}

/// `mul24`
pub(crate) fn product24(r: &mut Reader) -> What<Op> {
    let kind = r.need_one_of(&[("lo", IntegerOp::Mul24Lo), ("hi", IntegerOp::Mul24Hi)])?;
    let ty = r.ty(&WORDS)?;
    operation(r, kind, ty, 2)
}

/// `mad24`
pub(crate) fn product_sum24(r: &mut Reader) -> What<Op> {
    let kind = r.need_one_of(&[("lo", IntegerOp::Mad24Lo), ("hi", IntegerOp::Mad24Hi)])?;
    if kind == IntegerOp::Mad24Hi && r.take("sat") {
        let ty = r.ty(&[Type::S32])?;
        return operation(r, IntegerOp::Mad24HiSat, ty, 3);
    }
    let ty = r.ty(&WORDS)?;
    operation(r, kind, ty, 3)
}

/// `sad`, `div`, `rem`.
pub(crate) fn plain(r: &mut Reader, kind: IntegerOp) -> What<Op> {
    let ty = r.ty(&INTEGERS)?;
    operation(r, kind, ty, if kind == IntegerOp::Sad { 3 } else { 2 })
}

/// `abs`, `neg`.
pub(crate) fn sign(r: &mut Reader, kind: IntegerOp) -> What<Op> {
    let ty = r.ty(&SIGNED)?;
    operation(r, kind, ty, 1)
}

/// `min`, `max`.
pub(crate) fn extreme(r: &mut Reader, kind: IntegerOp, relu: IntegerOp) -> What<Op> {
    if r.take("relu") {
        let ty = r.ty(&[Type::S32])?;
        return operation(r, relu, ty, 2);
    }
    let ty = r.ty(&INTEGERS)?;
    operation(r, kind, ty, 2)
}

/// `dp4a`, `dp2a`: the sum is unsigned where both sides are.
pub(crate) fn dot(r: &mut Reader, four: bool) -> What<Op> {
    let high = !four && r.need_one_of(&[("lo", false), ("hi", true)])?;
    let (a_ty, b_ty) = (r.ty(&WORDS)?, r.ty(&WORDS)?);
    let (a_signed, b_signed) = (a_ty.is_signed(), b_ty.is_signed());
    let signed = a_signed || b_signed;
    let ty = if signed { Type::S32 } else { Type::U32 };
    let (dst, a, b, c) = (r.dst32(ty)?, r.src32(Type::B32)?, r.src32(Type::B32)?, r.src32(ty)?);
    let kind = match four {
        true => IntegerOp::Dp4a { a_signed, b_signed },
        false => IntegerOp::Dp2a { a_signed, b_signed, high },
    };
    Ok(Op::Integer { kind, ty: Integer { bits: 32, signed }, dst, a, b, c })
}

/// What reads or writes the carry bit.
fn chain(r: &mut Reader, kind: CarryOp, carry_in: bool, carry_out: bool) -> What<Op> {
    let ty = r.ty(&CHAIN)?;
    let signed = ty.is_signed();
    let three = matches!(kind, CarryOp::MadLo | CarryOp::MadHi);
    if ty.bytes() == 8 {
        let (dst, a, b) = (r.dst64(ty)?, r.src64(ty)?, r.src64(ty)?);
        let c = if three { r.src64(ty)? } else { Src64::Imm(0) };
        return Ok(Op::Carry64 { kind, signed, carry_in, carry_out, dst, a, b, c });
    }
    let (dst, a, b) = (r.dst32(ty)?, r.src32(ty)?, r.src32(ty)?);
    let c = if three { r.src32(ty)? } else { Src32::Imm(0) };
    Ok(Op::Carry { kind, signed, carry_in, carry_out, dst, a, b, c })
}

/// Takes the operands, all of one type.
pub(crate) fn operation(r: &mut Reader, kind: IntegerOp, ty: Type, operands: usize) -> What<Op> {
    let signed = ty.is_signed();
    if ty.bytes() == 8 {
        let dst = r.dst64(ty)?;
        let mut sources = [Src64::Imm(0); 3];
        for source in sources.iter_mut().take(operands) {
            *source = r.src64(ty)?;
        }
        let [a, b, c] = sources;
        return Ok(Op::Integer64 { kind, signed, dst, a, b, c });
    }
    let dst = r.dst32(ty)?;
    let mut sources = [Src32::Imm(0); 3];
    for source in sources.iter_mut().take(operands) {
        *source = r.src32(ty)?;
    }
    let [a, b, c] = sources;
    Ok(Op::Integer { kind, ty: Integer { bits: (ty.bytes() * 8) as u8, signed }, dst, a, b, c })
}
