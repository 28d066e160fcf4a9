//! Comparisons, predicates, and choices between two values.
//!
//! ```text
//! setp.lt.and.s32 %p1|%p2, %r1, %r2, %p3;      p1 = (a < b) & p3      p2 = !(a < b) & p3
//! selp.f32 %f3, %f1, %f2, %p1;
//! ```
//!
//! A predicate is a mask of lanes, so that logic on predicates is logic on one number.

use super::registers::{Longs, Registers, spare};
use crate::decode::op::{
    Comparison, Dst, Logic, Pred, Reg32, Reg64, Relation, SetAs, Src, Src32, Src64, SrcPred,
};
use crate::math::compare;
use crate::math::half::{Bf16, F16, Half};
use crate::math::single;
use crate::memory::Lanes;
use crate::syntax::ast::Type;

/// `a logic b`, lane by lane.
pub(crate) fn combine(logic: Logic, a: u32, b: u32) -> u32 {
    match logic {
        Logic::And => a & b,
        Logic::Or => a | b,
        Logic::Xor => a ^ b,
    }
}

/// `and`, `or`, `xor` of predicates.
pub(crate) fn logic(
    registers: &mut Registers,
    mask: u32,
    logic: Logic,
    dst: Pred,
    (a, b): (SrcPred, SrcPred),
) {
    let value = combine(logic, registers.pred(a), registers.pred(b));
    registers.set_pred(mask, dst, value);
}

/// The lanes for which something holds.
#[inline(always)]
fn gather(holds: impl Fn(usize) -> bool) -> u32 {
    // Bytes first: the compiler makes vector code of this loop, and of the packing less.
    let bytes: [u8; 32] = std::array::from_fn(|lane| u8::from(holds(lane)));
    (0..32).fold(0, |set, lane| set | u32::from(bytes[lane]) << lane)
}

/// How the two sides compare, for every lane: low half and, for packed types, high half.
fn compared(registers: &Registers, test: &Comparison) -> (u32, u32) {
    let relation = test.relation;
    let (mut x, mut y) = (spare(), spare());
    if matches!(test.ty, Type::U64 | Type::B64 | Type::S64 | Type::F64) {
        return (compared_long(registers, test), 0);
    }
    let (a, b) = (registers.see_low(test.a, &mut x), registers.see_low(test.b, &mut y));
    match test.ty {
        Type::S32 => (ordered(relation, a, b, |v| v as i32), 0),
        Type::U16 | Type::B16 => (ordered(relation, a, b, |v| v as u16), 0),
        Type::S16 => (ordered(relation, a, b, |v| v as i16), 0),
        Type::F32 => (gather(|i| relation.holds(compare::order_f32(a[i], b[i], test.ftz))), 0),
        Type::F16 | Type::F16x2 => halves::<F16>(test, a, b),
        Type::BF16 | Type::BF16x2 => halves::<Bf16>(test, a, b),
        _ => (ordered(relation, a, b, |v| v), 0),
    }
}

fn compared_long(registers: &Registers, test: &Comparison) -> u32 {
    let (a, b) = (registers.any(test.a), registers.any(test.b));
    match test.ty {
        Type::F64 => gather(|i| test.relation.holds(compare::order_f64(a[i], b[i]))),
        Type::S64 => ordered(test.relation, &a, &b, |v| v as i64),
        _ => ordered(test.relation, &a, &b, |v| v),
    }
}

#[inline(always)]
fn ordered<R: Copy, T: Ord>(relation: Relation, a: &[R; 32], b: &[R; 32], of: impl Fn(R) -> T) -> u32 {
    match relation {
        Relation::Eq | Relation::EqU => gather(|i| of(a[i]) == of(b[i])),
        Relation::Ne | Relation::NeU => gather(|i| of(a[i]) != of(b[i])),
        Relation::Lt | Relation::LtU => gather(|i| of(a[i]) < of(b[i])),
        Relation::Le | Relation::LeU => gather(|i| of(a[i]) <= of(b[i])),
        Relation::Gt | Relation::GtU => gather(|i| of(a[i]) > of(b[i])),
        Relation::Ge | Relation::GeU => gather(|i| of(a[i]) >= of(b[i])),
        Relation::Num => u32::MAX,
        Relation::Nan => 0,
    }
}

fn halves<H: Half>(test: &Comparison, a: &Lanes, b: &Lanes) -> (u32, u32) {
    let side = |shift: u32| {
        gather(|i| {
            let order = compare::order_halves::<H>((a[i] >> shift) as u16, (b[i] >> shift) as u16, test.ftz);
            test.relation.holds(order)
        })
    };
    (side(0), side(16))
}

fn is_packed(ty: Type) -> bool {
    matches!(ty, Type::F16x2 | Type::BF16x2)
}

/// `setp`
pub(crate) fn set_predicate(
    registers: &mut Registers,
    mask: u32,
    test: &Comparison,
    dst: Option<Pred>,
    also: Option<Pred>,
) {
    let (low, high) = compared(registers, test);
    let second = if is_packed(test.ty) { high } else { !low };
    let combined = |value: u32| match test.combine {
        None => value,
        Some((logic, with)) => combine(logic, value, registers.pred(with)),
    };
    let (first, second) = (combined(low), combined(second));
    if let Some(dst) = dst {
        registers.set_pred(mask, dst, first);
    }
    if let Some(also) = also {
        registers.set_pred(mask, also, second);
    }
}

/// `set`
pub(crate) fn set(registers: &mut Registers, mask: u32, test: &Comparison, dst: Reg32, value: SetAs) {
    let (low, high) = compared(registers, test);
    let combined = |value: u32| match test.combine {
        None => value,
        Some((logic, with)) => combine(logic, value, registers.pred(with)),
    };
    let (low, high) = (combined(low), combined(high));
    let packed = is_packed(test.ty);
    let half = match value {
        SetAs::F16 => 0x3c00,
        SetAs::BF16 => 0x3f80,
        _ => 0xffff,
    };
    let result: Lanes = std::array::from_fn(|i| {
        let (low, high) = (low >> i & 1, high >> i & 1);
        match value {
            SetAs::F32 => low * single::ONE,
            SetAs::Ones32 if !packed => low * u32::MAX,
            _ if packed => (low * half) | (high * (half << 16)),
            _ => low * half,
        }
    });
    registers.set_word(mask, dst, &result);
}

/// `selp`
pub(crate) fn select(registers: &mut Registers, mask: u32, dst: Reg32, (a, b): (Src32, Src32), p: SrcPred) {
    let (mut x, mut y) = (spare(), spare());
    let (a, b, p) = (registers.see(a, &mut x), registers.see(b, &mut y), registers.pred(p));
    let result: Lanes = std::array::from_fn(|i| if p >> i & 1 != 0 { a[i] } else { b[i] });
    registers.set_word(mask, dst, &result);
}

/// `selp` of 64 bits.
pub(crate) fn select64(registers: &mut Registers, mask: u32, dst: Reg64, (a, b): (Src64, Src64), p: SrcPred) {
    let (a, b, p) = (registers.long(a), registers.long(b), registers.pred(p));
    let result: Longs = std::array::from_fn(|i| if p >> i & 1 != 0 { a[i] } else { b[i] });
    registers.set_long(mask, dst, &result);
}

/// `slct`: by the sign of `c`; a float that is NaN counts as negative, and -0 as positive.
pub(crate) fn by_sign(
    registers: &mut Registers,
    mask: u32,
    dst: Dst,
    (a, b, c): (Src, Src, Src32),
    (float, ftz): (bool, bool),
) {
    let (a, b, c) = (registers.any(a), registers.any(b), registers.word(c));
    let positive = |c: u32| if float { single::input(c, ftz) >= 0.0 } else { c as i32 >= 0 };
    let result: Longs = std::array::from_fn(|i| if positive(c[i]) { a[i] } else { b[i] });
    registers.set(mask, dst, &result);
}
