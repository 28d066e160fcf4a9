//! Exchanges inside a warp: `shfl vote match redux activemask elect`.
//!
//! ```text
//! shfl.sync.bfly.b32 %r2|%p1, %r1, 16, 31, -1;     Shuffle { Bfly, dst: r2, test: p1, a: r1, b: 16, c: 31, members: !0 }
//! vote.sync.ballot.b32 %r1, !%p1, %r2;             Ballot { dst: r1, a: !p1, members: r2 }
//! redux.sync.max.s32 %r2, %r1, -1;                 Reduce { Max, signed, .. }
//! ```
//!
//! The forms without `.sync` are gone since sm_70. Source: PTX ISA, sections "shfl.sync", "vote.sync", "match.sync", "redux.sync",
//! "activemask", "elect.sync".

use super::op::{Op, Pred, ReduceOp, Reg32, ShuffleMode, VoteMode};
use super::operands::Fit;
use super::words::{Reader, What};
use crate::syntax::ast::{Operand, Type};

fn sync(r: &mut Reader) -> What<()> {
    let opcode = &r.instruction.opcode;
    if r.flag("sync") { Ok(()) } else { Err(format!("`{opcode}` without `.sync` is gone since sm_70")) }
}

/// `d|p` or `d`; either may be `_`.
fn target(r: &mut Reader) -> What<(Option<Reg32>, Option<Pred>)> {
    let value = |r: &Reader, operand: &Operand| match operand {
        Operand::Sink => Ok(None),
        operand => r.word_of(operand, Type::B32).map(Some),
    };
    match r.any()? {
        Operand::Pair(d, p) => Ok((value(r, d)?, r.maybe_pred_of(p)?)),
        d => Ok((value(r, d)?, None)),
    }
}

/// `shfl`
pub(crate) fn shuffle(r: &mut Reader) -> What<Op> {
    sync(r)?;
    let mode = r.need_one_of(&[
        ("up", ShuffleMode::Up),
        ("down", ShuffleMode::Down),
        ("bfly", ShuffleMode::Bfly),
        ("idx", ShuffleMode::Idx),
    ])?;
    r.need("b32")?;
    let (dst, test) = target(r)?;
    if dst.is_none() {
        return Err("`shfl` writes a value, which `_` cannot take".into());
    }
    let a = r.src32(Type::B32)?;
    let (b, c, members) = (r.src32(Type::U32)?, r.src32(Type::U32)?, r.src32(Type::U32)?);
    Ok(Op::Shuffle { mode, dst, test, a, b, c, members })
}

/// `vote`
pub(crate) fn vote(r: &mut Reader) -> What<Op> {
    sync(r)?;
    if r.take("ballot") {
        r.need("b32")?;
        return Ok(Op::Ballot { dst: r.dst32(Type::B32)?, a: r.src_pred()?, members: r.src32(Type::U32)? });
    }
    let mode = r.need_one_of(&[("all", VoteMode::All), ("any", VoteMode::Any), ("uni", VoteMode::Uni)])?;
    r.need("pred")?;
    Ok(Op::Vote { mode, dst: r.dst_pred()?, a: r.src_pred()?, members: r.src32(Type::U32)? })
}

/// `match`
pub(crate) fn matching(r: &mut Reader) -> What<Op> {
    sync(r)?;
    let all = r.need_one_of(&[("any", false), ("all", true)])?;
    let ty = r.ty(&[Type::B32, Type::B64])?;
    let wide = ty == Type::B64;
    if all {
        let (dst, test) = target(r)?;
        return Ok(Op::MatchAll { dst, test, a: r.src(ty, Fit::Exact)?, wide, members: r.src32(Type::U32)? });
    }
    let dst = r.dst32(Type::B32)?;
    Ok(Op::MatchAny { dst, a: r.src(ty, Fit::Exact)?, wide, members: r.src32(Type::U32)? })
}

/// `redux`
pub(crate) fn reduce(r: &mut Reader) -> What<Op> {
    sync(r)?;
    let kind = r.need_one_of(&[
        ("add", ReduceOp::Add),
        ("min", ReduceOp::Min),
        ("max", ReduceOp::Max),
        ("and", ReduceOp::And),
        ("or", ReduceOp::Or),
        ("xor", ReduceOp::Xor),
    ])?;
    let ty = match kind {
        ReduceOp::Add | ReduceOp::Min | ReduceOp::Max => r.ty(&[Type::U32, Type::S32])?,
        ReduceOp::And | ReduceOp::Or | ReduceOp::Xor => r.ty(&[Type::B32])?,
    };
    let (dst, a, members) = (r.dst32(ty)?, r.src32(ty)?, r.src32(Type::U32)?);
    Ok(Op::Reduce { kind, signed: ty.is_signed(), dst, a, members })
}

/// `activemask`
pub(crate) fn active_mask(r: &mut Reader) -> What<Op> {
    r.need("b32")?;
    Ok(Op::ActiveMask { dst: r.dst32(Type::B32)? })
}

/// `elect`
pub(crate) fn elect(r: &mut Reader) -> What<Op> {
    sync(r)?;
    let (dst, test) = target(r)?;
    let test = test.ok_or("`elect.sync` writes a pair `d|p`")?;
    Ok(Op::Elect { dst, test, members: r.src32(Type::U32)? })
}
