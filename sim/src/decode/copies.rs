//! Asynchronous copies: `cp.async`, its groups and its waits.
//!
//! ```text
//! cp.async.cg.shared.global.L2::128B [%r1], [%rd1], 16, %r2;    CopyAsync { bytes: 16, source_bytes: Some(r2), .. }
//! cp.async.ca.shared.global [%r1], [%rd1], 4, %p1;              CopyAsync { bytes: 4, ignore: Some(p1), .. }
//! cp.async.wait_group 1;                                        CopyWait { pending: 1 }
//! ```
//!
//! `.cg` copies 16 bytes, `.ca` 4, 8 or 16. Source: PTX ISA, sections "cp.async", "cp.async.commit_group",
//! "cp.async.wait_group / cp.async.wait_all".

use super::bits::constant;
use super::op::{Op, Src32};
use super::words::{Reader, What};
use crate::syntax::ast::{Operand, Space, Type};

/// `cp`
pub(crate) fn copy(r: &mut Reader) -> What<Op> {
    r.need("async")?;
    match r.next() {
        "ca" => copy_async(r, &[4, 8, 16]),
        "cg" => copy_async(r, &[16]),
        "commit_group" => Ok(Op::CopyCommit),
        "wait_all" => Ok(Op::CopyWaitAll),
        "wait_group" => {
            let pending = constant(r, i64::from(u32::MAX), "the number of groups")?;
            Ok(Op::CopyWait { pending: pending as u32 })
        }
        "bulk" => Err("`cp.async.bulk` is of sm_90 and not supported".into()),
        "mbarrier" => Err("`cp.async.mbarrier` is not supported: wait for groups instead".into()),
        other => Err(format!("`cp.async.{other}` does not exist")),
    }
}

fn copy_async(r: &mut Reader, sizes: &[i64]) -> What<Op> {
    if !r.take("shared::cta") {
        r.need("shared")?;
    }
    r.need("global")?;
    let hint = r.take("L2::cache_hint");
    r.one_of(&[("L2::64B", ()), ("L2::128B", ()), ("L2::256B", ())]);
    let (to, from) = (r.address(Space::Shared)?, r.address(Space::Global)?);
    let bytes = constant(r, 16, "the size of the copy")?;
    if !sizes.contains(&bytes) {
        return Err(format!("`.ca` copies 4, 8 or 16 bytes and `.cg` 16, not {bytes}"));
    }
    let (mut source_bytes, mut ignore) = (None, None);
    if r.left() > usize::from(hint) {
        let is_predicate = match r.ahead() {
            Some(Operand::Reg(reg)) => {
                r.scope.registers.get(reg.0 as usize).is_some_and(|s| s.1 == Type::Pred)
            }
            Some(Operand::Not(_)) => true,
            _ => false,
        };
        if is_predicate {
            ignore = Some(r.src_pred()?);
        } else {
            source_bytes = Some(r.src32(Type::U32)?);
        }
    }
    if matches!(source_bytes, Some(Src32::Imm(n)) if i64::from(n) > bytes) {
        return Err(format!("more bytes are read than the {bytes} that are written"));
    }
    if hint {
        r.src64(Type::B64)?;
    }
    Ok(Op::CopyAsync { bytes: bytes as u32, to, from, source_bytes, ignore })
}
