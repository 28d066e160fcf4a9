//! One instruction that each lane does alone: from the operation to the function that computes it.

use super::access;
use super::atomic;
use super::block::Surroundings;
use super::compare;
use super::copies;
use super::floats;
use super::integers::{self, Chain};
use super::moves;
use super::warp::Warp;
use crate::check::Fault;
use crate::decode::op::{Dst, Op};

/// Does an operation for the lanes of `mask`, of which there is at least one.
#[inline(always)]
pub(crate) fn execute(
    warp: &mut Warp,
    around: &mut Surroundings<'_>,
    op: &Op,
    mask: u32,
) -> Result<(), Fault> {
    let registers = &mut warp.registers;
    match op {
        Op::Float { kind, ty, mode, dst, a, b, c } => {
            floats::float(registers, mask, (*kind, *ty, *mode), *dst, (*a, *b, *c));
        }
        Op::Integer { kind, ty, dst, a, b, c } => {
            integers::integer(registers, mask, (*kind, *ty), *dst, (*a, *b, *c));
        }
        Op::Integer64 { kind, signed, dst, a, b, c } => {
            integers::integer64(registers, mask, (*kind, *signed), *dst, (*a, *b, *c));
        }
        Op::Wide { signed, dst, a, b, c } => integers::wide(registers, mask, *signed, *dst, (*a, *b, *c)),
        Op::Move { dst, a } => {
            let value = registers.word(*a);
            registers.set_word(mask, *dst, &value);
        }
        Op::Move64 { dst, a } => {
            let value = registers.long(*a);
            registers.set_long(mask, *dst, &value);
        }
        Op::Compare { test, dst, also } => compare::set_predicate(registers, mask, test, *dst, *also),
        Op::Select { dst, a, b, p } => compare::select(registers, mask, *dst, (*a, *b), *p),
        Op::Convert { conversion, dst, a, b } => moves::convert(registers, mask, conversion, *dst, (*a, *b)),
        Op::Load { order, constant, bytes, signed, dst, address } => {
            return access::load(warp, around, mask, (*order, *constant), (*bytes, *signed), dst, address);
        }
        Op::Store { order, bytes, values, address } => {
            return access::store(warp, around, mask, *order, *bytes, values, address);
        }
        other => return rare(warp, around, other, mask),
    }
    Ok(())
}

/// The operations that are no kernel's daily bread.
fn rare(warp: &mut Warp, around: &mut Surroundings<'_>, op: &Op, mask: u32) -> Result<(), Fault> {
    let registers = &mut warp.registers;
    match op {
        Op::Float64 { kind, mode, dst, a, b, c } => {
            floats::float64(registers, mask, (*kind, *mode), *dst, (*a, *b, *c));
        }
        Op::Test { property, ty, dst, a } => floats::test(registers, mask, *property, *ty, *dst, *a),
        Op::Shift64 { kind, signed, dst, a, by } => {
            integers::shift64(registers, mask, (*kind, *signed), *dst, (*a, *by));
        }
        Op::Count64 { kind, signed, dst, a } => {
            integers::count64(registers, mask, (*kind, *signed), *dst, *a);
        }
        Op::Extract64 { signed, dst, a, start, length } => {
            integers::extract64(registers, mask, *signed, *dst, (*a, *start, *length));
        }
        Op::Insert { dst, a, b, start, length } => {
            integers::insert(registers, mask, *dst, (*a, *b), (*start, *length));
        }
        Op::Insert64 { dst, a, b, start, length } => {
            integers::insert64(registers, mask, *dst, (*a, *b), (*start, *length));
        }
        Op::Lop3Test { table, logic, dst, test, a, b, c, q } => {
            integers::lop3_test(registers, mask, (*table, *logic), (*dst, *test), (*a, *b, *c, *q));
        }
        Op::Carry { kind, signed, carry_in, carry_out, dst, a, b, c } => {
            let chain = Chain { kind: *kind, signed: *signed, carry_in: *carry_in, carry_out: *carry_out };
            integers::carry(registers, mask, chain, *dst, (*a, *b, *c));
        }
        Op::Carry64 { kind, signed, carry_in, carry_out, dst, a, b, c } => {
            let chain = Chain { kind: *kind, signed: *signed, carry_in: *carry_in, carry_out: *carry_out };
            integers::carry64(registers, mask, chain, *dst, (*a, *b, *c));
        }
        Op::PredLogic { logic, dst, a, b } => compare::logic(registers, mask, *logic, *dst, (*a, *b)),
        Op::PredMove { dst, a } => {
            let value = registers.pred(*a);
            registers.set_pred(mask, *dst, value);
        }
        Op::Set { test, dst, value } => compare::set(registers, mask, test, *dst, *value),
        Op::Select64 { dst, a, b, p } => compare::select64(registers, mask, *dst, (*a, *b), *p),
        Op::Sign { dst, a, b, c, float, ftz } => {
            compare::by_sign(registers, mask, *dst, (*a, *b, *c), (*float, *ftz));
        }
        Op::Repack { to, to_bits, from, from_bits } => {
            moves::repack(registers, mask, (to, *to_bits), (from, *from_bits));
        }
        Op::Special { dst, which } => moves::special(warp, around, mask, *dst, *which),
        Op::VariableAddress { dst, variable, offset } => {
            let address = around.run.variable(*variable).wrapping_add(*offset as u64);
            registers.set(mask, *dst, &[address; 32]);
        }
        Op::ToGeneric { space, dst, a } => moves::to_generic(registers, mask, *space, *dst, *a),
        Op::FromGeneric { space, dst, a } => moves::from_generic(registers, mask, *space, *dst, *a),
        Op::IsSpace { space, dst, a } => moves::is_space(registers, mask, *space, *dst, *a),
        Op::Atomic { kind, ty, dst, address, a, b, .. } => {
            return atomic::atomic(warp, around, mask, (*kind, *ty), *dst, address, (*a, *b));
        }
        Op::CopyAsync { bytes, to, from, source_bytes, ignore } => {
            return copies::copy(warp, around, mask, *bytes, (to, from), (*source_bytes, *ignore));
        }
        Op::CopyCommit => around.shared.commit(warp.index, mask),
        Op::CopyWait { pending } => around.shared.wait(&around.clocks, warp.index, mask, *pending),
        Op::CopyWaitAll => around.shared.wait_all(&around.clocks, warp.index, mask),
        Op::ActiveMask { dst } => registers.set(mask, Dst::Reg32(*dst), &[warp.splits.now.mask.into(); 32]),
        _ => return harmless(op),
    }
    Ok(())
}

/// What has no effect of its own here: the warp does control and collectives; fences order what the clocks of the memories
/// already take to be in order, for one lane's accesses never overtake each other.
fn harmless(op: &Op) -> Result<(), Fault> {
    debug_assert!(!matches!(op, Op::Branch { .. } | Op::Exit), "control is the warp's");
    Ok(())
}
