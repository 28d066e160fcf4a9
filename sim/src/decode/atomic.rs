//! Atomics and reductions to memory: `atom red`.
//!
//! ```text
//! atom.global.add.f32 %f1, [%rd1], %f2;                       Atomic { Add, F32, Relaxed(Gpu), dst: Some(f1), .. }
//! atom.acquire.cta.shared.cas.b32 %r1, [%r2], %r3, %r4;       Atomic { CompareSwap, B32, Acquire(Cta), b: Some(r4), .. }
//! red.relaxed.gpu.global.add.noftz.f16x2 [%rd1], %r1;         Atomic { Add, F16x2, dst: None, .. }
//! ```
//!
//! Without an order they are relaxed, without a scope of this GPU. Source: PTX ISA, sections "atom" and "red".

use super::access::{Flags, Kind};
use super::op::{AtomicOp, Dst, Op};
use super::operands::Fit;
use super::words::{Reader, What};
use crate::syntax::ast::{Space, Type};

const OPERATIONS: [(&str, AtomicOp); 10] = [
    ("add", AtomicOp::Add),
    ("min", AtomicOp::Min),
    ("max", AtomicOp::Max),
    ("and", AtomicOp::And),
    ("or", AtomicOp::Or),
    ("xor", AtomicOp::Xor),
    ("inc", AtomicOp::Inc),
    ("dec", AtomicOp::Dec),
    ("exch", AtomicOp::Exchange),
    ("cas", AtomicOp::CompareSwap),
];

/// `atom`, and `red` where nothing is returned.
pub(crate) fn atomic(r: &mut Reader, returns: bool) -> What<Op> {
    let kind = if returns { Kind::Atomic } else { Kind::Reduction };
    let mut flags = Flags::default();
    flags.read(r, kind)?;
    if matches!(r.peek(), "async" | "v2" | "v4" | "v8") {
        return Err(format!("`{}.{}` is of sm_90 and not supported", r.instruction.opcode, r.peek()));
    }
    let op = r.need_one_of(&OPERATIONS)?;
    if !returns && matches!(op, AtomicOp::Exchange | AtomicOp::CompareSwap) {
        return Err("`red` has neither `.exch` nor `.cas`, which return a value: use `atom`".into());
    }
    let noftz = r.take("noftz");
    flags.read(r, kind)?;
    if matches!(r.peek(), "v2" | "v4" | "v8") {
        return Err(format!("`{}` of vectors is of sm_90 and not supported", r.instruction.opcode));
    }
    let ty = r.ty(types(op))?;
    let half = matches!(ty, Type::F16 | Type::F16x2 | Type::BF16 | Type::BF16x2);
    if half != noftz {
        return Err(format!("`.noftz` has to stand before f16 and bf16, and before nothing else, not .{ty}"));
    }
    let (space, order) = flags.resolve(kind)?;
    if !matches!(space, Space::Generic | Space::Global | Space::Shared) {
        return Err("atomics are of global, shared and generic space".into());
    }
    let dst: Option<Dst> = if returns { Some(r.dst(ty, Fit::Exact)?) } else { None };
    let address = r.address(space)?;
    let a = r.src(ty, Fit::Exact)?;
    let b = if op == AtomicOp::CompareSwap { Some(r.src(ty, Fit::Exact)?) } else { None };
    flags.policy(r)?;
    Ok(Op::Atomic { kind: op, ty, order, dst, address, a, b })
}

fn types(op: AtomicOp) -> &'static [Type] {
    use Type::*;
    match op {
        AtomicOp::Add => &[U32, S32, U64, F32, F64, F16, F16x2, BF16, BF16x2],
        AtomicOp::Min | AtomicOp::Max => &[U32, S32, U64, S64],
        AtomicOp::And | AtomicOp::Or | AtomicOp::Xor | AtomicOp::Exchange => &[B32, B64],
        AtomicOp::CompareSwap => &[B16, B32, B64],
        AtomicOp::Inc | AtomicOp::Dec => &[U32],
    }
}
