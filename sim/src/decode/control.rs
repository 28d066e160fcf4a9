//! Control: `bra brx ret exit trap`, and what does nothing that a kernel can see.
//!
//! ```text
//! @%p1 bra $L__BB0_2;            Branch { target: the instruction behind the label }
//! brx.idx %r1, table;            BranchIndexed { targets: those of `table: .branchtargets a, b, c;` }
//! ret;                           Exit in a kernel; in a function a branch to where its call stood
//! ```
//!
//! Targets count the instructions of the function's body; the assembly of the kernel moves them to where they end up.
//! Source: PTX ISA, sections "Control Flow Instructions" and "Miscellaneous Instructions".

use super::op::Op;
use super::words::{Reader, What};
use crate::syntax::ast::{Operand, Type};

/// `bra`
pub(crate) fn branch(r: &mut Reader) -> What<Op> {
    let uniform = r.take("uni");
    match r.any()? {
        Operand::Label(label) => {
            let target = r.scope.labels.get(label.0 as usize);
            Ok(Op::Branch { target: *target.ok_or("a label that the function does not know")?, uniform })
        }
        _ => Err("`bra` needs a label".into()),
    }
}

/// `brx`
pub(crate) fn branch_indexed(r: &mut Reader) -> What<Op> {
    r.need("idx")?;
    let uniform = r.take("uni");
    let index = r.src32(Type::U32)?;
    let Operand::Label(list) = r.any()? else {
        return Err("`brx.idx` needs the label of a `.branchtargets` list".into());
    };
    let targets = r.scope.targets.iter().find(|(own, _)| *own == list.0);
    let (_, targets) = targets.ok_or("this label has no `.branchtargets` list")?;
    Ok(Op::BranchIndexed { index, targets: targets.clone().into(), uniform })
}

/// `ret`: where a function ends, the kernel goes on behind the call.
pub(crate) fn ret(r: &mut Reader) -> What<Op> {
    let uniform = r.take("uni");
    match r.scope.is_entry {
        true => Ok(Op::Exit),
        false => Ok(Op::Branch { target: r.scope.end, uniform }),
    }
}

/// `nanosleep`
pub(crate) fn sleep(r: &mut Reader) -> What<Op> {
    r.need("u32")?;
    r.src32(Type::U32)?;
    Ok(Op::Nop)
}

/// `pmevent`
pub(crate) fn event(r: &mut Reader) -> What<Op> {
    let most = if r.take("mask") { 0xFFFF } else { 15 };
    super::bits::constant(r, most, "the event")?;
    Ok(Op::Nop)
}

/// `griddepcontrol`: a launch that depends on no other waits for none.
pub(crate) fn dependents(r: &mut Reader) -> What<Op> {
    r.need_one_of(&[("launch_dependents", ()), ("wait", ())])?;
    Ok(Op::Nop)
}
