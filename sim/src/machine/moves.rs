//! Moves and conversions: `mov`, `cvt`, `cvta`, special registers.
//!
//! ```text
//! mov.b64 {%r1, %r2}, %rd1;               low half, high half
//! cvt.rn.bf16x2.f32 %r3, %f2, %f1;        %f2 into the upper half
//! mov.u32 %r4, %tid.x;
//! ```

use super::block::Surroundings;
use super::registers::{Longs, Registers, lanes, map1, map2, spare};
use super::warp::Warp;
use crate::decode::op::{Conversion, Dst, Pred, Src};
use crate::math::Round;
use crate::math::convert::{How, Rounding, cvt};
use crate::math::half::{Bf16, F16};
use crate::math::packed::{self, Byte};
use crate::memory::{self, Lanes};
use crate::syntax::ast::{Space, Special, Type};

/// `mov` between vectors and wide registers.
pub(crate) fn repack(
    registers: &mut Registers,
    mask: u32,
    (to, to_bits): (&[Dst], u8),
    (from, from_bits): (&[Src], u8),
) {
    let cut = |value: u128, bits: u8| if bits < 128 { value & ((1 << bits) - 1) } else { value };
    let mut whole = [0u128; 32];
    for (index, source) in from.iter().enumerate() {
        let part = registers.any(*source);
        let shift = index as u32 * u32::from(from_bits);
        for lane in 0..32 {
            whole[lane] |= cut(part[lane].into(), from_bits).checked_shl(shift).unwrap_or(0);
        }
    }
    for (index, dst) in to.iter().enumerate() {
        let shift = index as u32 * u32::from(to_bits);
        let part = whole.map(|value| cut(value.checked_shr(shift).unwrap_or(0), to_bits) as u64);
        registers.set(mask, *dst, &part);
    }
}

/// `mov` of a special register.
pub(crate) fn special(warp: &mut Warp, around: &Surroundings<'_>, mask: u32, dst: Dst, which: Special) {
    let (launch, index) = (&around.run.launch, warp.index);
    let lane = |f: fn(u32) -> u32| -> Longs { std::array::from_fn(|lane| f(lane as u32).into()) };
    let same = |value: u64| [value; 32];
    let [x, y, _] = launch.block;
    let shared = around.run.program.kernel.shared_bytes;
    let value = match which {
        Special::Tid(axis) => std::array::from_fn(|lane| {
            let thread = 32 * index + lane as u32;
            u64::from([thread % x, thread / x % y, thread / x / y][axis as usize % 3])
        }),
        Special::Ntid(axis) => same(launch.block[axis as usize % 3].into()),
        Special::Ctaid(axis) => same(around.coordinates[axis as usize % 3].into()),
        Special::Nctaid(axis) => same(launch.grid[axis as usize % 3].into()),
        Special::LaneId => lane(|lane| lane),
        Special::WarpId => same(index.into()),
        Special::NwarpId => same(launch.threads().div_ceil(32).into()),
        // One multiprocessor runs everything, and one grid is all there is.
        Special::SmId | Special::GridId => same(0),
        Special::NsmId => same(1),
        Special::LanemaskEq => lane(|lane| 1 << lane),
        Special::LanemaskLe => lane(|lane| u32::MAX >> (31 - lane)),
        Special::LanemaskLt => lane(|lane| (1 << lane) - 1),
        Special::LanemaskGe => lane(|lane| u32::MAX << lane),
        Special::LanemaskGt => lane(|lane| u32::MAX << lane << 1),
        // Time is counted in instructions of the block.
        Special::Clock => same(around.executed & 0xffff_ffff),
        Special::ClockHi => same(around.executed >> 32),
        Special::Clock64 | Special::Globaltimer => same(around.executed),
        Special::DynamicSmemSize => same(launch.dynamic_shared.into()),
        Special::TotalSmemSize => same(u64::from(shared) + u64::from(launch.dynamic_shared)),
    };
    warp.registers.set(mask, dst, &value);
}

/// `cvt`
pub(crate) fn convert(
    registers: &mut Registers,
    mask: u32,
    conversion: &Conversion,
    dst: Dst,
    (a, b): (Src, Option<Src>),
) {
    // A signed result in a wider register has to be extended by its sign, which this does not do.
    let extends = matches!(dst, Dst::Reg64(_)) && conversion.to.is_signed();
    if !extends && let Some(result) = usual(registers, conversion, (a, b)) {
        return registers.set_low(mask, dst, &result);
    }
    if (conversion.from, conversion.to, conversion.sat) == (Type::S32, Type::S64, false) {
        let result = registers.low(a).map(|a| a as i32 as i64 as u64);
        return registers.set(mask, dst, &result);
    }
    let Conversion { to, from, round, ftz, sat, satfinite, relu } = *conversion;
    let how = How { round, ftz, sat, satfinite, relu };
    let a = registers.any(a);
    let b = b.map_or([0; 32], |b| registers.any(b));
    let result = match (from, to) {
        (Type::F32, Type::F16x2 | Type::BF16x2) => {
            let half = if to == Type::F16x2 { Type::F16 } else { Type::BF16 };
            std::array::from_fn(|i| packed::halves(a[i] as u32, b[i] as u32, half, how).into())
        }
        (_, Type::E4M3x2) => to_bytes(&a, &b, from, Byte::E4m3, relu),
        (_, Type::E5M2x2) => to_bytes(&a, &b, from, Byte::E5m2, relu),
        (Type::E4M3x2, _) => from_bytes(&a, Byte::E4m3, to, relu),
        (Type::E5M2x2, _) => from_bytes(&a, Byte::E5m2, to, relu),
        _ => map1(&a, |a| cvt(a, from, to, how).unwrap_or(0)),
    };
    registers.set(mask, dst, &extend(result, to));
}

const EXACT: How = How { round: Rounding::None, ftz: false, sat: false, satfinite: false, relu: false };
const NEAREST: How = How { round: Rounding::Float(Round::Nearest), ..EXACT };
const CUT: How = How { round: Rounding::Integer(Round::Zero), ..EXACT };

/// The conversions that kernels are full of. Types and modifiers are constants inside their loops, which so become vector
/// code.
fn usual(registers: &Registers, conversion: &Conversion, (a, b): (Src, Option<Src>)) -> Option<Lanes> {
    let Conversion { to, from, round, ftz, sat, satfinite, relu } = *conversion;
    let how = How { round, ftz, sat, satfinite, relu };
    let (mut x, mut y) = (spare(), spare());
    let a = registers.see_low(a, &mut x);
    macro_rules! loops {
        ($($from:ident $to:ident $how:ident,)*) => {
            match (from, to) {
                $((Type::$from, Type::$to) if how == $how => {
                    Some(map1(a, |a| cvt(a.into(), Type::$from, Type::$to, $how).unwrap_or(0) as u32))
                })*
                (Type::F32, Type::F16x2) if how == NEAREST => {
                    let b = registers.see_low(b?, &mut y);
                    Some(map2(a, b, |a, b| packed::halves(a, b, Type::F16, NEAREST)))
                }
                (Type::F32, Type::BF16x2) if how == NEAREST => {
                    let b = registers.see_low(b?, &mut y);
                    Some(map2(a, b, |a, b| packed::halves(a, b, Type::BF16, NEAREST)))
                }
                (Type::U64 | Type::S64, Type::U32) | (Type::U32, Type::U64) if how == EXACT => Some(*a),
                _ => None,
            }
        };
    }
    loops!(
        F16 F32 EXACT, BF16 F32 EXACT, F32 F16 NEAREST, F32 BF16 NEAREST,
        U32 F32 NEAREST, S32 F32 NEAREST, F32 S32 CUT, F32 U32 CUT,
        U16 U32 EXACT, U32 U16 EXACT, S16 S32 EXACT, S32 U32 EXACT, U32 S32 EXACT,
    )
}

fn to_bytes(a: &Longs, b: &Longs, from: Type, to: Byte, relu: bool) -> Longs {
    let single = |v: u64| f32::from_bits(v as u32);
    match from {
        Type::F16x2 => a.map(|a| packed::bytes_of_halves::<F16>(a as u32, to, relu).into()),
        Type::BF16x2 => a.map(|a| packed::bytes_of_halves::<Bf16>(a as u32, to, relu).into()),
        _ => std::array::from_fn(|i| packed::bytes(single(a[i]), single(b[i]), to, relu).into()),
    }
}

fn from_bytes(a: &Longs, from: Byte, to: Type, relu: bool) -> Longs {
    match to {
        Type::BF16x2 => a.map(|a| packed::halves_of_bytes::<Bf16>(a as u16, from, relu).into()),
        _ => a.map(|a| packed::halves_of_bytes::<F16>(a as u16, from, relu).into()),
    }
}

/// Extends a signed result by its sign.
fn extend(value: Longs, ty: Type) -> Longs {
    if !ty.is_signed() || ty.bytes() == 8 {
        return value;
    }
    let unused = 64 - 8 * ty.bytes();
    value.map(|v| ((v << unused) as i64 >> unused) as u64)
}

/// `cvta`
pub(crate) fn to_generic(registers: &mut Registers, mask: u32, space: Space, dst: Dst, a: Src) {
    let value = registers.any(a).map(|address| memory::generic(space, address));
    registers.set(mask, dst, &value);
}

/// `cvta.to`
pub(crate) fn from_generic(registers: &mut Registers, mask: u32, space: Space, dst: Dst, a: Src) {
    let start = memory::generic(space, 0);
    let value = registers.any(a).map(|address| address.wrapping_sub(start));
    registers.set(mask, dst, &value);
}

/// `isspacep`
pub(crate) fn is_space(registers: &mut Registers, mask: u32, space: Space, dst: Pred, a: Src) {
    let a = registers.any(a);
    let holds = lanes(mask).filter(|lane| memory::resolve(a[*lane]).0 == space);
    let value = holds.fold(0, |set, lane| set | 1 << lane);
    registers.set_pred(mask, dst, value);
}
