//! What arithmetic does: kinds of float and integer operations and their types, comparisons, conversions.
//!
//! ```text
//! mad.hi.sat.s32                               IntegerOp::MadHiSat under Integer { bits: 32, signed: true }
//! min.NaN.f16x2                                FloatOp::Min(Extreme { nan: true, .. }) under Float::F16x2
//! setp.geu.or.ftz.f32 %p1, %f1, %f2, !%p2      Comparison { ftz: true, combine: (Or, !p2), .. }
//! cvt.rzi.s32.f32                              Conversion { to: S32, from: F32, .. }
//! ```
//!
//! Source: PTX ISA, sections from "Integer Arithmetic Instructions" to "Logic and Shift Instructions", and "cvt".

use super::{ConvertRound, Permute, Relation, Src, SrcPred};
use crate::syntax::ast::Type;

/// The type of a float operation of the 32-bit bank.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum Float {
    F32,
    F16,
    F16x2,
    BF16,
    BF16x2,
}

/// What a float operation does, other than its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are PTX's own; `Approx` is .approx, `Full` is div.full")]
pub enum FloatOp {
    Add,
    Sub,
    Mul,
    Fma,
    /// `fma.relu` of halves: a negative result becomes +0, a NaN the canonical one.
    FmaRelu,
    Div,
    DivApprox,
    DivFull,
    Rcp,
    /// `rcp.approx` of f32; `rcp.approx.ftz.f64` of f64.
    RcpApprox,
    Sqrt,
    SqrtApprox,
    /// `rsqrt.approx` of f32; `rsqrt.approx(.ftz).f64` of f64.
    RsqrtApprox,
    SinApprox,
    CosApprox,
    Lg2Approx,
    Ex2Approx,
    TanhApprox,
    Abs,
    Neg,
    /// The smaller of two, or (`three`) of three.
    Min(Extreme),
    /// The larger of two, or (`three`) of three.
    Max(Extreme),
    /// The sign of `a` on the magnitude of `b`.
    Copysign,
}

/// The modifiers of `min` and `max` of floats.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Extreme {
    /// `.NaN`: a NaN operand gives the canonical NaN; else the other operand is the result.
    pub nan: bool,
    /// `.xorsign.abs`: of magnitudes, with the xor of the operands' signs.
    pub xorsign: bool,
    /// Of three operands.
    pub three: bool,
}

/// The type of an integer operation of the 32-bit bank.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Integer {
    /// 16 or 32.
    pub bits: u8,
    /// Whether it is `.s16`, `.s32`.
    pub signed: bool,
}

/// An integer operation on one to three operands of equal width (what differs stands beside it); the type says whether it
/// is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IntegerOp {
    /// `a + b`
    Add,
    /// `a + b`, clamped to the type (s32).
    AddSat,
    /// `a - b`
    Sub,
    /// `a - b`, clamped to the type (s32).
    SubSat,
    /// The low half of `a * b`.
    MulLo,
    /// The high half of `a * b`.
    MulHi,
    /// `a * b` of 16 bits as 32 bits.
    MulWide,
    /// The low half of `a * b`, plus `c`.
    MadLo,
    /// The high half of `a * b`, plus `c`.
    MadHi,
    /// The high half of `a * b`, plus `c`, clamped to the type (s32).
    MadHiSat,
    /// `a * b` of 16 bits plus `c` of 32 bits, as 32 bits.
    MadWide,
    /// Bits 0..32 of the product of 24-bit numbers.
    Mul24Lo,
    /// Bits 16..48 of the product of 24-bit numbers.
    Mul24Hi,
    /// `Mul24Lo`, plus `c`.
    Mad24Lo,
    /// `Mul24Hi`, plus `c`.
    Mad24Hi,
    /// `Mul24Hi`, plus `c`, clamped to the type (s32).
    Mad24HiSat,
    /// `c + |a - b|`
    Sad,
    /// `a / b`
    Div,
    /// `a % b`
    Rem,
    /// `|a|`
    Abs,
    /// `-a`
    Neg,
    /// The smaller.
    Min,
    /// The larger.
    Max,
    /// The smaller, but not below 0 (s32).
    MinRelu,
    /// The larger, but not below 0 (s32).
    MaxRelu,
    /// Bits set in `a`. In 64 bits the result is 32 bits: see [`Op::Count64`](super::Op::Count64).
    Popc,
    /// Leading zeros of `a`.
    Clz,
    /// The position of the most significant bit that differs from the sign; all ones where there is none.
    Bfind,
    /// The left shift that brings that bit to the top; all ones where there is none.
    BfindShift,
    /// Bits in reverse.
    Brev,
    /// `c` bits of `a` from bit `b` on, extended by their sign where signed.
    Bfe,
    /// `a` extended from its low `b` bits; a width above 32 counts as 32.
    SzextClamp,
    /// `a` extended from its low `b` bits; only the low 5 bits of the width count.
    SzextWrap,
    /// A mask of `b` bits from bit `a` on; both clamped to 32.
    BmskClamp,
    /// A mask of `b` bits from bit `a` on; only the low 5 bits of each count.
    BmskWrap,
    /// The position of the `c`-th set bit of `a` from bit `b` on.
    Fns,
    /// Dot product of four bytes, plus `c`. Which sides are signed.
    Dp4a {
        /// `a` is of signed bytes.
        a_signed: bool,
        /// `b` is of signed bytes.
        b_signed: bool,
    },
    /// Dot product of two 16-bit numbers of `a` and two bytes of `b`, plus `c`.
    Dp2a {
        /// `a` is of signed numbers.
        a_signed: bool,
        /// `b` is of signed bytes.
        b_signed: bool,
        /// The upper two bytes of `b`, not the lower two.
        high: bool,
    },
    /// `a << b`; `b` is always 32 bits, and above the width gives 0.
    Shl,
    /// `a >> b`, arithmetic where signed; `b` is always 32 bits, and clamped to the width.
    Shr,
    /// The upper 32 bits of `{b, a} << c`; `c` clamped to 32.
    FunnelLeftClamp,
    /// The upper 32 bits of `{b, a} << (c & 31)`.
    FunnelLeftWrap,
    /// The lower 32 bits of `{b, a} >> c`; `c` clamped to 32.
    FunnelRightClamp,
    /// The lower 32 bits of `{b, a} >> (c & 31)`.
    FunnelRightWrap,
    /// `a & b`
    And,
    /// `a | b`
    Or,
    /// `a ^ b`
    Xor,
    /// `!a`
    Not,
    /// 1 where `a` is 0, else 0.
    Cnot,
    /// The Boolean function of three inputs whose table this is: bit `4 a + 2 b + c`.
    Lop3(u8),
    /// Bytes of `{b, a}` chosen by `c`.
    Prmt(Permute),
}

/// An operation of the chain through the carry bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CarryOp {
    /// `a + b (+ carry)`
    Add,
    /// `a - b (- borrow)`
    Sub,
    /// The low half of `a * b`, plus `c (+ carry)`.
    MadLo,
    /// The high half of `a * b`, plus `c (+ carry)`.
    MadHi,
}

/// A Boolean operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "their own names")]
pub enum Logic {
    And,
    Or,
    Xor,
}

/// A comparison of `set` or `setp`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Comparison {
    /// The relation.
    pub relation: Relation,
    /// Of what: 16, 32 and 64-bit integers (`B16` .. as unsigned), F16, F16x2, BF16, BF16x2, F32, F64.
    pub ty: Type,
    /// `.ftz`
    pub ftz: bool,
    /// The sides. In the bank that the type says.
    pub a: Src,
    /// The right-hand side.
    pub b: Src,
    /// The result is combined with this: `result op c`.
    pub combine: Option<(Logic, SrcPred)>,
}

/// What `set` writes for true; false is 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetAs {
    /// All ones in 32 bits; for packed types, in each half.
    Ones32,
    /// All ones in 16 bits.
    Ones16,
    /// 1.0 of f32.
    F32,
    /// 1.0 of f16, in each half for packed types.
    F16,
    /// 1.0 of bf16, in each half for packed types.
    BF16,
}

/// A conversion. Packed destinations take `a` into the upper half and `b` into the lower.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Conversion {
    /// Of the destination; `F16x2`, `BF16x2`, `E4M3x2`, `E5M2x2` and `TF32` too.
    pub to: Type,
    /// Of the source.
    pub from: Type,
    /// How it rounds.
    pub round: ConvertRound,
    /// `.ftz`
    pub ftz: bool,
    /// `.sat`: to 0..=1 for floats, to the type's range for integers.
    pub sat: bool,
    /// `.satfinite`: what overflows becomes the largest finite number.
    pub satfinite: bool,
    /// `.relu`: negative results become 0.
    pub relu: bool,
}
