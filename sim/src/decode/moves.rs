//! Moves and addresses: `mov cvta isspacep`.
//!
//! ```text
//! mov.u32 %r1, %tid.x;               Special { which: Tid(0) }
//! mov.b32 %r1, {%rs1, %rs2};         Repack { from: [rs1, rs2] of 16 bits, to: [r1] of 32 }
//! mov.b64 {%r1, _}, %rd1;            Repack { from: [rd1] of 64 bits, to: [r1, Sink] of 32 }
//! mov.u64 %rd1, buffer;              Move64 { a: Imm(place of the shared variable) }
//! cvta.to.global.u64 %rd2, %rd1;     FromGeneric { space: Global }
//! ```
//!
//! Source: PTX ISA, section "Data Movement and Conversion Instructions".

use super::access::SPACES;
use super::op::{Dst, Op, Reg64, Src};
use super::operands::{Fit, kind, special_type};
use super::place::Slot;
use super::words::{Reader, What};
use crate::syntax::ast::{Operand, Space, Special, Type};

const MOVED: [Type; 13] = [
    Type::Pred,
    Type::B16,
    Type::B32,
    Type::B64,
    Type::B128,
    Type::U16,
    Type::U32,
    Type::U64,
    Type::S16,
    Type::S32,
    Type::S64,
    Type::F32,
    Type::F64,
];

/// `mov`
pub(crate) fn mov(r: &mut Reader) -> What<Op> {
    let ty = r.ty(&MOVED)?;
    match (r.instruction.operands.first(), r.instruction.operands.get(1)) {
        _ if ty == Type::Pred => predicate(r),
        (Some(Operand::Vector(_)), _) | (_, Some(Operand::Vector(_))) => repack(r, ty),
        _ if ty == Type::B128 => repack(r, ty),
        (_, Some(Operand::Special(which))) => special(r, ty, *which),
        _ => plain(r, ty),
    }
}

fn plain(r: &mut Reader, ty: Type) -> What<Op> {
    let op = match ty.bytes() {
        8 => Op::Move64 { dst: r.dst64(ty)?, a: r.src64(ty)? },
        _ => Op::Move { dst: r.dst32(ty)?, a: r.src32(ty)? },
    };
    // The address of a global variable goes straight to its destination.
    Ok(match (r.before.pop(), op) {
        (Some(Op::VariableAddress { variable, offset, .. }), Op::Move64 { dst, .. }) => {
            Op::VariableAddress { dst: Dst::Reg64(dst), variable, offset }
        }
        (Some(Op::VariableAddress { variable, offset, .. }), Op::Move { dst, .. }) => {
            Op::VariableAddress { dst: Dst::Reg32(dst), variable, offset }
        }
        (_, op) => op,
    })
}

fn predicate(r: &mut Reader) -> What<Op> {
    Ok(Op::PredMove { dst: r.dst_pred()?, a: r.src_pred()? })
}

/// The grid's number has 64 bits, of which older code reads 32.
fn special(r: &mut Reader, ty: Type, which: Special) -> What<Op> {
    let own = special_type(which).bytes();
    let fine = match which {
        Special::GridId => matches!(ty.bytes(), 4 | 8),
        _ => ty.bytes() == own || (own, ty.bytes()) == (4, 2),
    };
    if !fine || matches!(ty, Type::F32 | Type::F64) {
        return Err(format!("this special register has {} bits, but the move is of .{ty}", own * 8));
    }
    let dst = r.dst(ty, Fit::Exact)?;
    r.any()?;
    Ok(Op::Special { dst, which })
}

/// A vector on one side (or a `.b128` register) and a register on the other.
fn repack(r: &mut Reader, ty: Type) -> What<Op> {
    let (to, from) = (r.any()?, r.any()?);
    if matches!((to, from), (Operand::Vector(_), Operand::Vector(_))) {
        return Err("`mov` has a vector on one side only".into());
    }
    let (from, from_bits) = match from {
        Operand::Vector(parts) => {
            let part = part_type(ty, parts.len())?;
            let sources = parts.iter().map(|p| r.src_of(p, part, Fit::Exact)).collect::<What<Vec<_>>>()?;
            (sources, part.bytes() as u8 * 8)
        }
        whole => sources(r, whole, ty)?,
    };
    let (to, to_bits) = match to {
        Operand::Vector(parts) => {
            let part = part_type(ty, parts.len())?;
            let targets = parts.iter().map(|p| r.dst_of(p, part, Fit::Exact)).collect::<What<Vec<_>>>()?;
            (targets, part.bytes() as u8 * 8)
        }
        whole => targets(r, whole, ty)?,
    };
    Ok(Op::Repack { to: to.into(), to_bits, from: from.into(), from_bits })
}

/// The type of one of `parts` equal parts; only bit types have parts.
fn part_type(ty: Type, parts: usize) -> What<Type> {
    let bytes = (ty.bytes() as usize).checked_div(parts).unwrap_or(0);
    match (ty, parts, bytes) {
        (Type::B16 | Type::B32 | Type::B64 | Type::B128, 2 | 4, 1) => Ok(Type::B8),
        (Type::B32 | Type::B64, 2 | 4, 2) => Ok(Type::B16),
        (Type::B64 | Type::B128, 2 | 4, 4) => Ok(Type::B32),
        (Type::B128, 2, 8) => Ok(Type::B64),
        _ => Err(format!("`mov.{ty}` has no vector of {parts} elements")),
    }
}

/// A `.b128` register is two of 64 bits, low half first.
fn sources(r: &mut Reader, operand: &Operand, ty: Type) -> What<(Vec<Src>, u8)> {
    match operand {
        Operand::Reg(reg) if ty == Type::B128 => match r.register(*reg, ty, Fit::Exact)?.0 {
            Slot::Pair(low) => Ok((vec![Src::Reg64(low), Src::Reg64(Reg64(low.0 + 1))], 64)),
            _ => Err("a register of 128 bits is expected".into()),
        },
        Operand::Reg(_) => Ok((vec![r.src_of(operand, ty, Fit::Exact)?], ty.bytes() as u8 * 8)),
        other => Err(format!("a register is expected, not {}", kind(other))),
    }
}

fn targets(r: &mut Reader, operand: &Operand, ty: Type) -> What<(Vec<Dst>, u8)> {
    match operand {
        Operand::Reg(reg) if ty == Type::B128 => match r.register(*reg, ty, Fit::Exact)?.0 {
            Slot::Pair(low) => Ok((vec![Dst::Reg64(low), Dst::Reg64(Reg64(low.0 + 1))], 64)),
            _ => Err("a register of 128 bits is expected".into()),
        },
        Operand::Reg(_) => Ok((vec![r.dst_of(operand, ty, Fit::Exact)?], ty.bytes() as u8 * 8)),
        other => Err(format!("a register is expected, not {}", kind(other))),
    }
}

/// `cvta`
pub(crate) fn cvta(r: &mut Reader) -> What<Op> {
    let from_generic = r.take("to");
    let space = r.need_one_of(&SPACES)?;
    let ty = r.ty(&[Type::U64])?;
    if from_generic && matches!(r.instruction.operands.get(1), Some(Operand::Variable(..))) {
        return Err("the address of a variable is not generic, so that `cvta.to` has nothing to do".into());
    }
    let (dst, a) = (r.dst(ty, Fit::Exact)?, r.src(ty, Fit::Exact)?);
    // The parameters of device functions lie in local memory, as loads and stores know too.
    let space = if space == Space::Param && !r.scope.is_entry { Space::Local } else { space };
    Ok(match from_generic {
        true => Op::FromGeneric { space, dst, a },
        false => Op::ToGeneric { space, dst, a },
    })
}

/// `isspacep`
pub(crate) fn isspacep(r: &mut Reader) -> What<Op> {
    let space = r.need_one_of(&SPACES)?;
    let dst = r.dst_pred()?;
    let a = r.src(Type::U64, Fit::Exact).or_else(|_| {
        r.operand -= 1;
        r.src(Type::U32, Fit::Exact)
    })?;
    Ok(Op::IsSpace { space, dst, a })
}
