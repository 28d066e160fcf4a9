//! Comparisons, minimum and maximum, and tests of floats.
//!
//! ```text
//! setp.ltu.f32 p, %f1, %f2;       Relation::LtU.holds(order_f32(a, b, false))         true too where one is NaN
//! max.NaN.f32 %f3, %f1, %f2;      max_f32(a, b, Extreme { nan: true, ..Extreme::default() }, false)
//! ```
//!
//! How two values compare is one of four bits, and a relation is the set of those for which it holds. Signs order zeros in
//! `min` and `max` (`-0 < +0`), not in comparisons.
//! Source: PTX ISA, "Comparison and Selection Instructions", "min", "max", "testp".

use super::wide::{self, Format};

/// How `a` compares with `b`: one of the bits [`LESS`], [`EQUAL`], [`GREATER`], [`UNORDERED`].
pub type Order = u8;
/// `a < b`
pub const LESS: Order = 1;
/// `a = b`
pub const EQUAL: Order = 2;
/// `a > b`
pub const GREATER: Order = 4;
/// One of the two is NaN.
pub const UNORDERED: Order = 8;

/// A relation of `set` and `setp`. The last eight are of floats: true where an operand is NaN too (`..U`); whether none is
/// (`Num`), or one (`Nan`). Of floats `Ne`, too, is false where an operand is NaN. `lo`, `ls`, `hi`, `hs` are `Lt`, `Le`,
/// `Gt`, `Ge` of an unsigned type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum Relation {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    EqU,
    NeU,
    LtU,
    LeU,
    GtU,
    GeU,
    Num,
    Nan,
}

impl Relation {
    /// The orders for which it holds.
    #[inline(always)]
    pub const fn orders(self) -> Order {
        match self {
            Relation::Eq => EQUAL,
            Relation::Ne => LESS | GREATER,
            Relation::Lt => LESS,
            Relation::Le => LESS | EQUAL,
            Relation::Gt => GREATER,
            Relation::Ge => GREATER | EQUAL,
            Relation::EqU => EQUAL | UNORDERED,
            Relation::NeU => LESS | GREATER | UNORDERED,
            Relation::LtU => LESS | UNORDERED,
            Relation::LeU => LESS | EQUAL | UNORDERED,
            Relation::GtU => GREATER | UNORDERED,
            Relation::GeU => GREATER | EQUAL | UNORDERED,
            Relation::Num => LESS | EQUAL | GREATER,
            Relation::Nan => UNORDERED,
        }
    }

    /// Whether it holds for values that compare so.
    #[inline(always)]
    pub const fn holds(self, order: Order) -> bool {
        self.orders() & order != 0
    }
}

/// How two integers compare, both of the host's type that is meant.
#[inline(always)]
pub fn order<T: Ord>(a: T, b: T) -> Order {
    u8::from(a < b) | u8::from(a == b) << 1 | u8::from(a > b) << 2
}

/// How two floats compare.
#[inline(always)]
pub fn order_floats<T: PartialOrd>(a: T, b: T) -> Order {
    let ordered = u8::from(a < b) | u8::from(a == b) << 1 | u8::from(a > b) << 2;
    if ordered == 0 { UNORDERED } else { ordered }
}

/// How two `f32` compare; `.ftz` flushes subnormal operands.
#[inline(always)]
pub fn order_f32(a: u32, b: u32, ftz: bool) -> Order {
    order_floats(super::single::input(a, ftz), super::single::input(b, ftz))
}

/// How two `f64` compare.
#[inline(always)]
pub fn order_f64(a: u64, b: u64) -> Order {
    order_floats(f64::from_bits(a), f64::from_bits(b))
}

/// How two halves compare; `.ftz` flushes subnormal operands.
#[inline(always)]
pub fn order_halves<H: super::half::Half>(a: u16, b: u16, ftz: bool) -> Order {
    let mode = super::Mode { ftz, ..super::Mode::NEAREST };
    order_floats(super::half::input::<H>(a, mode), super::half::input::<H>(b, mode))
}

/// The modifiers of `min` and `max`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Extreme {
    /// `.NaN`: a NaN operand gives NaN; without it, the other operand.
    pub nan: bool,
    /// `.abs`: of magnitudes.
    pub abs: bool,
    /// `.xorsign`: the result has the xor of the operands' signs.
    pub xorsign: bool,
}

/// `min` of floats of a format, as bits; two NaNs give the format's NaN. Flush operands and result for `.ftz`.
#[inline(always)]
pub fn min(a: u64, b: u64, format: Format, how: Extreme) -> u64 {
    extreme(a, b, format, how, false)
}

/// `max` of floats of a format, as bits; two NaNs give the format's NaN. Flush operands and result for `.ftz`.
#[inline(always)]
pub fn max(a: u64, b: u64, format: Format, how: Extreme) -> u64 {
    extreme(a, b, format, how, true)
}

#[inline(always)]
fn extreme(a: u64, b: u64, format: Format, how: Extreme, largest: bool) -> u64 {
    let sign = (a ^ b) & format.sign();
    let (a, b) = if how.abs { (a & !format.sign(), b & !format.sign()) } else { (a, b) };
    let (nan_a, nan_b) = (format.is_nan(a), format.is_nan(b));
    if nan_a && nan_b || how.nan && (nan_a || nan_b) {
        return format.nan();
    }
    let first = nan_b || !nan_a && (rank(a, format) < rank(b, format)) != largest;
    let chosen = if first { a } else { b };
    if how.xorsign { chosen & !format.sign() | sign } else { chosen }
}

/// An integer that orders the floats of a format, -0 below +0.
#[inline(always)]
fn rank(bits: u64, format: Format) -> i64 {
    let magnitude = (bits & (format.sign() - 1)) as i64;
    if bits & format.sign() != 0 { !magnitude } else { magnitude }
}

/// [`min`] of `f32`, with `.ftz`.
#[inline(always)]
pub fn min_f32(a: u32, b: u32, how: Extreme, ftz: bool) -> u32 {
    let (a, b) = flushed(a, b, ftz);
    min(a.into(), b.into(), wide::F32, how) as u32
}

/// [`max`] of `f32`, with `.ftz`.
#[inline(always)]
pub fn max_f32(a: u32, b: u32, how: Extreme, ftz: bool) -> u32 {
    let (a, b) = flushed(a, b, ftz);
    max(a.into(), b.into(), wide::F32, how) as u32
}

#[inline(always)]
fn flushed(a: u32, b: u32, ftz: bool) -> (u32, u32) {
    if ftz { (super::single::flush(a), super::single::flush(b)) } else { (a, b) }
}

/// A property of a float, for `testp`. Zeros are normal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum Property {
    Finite,
    Infinite,
    Number,
    NotANumber,
    Normal,
    Subnormal,
}

/// `testp`: whether a float of a format has a property.
#[inline(always)]
pub fn test(bits: u64, format: Format, property: Property) -> bool {
    let magnitude = bits & (format.sign() - 1);
    let subnormal = magnitude != 0 && magnitude < 1 << format.fraction;
    match property {
        Property::Finite => magnitude < format.infinity(),
        Property::Infinite => magnitude == format.infinity(),
        Property::Number => magnitude <= format.infinity(),
        Property::NotANumber => magnitude > format.infinity(),
        Property::Normal => magnitude < format.infinity() && !subnormal,
        Property::Subnormal => subnormal,
    }
}

/// `copysign`: the sign of `a` on the magnitude of `b`.
#[inline(always)]
pub fn copysign(a: u64, b: u64, format: Format) -> u64 {
    a & format.sign() | b & !format.sign()
}
