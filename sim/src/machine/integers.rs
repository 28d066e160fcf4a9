//! Integer arithmetic of a warp: the lanes of `math`'s functions, side by side.
//!
//! ```text
//! mad.lo.s32 %r4, %r1, %r2, %r3;      32 times mad_lo(a as i32, b as i32, c as i32)
//! ```
//!
//! Each kind is one loop over 32 lanes with the kind settled outside of it, which the compiler turns into vector code.

use super::registers::{Longs, Registers, lanes, map1, map2, map3, spare};
use crate::decode::op::{
    CarryOp, Integer as Ty, IntegerOp, Logic, Pred, Reg32, Reg64, Src32, Src64, SrcPred,
};
use crate::math::bits::{self, Excess};
use crate::math::integer::{self, Integer};
use crate::memory::Lanes;

/// A number type, as bits of a register.
trait Word<R: Copy>: Integer {
    fn of(register: R) -> Self;
    fn bits(self) -> R;
}

macro_rules! words {
    ($($ty:ident $register:ident $same:ident),*) => {$(
        impl Word<$register> for $ty {
            #[inline(always)]
            fn of(register: $register) -> $ty {
                register as $ty
            }

            #[inline(always)]
            fn bits(self) -> $register {
                self as $same as $register
            }
        }
    )*};
}

words!(u16 u32 u16, i16 u32 u16, u32 u32 u32, i32 u32 u32, u64 u64 u64, i64 u64 u64);

/// Arithmetic in the 32-bit bank.
pub(crate) fn integer(
    registers: &mut Registers,
    mask: u32,
    (kind, ty): (IntegerOp, Ty),
    dst: Reg32,
    (a, b, c): (Src32, Src32, Src32),
) {
    let (mut x, mut y, mut z) = (spare(), spare(), spare());
    let (a, b) = (registers.see(a, &mut x), registers.see(b, &mut y));
    // What most instructions of a kernel are comes first, and needs no third operand.
    let result = match kind {
        IntegerOp::Add if ty.bits == 32 => map2(a, b, u32::wrapping_add),
        IntegerOp::Sub if ty.bits == 32 => map2(a, b, u32::wrapping_sub),
        IntegerOp::MulLo if ty.bits == 32 => map2(a, b, u32::wrapping_mul),
        IntegerOp::And => map2(a, b, |a, b| a & b),
        IntegerOp::Or => map2(a, b, |a, b| a | b),
        IntegerOp::Xor => map2(a, b, |a, b| a ^ b),
        IntegerOp::Shl if ty.bits == 32 => map2(a, b, |a, b| if b > 31 { 0 } else { a << b }),
        IntegerOp::Shr if ty.bits == 32 && ty.signed => map2(a, b, |a, b| (a as i32 >> b.min(31)) as u32),
        IntegerOp::Shr if ty.bits == 32 => map2(a, b, |a, b| if b > 31 { 0 } else { a >> b }),
        _ => {
            let c = registers.see(c, &mut z);
            match (ty.bits, ty.signed) {
                // Factors of 16 bits, but a product of 32.
                (16, false) if matches!(kind, IntegerOp::MulWide | IntegerOp::MadWide) => {
                    word::<u32>(kind, a, b, c)
                }
                (16, true) if matches!(kind, IntegerOp::MulWide | IntegerOp::MadWide) => {
                    word::<i32>(kind, a, b, c)
                }
                (16, false) => any::<u32, u16>(kind, a, b, c),
                (16, true) => any::<u32, i16>(kind, a, b, c),
                (_, false) => word::<u32>(kind, a, b, c),
                (_, true) => word::<i32>(kind, a, b, c),
            }
        }
    };
    registers.set_word(mask, dst, &result);
}

/// What there is in all widths.
#[inline(always)]
fn any<R: Copy + Into<u64> + TryFrom<u64> + Default, T: Word<R>>(
    kind: IntegerOp,
    a: &[R; 32],
    b: &[R; 32],
    c: &[R; 32],
) -> [R; 32] {
    use IntegerOp::*;
    let one = |f: fn(T) -> T| map1(a, |a| f(T::of(a)).bits());
    let two = |f: fn(T, T) -> T| map2(a, b, |a, b| f(T::of(a), T::of(b)).bits());
    let three = |f: fn(T, T, T) -> T| map3(a, b, c, |a, b, c| f(T::of(a), T::of(b), T::of(c)).bits());
    let number = |n: u32| R::try_from(u64::from(n)).unwrap_or_default();
    let amount = |b: R| Into::<u64>::into(b) as u32;
    match kind {
        Add => two(T::plus),
        AddSat => two(integer::add_sat),
        Sub => two(T::minus),
        SubSat => two(integer::sub_sat),
        MulLo => two(T::times),
        MulHi => two(integer::mul_hi),
        MadLo => three(integer::mad_lo),
        MadHi => three(integer::mad_hi),
        MadHiSat => three(integer::mad_hi_sat),
        Sad => three(integer::sad),
        Div => two(integer::div),
        Rem => two(integer::rem),
        Abs => one(integer::abs),
        Neg => one(|a| a.minus(a).minus(a)),
        Min => two(T::min),
        Max => two(T::max),
        MinRelu => two(|a, b| integer::relu(a.min(b))),
        MaxRelu => two(|a, b| integer::relu(a.max(b))),
        Shl => map2(a, b, |a, b| integer::shl(T::of(a), amount(b)).bits()),
        Shr => map2(a, b, |a, b| integer::shr(T::of(a), amount(b)).bits()),
        Bfind => map1(a, |a| number(bits::bfind(T::of(a)))),
        BfindShift => map1(a, |a| number(bits::bfind_shift(T::of(a)))),
        And => two(|a, b| T::cut(a.wide() & b.wide())),
        Or => two(|a, b| T::cut(a.wide() | b.wide())),
        Xor => two(|a, b| T::cut(a.wide() ^ b.wide())),
        Not => one(|a| T::cut(!a.wide())),
        Cnot => one(|a| T::cut(i128::from(a.wide() == 0))),
        // Their callers have these, each in the widths that there are. Named one by one, so that an operation that is
        // new cannot end here unseen.
        MulWide
        | MadWide
        | Mul24Lo
        | Mul24Hi
        | Mad24Lo
        | Mad24Hi
        | Mad24HiSat
        | Popc
        | Clz
        | Brev
        | Bfe
        | SzextClamp
        | SzextWrap
        | BmskClamp
        | BmskWrap
        | Fns
        | Dp4a { .. }
        | Dp2a { .. }
        | FunnelLeftClamp
        | FunnelLeftWrap
        | FunnelRightClamp
        | FunnelRightWrap
        | Lop3(_)
        | Prmt(_) => *a,
    }
}

/// What there is in 32 bits.
fn word<T: Word<u32>>(kind: IntegerOp, a: &Lanes, b: &Lanes, c: &Lanes) -> Lanes {
    use IntegerOp::*;
    let three = |f: fn(u32, u32, u32) -> u32| map3(a, b, c, f);
    let signed = T::LEAST < T::cut(0);
    match kind {
        MulWide if signed => map2(a, b, |a, b| (a as i16 as i32).wrapping_mul(b as i16 as i32) as u32),
        MulWide => map2(a, b, |a, b| (a & 0xffff).wrapping_mul(b & 0xffff)),
        MadWide if signed => {
            map3(a, b, c, |a, b, c| ((a as i16 as i32).wrapping_mul(b as i16 as i32) as u32).wrapping_add(c))
        }
        MadWide => map3(a, b, c, |a, b, c| (a & 0xffff).wrapping_mul(b & 0xffff).wrapping_add(c)),
        Mul24Lo => map2(a, b, |a, b| integer::mul24_lo(T::of(a), T::of(b)).bits()),
        Mul24Hi => map2(a, b, |a, b| integer::mul24_hi(T::of(a), T::of(b)).bits()),
        Mad24Lo => map3(a, b, c, |a, b, c| integer::mul24_lo(T::of(a), T::of(b)).plus(T::of(c)).bits()),
        Mad24Hi => map3(a, b, c, |a, b, c| integer::mul24_hi(T::of(a), T::of(b)).plus(T::of(c)).bits()),
        Mad24HiSat => {
            map3(a, b, c, |a, b, c| integer::add_sat(integer::mul24_hi(T::of(a), T::of(b)), T::of(c)).bits())
        }
        Popc => map1(a, u32::count_ones),
        Clz => map1(a, u32::leading_zeros),
        Brev => map1(a, u32::reverse_bits),
        Bfe if signed => three(|a, b, c| bits::bfe_signed(i64::from(a as i32), b, c) as u32),
        Bfe => three(|a, b, c| bits::bfe(u64::from(a), b, c) as u32),
        SzextClamp => map2(a, b, |a, b| bits::szext(a, b, Excess::Clamp, signed)),
        SzextWrap => map2(a, b, |a, b| bits::szext(a, b, Excess::Wrap, signed)),
        BmskClamp => map2(a, b, |a, b| bits::bmsk(a, b, Excess::Clamp)),
        BmskWrap => map2(a, b, |a, b| bits::bmsk(a, b, Excess::Wrap)),
        Fns => map3(a, b, c, |a, b, c| bits::fns(a, b, c as i32)),
        Dp4a { a_signed, b_signed } => map3(a, b, c, |a, b, c| integer::dp4a(a, b, c, a_signed, b_signed)),
        Dp2a { a_signed, b_signed, high } => {
            map3(a, b, c, |a, b, c| integer::dp2a(a, b, c, a_signed, b_signed, high))
        }
        FunnelLeftClamp => three(|a, b, c| bits::funnel_left(a, b, c, Excess::Clamp)),
        FunnelLeftWrap => three(|a, b, c| bits::funnel_left(a, b, c, Excess::Wrap)),
        FunnelRightClamp => three(|a, b, c| bits::funnel_right(a, b, c, Excess::Clamp)),
        FunnelRightWrap => three(|a, b, c| bits::funnel_right(a, b, c, Excess::Wrap)),
        Lop3(table) => lop3(table, a, b, c),
        Prmt(mode) => map3(a, b, c, |a, b, c| bits::prmt(a, b, c, mode)),
        _ => any::<u32, T>(kind, a, b, c),
    }
}

fn lop3(table: u8, a: &Lanes, b: &Lanes, c: &Lanes) -> Lanes {
    map3(a, b, c, |a, b, c| bits::lop3(a, b, c, table))
}

/// Arithmetic in the 64-bit bank.
pub(crate) fn integer64(
    registers: &mut Registers,
    mask: u32,
    (kind, signed): (IntegerOp, bool),
    dst: Reg64,
    (a, b, c): (Src64, Src64, Src64),
) {
    let (mut x, mut y, mut z) = (spare(), spare(), spare());
    let (a, b) = (registers.see_long(a, &mut x), registers.see_long(b, &mut y));
    let result = match kind {
        IntegerOp::Add => map2(a, b, u64::wrapping_add),
        IntegerOp::Sub => map2(a, b, u64::wrapping_sub),
        IntegerOp::MulLo => map2(a, b, u64::wrapping_mul),
        IntegerOp::And => map2(a, b, |a, b| a & b),
        IntegerOp::Or => map2(a, b, |a, b| a | b),
        IntegerOp::Xor => map2(a, b, |a, b| a ^ b),
        IntegerOp::Brev => map1(a, u64::reverse_bits),
        _ if signed => any::<u64, i64>(kind, a, b, registers.see_long(c, &mut z)),
        _ => any::<u64, u64>(kind, a, b, registers.see_long(c, &mut z)),
    };
    registers.set_long(mask, dst, &result);
}

/// `mul.wide`, `mad.wide` from 32 bits to 64.
pub(crate) fn wide(
    registers: &mut Registers,
    mask: u32,
    signed: bool,
    dst: Reg64,
    (a, b, c): (Src32, Src32, Src64),
) {
    let (mut x, mut y, mut z) = (spare(), spare(), spare());
    let (a, b, c) = (registers.see(a, &mut x), registers.see(b, &mut y), registers.see_long(c, &mut z));
    let result: Longs = if signed {
        std::array::from_fn(|i| {
            (i64::from(a[i] as i32) * i64::from(b[i] as i32)).wrapping_add(c[i] as i64) as u64
        })
    } else {
        std::array::from_fn(|i| (u64::from(a[i]) * u64::from(b[i])).wrapping_add(c[i]))
    };
    registers.set_long(mask, dst, &result);
}

/// `shl`, `shr` of 64 bits.
pub(crate) fn shift64(
    registers: &mut Registers,
    mask: u32,
    (kind, signed): (IntegerOp, bool),
    dst: Reg64,
    (a, by): (Src64, Src32),
) {
    let (a, by) = (registers.long(a), registers.word(by));
    let result: Longs = match kind {
        IntegerOp::Shl => std::array::from_fn(|i| if by[i] > 63 { 0 } else { a[i] << by[i] }),
        _ if signed => std::array::from_fn(|i| (a[i] as i64 >> by[i].min(63)) as u64),
        _ => std::array::from_fn(|i| if by[i] > 63 { 0 } else { a[i] >> by[i] }),
    };
    registers.set_long(mask, dst, &result);
}

/// `popc`, `clz`, `bfind` of 64 bits.
pub(crate) fn count64(
    registers: &mut Registers,
    mask: u32,
    (kind, signed): (IntegerOp, bool),
    dst: Reg32,
    a: Src64,
) {
    let a = registers.long(a);
    let result = a.map(|a| match (kind, signed) {
        (IntegerOp::Popc, _) => a.count_ones(),
        (IntegerOp::Clz, _) => a.leading_zeros(),
        (IntegerOp::Bfind, false) => bits::bfind(a),
        (IntegerOp::Bfind, true) => bits::bfind(a as i64),
        (_, false) => bits::bfind_shift(a),
        (_, true) => bits::bfind_shift(a as i64),
    });
    registers.set_word(mask, dst, &result);
}

/// `bfe` of 64 bits.
pub(crate) fn extract64(
    registers: &mut Registers,
    mask: u32,
    signed: bool,
    dst: Reg64,
    (a, start, length): (Src64, Src32, Src32),
) {
    let (a, start, length) = (registers.long(a), registers.word(start), registers.word(length));
    let result: Longs = std::array::from_fn(|i| {
        if signed {
            bits::bfe_signed(a[i] as i64, start[i], length[i]) as u64
        } else {
            bits::bfe(a[i], start[i], length[i])
        }
    });
    registers.set_long(mask, dst, &result);
}

/// `bfi.b32`
pub(crate) fn insert(
    registers: &mut Registers,
    mask: u32,
    dst: Reg32,
    (a, b): (Src32, Src32),
    (start, length): (Src32, Src32),
) {
    let (a, b) = (registers.word(a), registers.word(b));
    let (start, length) = (registers.word(start), registers.word(length));
    let result: Lanes =
        std::array::from_fn(|i| bits::bfi(a[i].into(), b[i].into(), start[i], length[i]) as u32);
    registers.set_word(mask, dst, &result);
}

/// `bfi.b64`
pub(crate) fn insert64(
    registers: &mut Registers,
    mask: u32,
    dst: Reg64,
    (a, b): (Src64, Src64),
    (start, length): (Src32, Src32),
) {
    let (a, b) = (registers.long(a), registers.long(b));
    let (start, length) = (registers.word(start), registers.word(length));
    let result: Longs = std::array::from_fn(|i| bits::bfi(a[i], b[i], start[i], length[i]));
    registers.set_long(mask, dst, &result);
}

/// `lop3.or`, `lop3.and`: the function of three inputs, and a predicate of its result.
pub(crate) fn lop3_test(
    registers: &mut Registers,
    mask: u32,
    (table, logic): (u8, Logic),
    (dst, test): (Option<Reg32>, Pred),
    (a, b, c, q): (Src32, Src32, Src32, SrcPred),
) {
    let result = lop3(table, &registers.word(a), &registers.word(b), &registers.word(c));
    let some = (0..32).fold(0, |set, lane| set | u32::from(result[lane] != 0) << lane);
    let holds = super::compare::combine(logic, some, registers.pred(q));
    if let Some(dst) = dst {
        registers.set_word(mask, dst, &result);
    }
    registers.set_pred(mask, test, holds);
}

/// What an operation of the carry chain reads and writes besides its operands.
#[derive(Clone, Copy)]
pub(crate) struct Chain {
    pub(crate) kind: CarryOp,
    pub(crate) signed: bool,
    pub(crate) carry_in: bool,
    pub(crate) carry_out: bool,
}

/// Arithmetic through the carry bit.
pub(crate) fn carry(
    registers: &mut Registers,
    mask: u32,
    chain: Chain,
    dst: Reg32,
    (a, b, c): (Src32, Src32, Src32),
) {
    let (a, b, c) = (registers.word(a), registers.word(b), registers.word(c));
    let (mut result, mut carry) = ([0; 32], registers.carry);
    for lane in lanes(mask) {
        let high = |a: u32, b: u32| {
            if chain.signed { integer::mul_hi(a as i32, b as i32) as u32 } else { integer::mul_hi(a, b) }
        };
        let (value, out) = link(chain, carry >> lane & 1 != 0, (a[lane], b[lane], c[lane]), high);
        result[lane] = value;
        carry = (carry & !(1 << lane)) | u32::from(out) << lane;
    }
    if chain.carry_out {
        registers.carry = carry;
    }
    registers.set_word(mask, dst, &result);
}

/// The same in 64 bits.
pub(crate) fn carry64(
    registers: &mut Registers,
    mask: u32,
    chain: Chain,
    dst: Reg64,
    (a, b, c): (Src64, Src64, Src64),
) {
    let (a, b, c) = (registers.long(a), registers.long(b), registers.long(c));
    let (mut result, mut carry) = ([0; 32], registers.carry);
    for lane in lanes(mask) {
        let high = |a: u64, b: u64| {
            if chain.signed { integer::mul_hi(a as i64, b as i64) as u64 } else { integer::mul_hi(a, b) }
        };
        let (value, out) = link(chain, carry >> lane & 1 != 0, (a[lane], b[lane], c[lane]), high);
        result[lane] = value;
        carry = (carry & !(1 << lane)) | u32::from(out) << lane;
    }
    if chain.carry_out {
        registers.carry = carry;
    }
    registers.set_long(mask, dst, &result);
}

fn link<T: Integer>(chain: Chain, carry: bool, (a, b, c): (T, T, T), high: impl Fn(T, T) -> T) -> (T, bool) {
    let carry = carry && chain.carry_in;
    match chain.kind {
        CarryOp::Add => integer::add_carry(a, b, carry),
        CarryOp::Sub => integer::sub_borrow(a, b, carry),
        CarryOp::MadLo => integer::add_carry(a.times(b), c, carry),
        CarryOp::MadHi => integer::add_carry(high(a, b), c, carry),
    }
}
