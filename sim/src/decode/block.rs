//! What orders threads and memory: `bar barrier membar fence`.
//!
//! ```text
//! bar.sync 0;                          Barrier { Sync, aligned, number: 0, threads: None }
//! barrier.cta.arrive %r1, 64;          Barrier { Arrive, not aligned, number: r1, threads: Some(64) }
//! bar.red.popc.u32 %r1, 0, !%p1;       Barrier { Popc(r1, !p1), .. }
//! bar.warp.sync -1;                    WarpBarrier
//! membar.gl;                           Fence { sequential, Gpu }
//! ```
//!
//! Source: PTX ISA, sections "bar{.cta}, barrier{.cta}", "bar.warp.sync", "membar / fence".

use super::access::SCOPES;
use super::op::{BarrierOp, Logic, Op, Scope, Src32};
use super::words::{Reader, What};
use crate::syntax::ast::Type;

/// `bar` (always aligned) and `barrier`.
pub(crate) fn barrier(r: &mut Reader, is_bar: bool) -> What<Op> {
    if is_bar && r.take("warp") {
        r.need("sync")?;
        return Ok(Op::WarpBarrier { members: r.src32(Type::U32)? });
    }
    if r.peek() == "cluster" {
        return Err("`barrier.cluster` is of sm_90 and not supported".into());
    }
    r.take("cta");
    let word = r.next();
    match word {
        "sync" | "arrive" => {
            let aligned = is_bar || r.take("aligned");
            let number = number(r)?;
            let threads = threads(r, 0)?;
            let kind = if word == "sync" { BarrierOp::Sync } else { BarrierOp::Arrive };
            if kind == BarrierOp::Arrive && threads.is_none() {
                return Err("`.arrive` needs the number of threads".into());
            }
            Ok(Op::Barrier { kind, aligned, number, threads })
        }
        "red" => reduction(r, is_bar),
        other => Err(format!("`.{other}` does not exist here: expected `.sync`, `.arrive` or `.red`")),
    }
}

fn reduction(r: &mut Reader, is_bar: bool) -> What<Op> {
    let vote = r.need_one_of(&[("popc", None), ("and", Some(Logic::And)), ("or", Some(Logic::Or))])?;
    let aligned = is_bar || r.take("aligned");
    r.need(if vote.is_some() { "pred" } else { "u32" })?;
    let target = r.any()?;
    let number = number(r)?;
    let threads = threads(r, 1)?;
    let source = r.src_pred()?;
    let kind = match vote {
        None => BarrierOp::Popc(r.word_of(target, Type::U32)?, source),
        Some(logic) => {
            let pred = r.maybe_pred_of(target)?.ok_or("a predicate register is expected, not `_`")?;
            BarrierOp::Vote(logic, pred, source)
        }
    };
    Ok(Op::Barrier { kind, aligned, number, threads })
}

/// How many threads take part, where more operands than `behind` are left.
fn threads(r: &mut Reader, behind: usize) -> What<Option<Src32>> {
    if r.left() <= behind {
        return Ok(None);
    }
    match r.src32(Type::U32)? {
        Src32::Imm(count) if count % 32 != 0 => {
            Err(format!("the number of threads has to be a multiple of 32, not {count}"))
        }
        count => Ok(Some(count)),
    }
}

/// Which of the sixteen barriers.
fn number(r: &mut Reader) -> What<Src32> {
    match r.src32(Type::U32)? {
        Src32::Imm(number) if number > 15 => Err(format!("barriers have numbers from 0 to 15, not {number}")),
        number => Ok(number),
    }
}

/// `membar`
pub(crate) fn membar(r: &mut Reader) -> What<Op> {
    let scope = r.need_one_of(&[("cta", Scope::Cta), ("gl", Scope::Gpu), ("sys", Scope::Sys)])?;
    Ok(Op::Fence { sequential: true, scope })
}

/// `fence`: of acquire and release together where nothing is said.
pub(crate) fn fence(r: &mut Reader) -> What<Op> {
    if matches!(r.peek(), "proxy" | "mbarrier_init" | "acquire" | "release") {
        return Err(format!("`fence.{}` is of sm_90 and not supported", r.peek()));
    }
    let sequential = r.one_of(&[("sc", true), ("acq_rel", false)]).unwrap_or(false);
    Ok(Op::Fence { sequential, scope: r.need_one_of(&SCOPES)? })
}
