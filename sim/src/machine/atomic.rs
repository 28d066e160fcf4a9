//! `atom` and `red`: what they do to a word, and the word before.
//!
//! ```text
//! atom.global.add.f32 %f2, [%rd1], %f1;       f2 = old, then old + f1, lane by lane from the lowest
//! ```
//!
//! `.f32` additions in global memory flush subnormal numbers, those in shared memory do not, as the ISA says.

use super::access::{Request, addresses, update};
use super::block::Surroundings;
use super::warp::Warp;
use crate::check::Fault;
use crate::decode::op::{Address, AtomicOp, Dst, Src};
use crate::math::half::{self, Bf16, F16, Half};
use crate::math::{Mode, Round, double, single};
use crate::memory::Order;
use crate::syntax::ast::{Space, Type};

/// An atomic operation on one word a lane.
pub(crate) fn atomic(
    warp: &mut Warp,
    around: &mut Surroundings<'_>,
    mask: u32,
    (kind, ty): (AtomicOp, Type),
    dst: Option<Dst>,
    address: &Address,
    (a, b): (Src, Option<Src>),
) -> Result<(), Fault> {
    let at = addresses(&warp.registers, around, address);
    let a = warp.registers.any(a);
    let b = b.map_or([0; 32], |b| warp.registers.any(b));
    let request = Request { warp: warp.index, bytes: ty.bytes(), order: Order::Strong };
    let mut change = |space: Space, lane: usize, old: u64| apply(kind, ty, space, old, a[lane], b[lane]);
    let old = update(around, request, mask, (address.space, &at), &mut change)?;
    if let Some(dst) = dst {
        let (low, high) = (&old[0], &old[1]);
        let wide = ty.bytes() == 8;
        let value =
            std::array::from_fn(|i| u64::from(low[i]) | if wide { u64::from(high[i]) << 32 } else { 0 });
        warp.registers.set(mask, dst, &value);
    }
    Ok(())
}

/// The new value of a word.
fn apply(kind: AtomicOp, ty: Type, space: Space, old: u64, a: u64, b: u64) -> u64 {
    let value = match kind {
        AtomicOp::Exchange => a,
        AtomicOp::CompareSwap => {
            if old == cut(a, ty) {
                b
            } else {
                old
            }
        }
        AtomicOp::And => old & a,
        AtomicOp::Or => old | a,
        AtomicOp::Xor => old ^ a,
        AtomicOp::Inc => {
            if old >= cut(a, ty) {
                0
            } else {
                old + 1
            }
        }
        AtomicOp::Dec => {
            if old == 0 || old > cut(a, ty) {
                a
            } else {
                old - 1
            }
        }
        AtomicOp::Add => add(ty, space, old, a),
        AtomicOp::Min | AtomicOp::Max => extreme(kind, ty, old, a),
    };
    cut(value, ty)
}

fn cut(value: u64, ty: Type) -> u64 {
    match ty.bytes() {
        8 => value,
        bytes => value & ((1 << (8 * bytes)) - 1),
    }
}

fn add(ty: Type, space: Space, old: u64, a: u64) -> u64 {
    fn halves<H: Half>(old: u64, a: u64) -> u64 {
        half::pair2(old as u32, a as u32, |old, a| half::add::<H>(old, a, Mode::NEAREST)).into()
    }
    match ty {
        Type::F32 => {
            let mode = Mode { ftz: space != Space::Shared, ..Mode::NEAREST };
            single::add(old as u32, a as u32, mode).into()
        }
        Type::F64 => double::add(old, a, Round::Nearest),
        Type::F16 | Type::F16x2 => halves::<F16>(old, a),
        Type::BF16 | Type::BF16x2 => halves::<Bf16>(old, a),
        _ => old.wrapping_add(a),
    }
}

fn extreme(kind: AtomicOp, ty: Type, old: u64, a: u64) -> u64 {
    fn halves<H: Half>(kind: AtomicOp, old: u64, a: u64) -> u64 {
        use crate::math::compare::{Extreme, max, min};
        half::pair2(old as u32, a as u32, |old, a| {
            let pick = if kind == AtomicOp::Min { min } else { max };
            pick(old.into(), a.into(), H::FORMAT, Extreme::default()) as u16
        })
        .into()
    }
    let less = match ty {
        Type::S64 => (a as i64) < (old as i64),
        Type::S32 => (a as i32) < (old as i32),
        Type::F16 | Type::F16x2 => return halves::<F16>(kind, old, a),
        Type::BF16 | Type::BF16x2 => return halves::<Bf16>(kind, old, a),
        _ => cut(a, ty) < old,
    };
    if less == (kind == AtomicOp::Min) { a } else { old }
}
