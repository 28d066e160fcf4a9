//! What an instruction does, typed: every modifier understood, every operand resolved.
//!
//! ```text
//! @%p1 fma.rn.ftz.f32 %f3, %f1, 0f3F800000, %f3;
//!
//! guard  Pred(1)
//! op     Float { kind: Fma, ty: F32, mode: { round: Nearest, ftz: true, sat: false }, dst: Reg32(5), a: Reg(Reg32(3)),
//!                b: Imm(0x3F800000), c: Reg(Reg32(5)) }
//! ```
//!
//! A lane has three banks of registers. The 32-bit bank holds what is declared with 8, 16 or 32 bits; the 64-bit bank what
//! is declared with 64 (and a `.b128` register, as two neighbours, low half first); the predicate bank one bit a lane.
//!
//! Invariants:
//! - A register declared with 8 or 16 bits holds its value zero-extended: whoever writes it clears the upper bits, so whoever
//!   reads it need not. A source of a 16-bit operation may be such a register or an immediate, which is zero-extended too.
//! - Immediates are bit patterns of the operation's type: `1.5` under `.f32` is `0x3FC00000`.
//! - An operand that a kind of operation does not have is `Imm(0)`.
//! - Targets are indices into [`Kernel::code`](super::Kernel::code).
//! - What is only advice to a cache (`.ca`, `.L1::evict_last`, `.L2::128B`, ..) is checked and then dropped.
//!
//! Source: PTX ISA 9, chapter "Instruction Set".

pub use crate::math::bits::Permute;
pub use crate::math::compare::{Property, Relation};
pub use crate::math::convert::Rounding as ConvertRound;
use crate::math::tensor::{Mma, Shape};
pub use crate::math::{Mode, Round};
use crate::syntax::ast::{Space, Special, Type};

/// A register of the 32-bit bank.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Reg32(pub u32);

/// A register of the 64-bit bank.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Reg64(pub u32);

/// A register of the predicate bank: a mask of lanes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Pred(pub u32);

/// A source of up to 32 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "a register or an immediate")]
pub enum Src32 {
    Reg(Reg32),
    Imm(u32),
}

/// A source of 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "a register or an immediate")]
pub enum Src64 {
    Reg(Reg64),
    Imm(u64),
}

/// A predicate as a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SrcPred {
    /// A register, negated or not.
    Reg {
        /// The register.
        pred: Pred,
        /// Whether it is `!p`.
        negated: bool,
    },
    /// All lanes the same.
    Imm(bool),
}

/// A source of any width; how many of its low bits count is the operation's to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Src {
    /// Of the 32-bit bank.
    Reg32(Reg32),
    /// Of the 64-bit bank.
    Reg64(Reg64),
    /// An immediate.
    Imm(u64),
}

/// A destination of any width. A value that is narrower than the destination is extended to it: by its sign where the
/// operation's type is signed, else by zeros; then, in the 32-bit bank, cut to the width declared and extended by zeros.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dst {
    /// `_`: thrown away.
    Sink,
    /// A register declared with 8 bits.
    Reg8(Reg32),
    /// A register declared with 16 bits.
    Reg16(Reg32),
    /// A register declared with 32 bits.
    Reg32(Reg32),
    /// A register declared with 64 bits.
    Reg64(Reg64),
}

/// Lanes for which an instruction does anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guard {
    /// The predicate.
    pub pred: Pred,
    /// Whether it is `@!p`.
    pub negated: bool,
}

/// What an address counts from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Base {
    /// The start of the space: an absolute address, or a variable of shared, local or parameter space, whose place in the
    /// space is in the offset already.
    Zero,
    /// A register of the 32-bit bank, zero-extended.
    Reg32(Reg32),
    /// A register of the 64-bit bank.
    Reg64(Reg64),
    /// A global or constant variable, as an index into [`Module::variables`](crate::syntax::ast::Module::variables); the
    /// launch knows where it lies.
    Module(u32),
}

/// `[base+offset]`, and the space it lies in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    /// The space. `Param` is the kernel's parameters alone: those of device functions lie in `Local`.
    pub space: Space,
    /// What it counts from.
    pub base: Base,
    /// Bytes, added with wrap-around.
    pub offset: i64,
}

/// How far an ordering reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum Scope {
    Cta,
    Cluster,
    Gpu,
    Sys,
}

/// How an access is ordered among others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum Order {
    Weak,
    Volatile,
    Relaxed(Scope),
    Acquire(Scope),
    Release(Scope),
    AcqRel(Scope),
}

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
    /// Bits set in `a`. In 64 bits the result is 32 bits: see [`Op::Count64`].
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

/// An atomic operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum AtomicOp {
    Add,
    Min,
    Max,
    And,
    Or,
    Xor,
    Inc,
    Dec,
    Exchange,
    CompareSwap,
}

/// Which lane a shuffle reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum ShuffleMode {
    Up,
    Down,
    Bfly,
    Idx,
}

/// What a vote asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum VoteMode {
    All,
    Any,
    Uni,
}

/// How `redux.sync` combines (signedness stands beside it).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum ReduceOp {
    Add,
    Min,
    Max,
    And,
    Or,
    Xor,
}

/// A block barrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BarrierOp {
    /// `.sync`: arrive and wait.
    Sync,
    /// `.arrive`: arrive only.
    Arrive,
    /// `.red.popc`: how many threads of the barrier have the predicate.
    Popc(Reg32, SrcPred),
    /// `.red.and`, `.red.or`: whether all, or any, have it.
    Vote(Logic, Pred, SrcPred),
}

/// What a tensor core multiplies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Multiplier {
    /// Anything but f64: all registers are of the 32-bit bank.
    Word(Mma),
    /// f64: all registers are of the 64-bit bank.
    Double,
}

/// `mma.sync`: `D = A B + C` with A in row-major and B in column-major fragments. Registers come in the ISA's order.
#[derive(Clone, PartialEq, Debug)]
pub struct Multiply {
    /// m, n, k.
    pub shape: Shape,
    /// The element types; math executes it.
    pub multiplier: Multiplier,
    /// D: as many as C.
    pub d: Box<[Dst]>,
    /// A.
    pub a: Box<[Src]>,
    /// B.
    pub b: Box<[Src]>,
    /// C.
    pub c: Box<[Src]>,
}

/// An operation.
#[derive(Clone, PartialEq, Debug)]
#[allow(
    missing_docs,
    reason = "operands are named as in the PTX ISA: dst <- a, b, c; what is more is said at the variant"
)]
pub enum Op {
    // Floats.
    /// Float arithmetic in the 32-bit bank. A result of 16 bits is zero-extended.
    Float { kind: FloatOp, ty: Float, mode: Mode, dst: Reg32, a: Src32, b: Src32, c: Src32 },
    /// Float arithmetic of f64.
    Float64 { kind: FloatOp, mode: Mode, dst: Reg64, a: Src64, b: Src64, c: Src64 },
    /// `testp`: `F32` or `F64`.
    Test { property: Property, ty: Type, dst: Pred, a: Src },

    // Integers.
    /// Integer arithmetic in the 32-bit bank. A result of 16 bits is zero-extended (`MulWide` and `MadWide` give 32).
    Integer { kind: IntegerOp, ty: Integer, dst: Reg32, a: Src32, b: Src32, c: Src32 },
    /// Integer arithmetic in the 64-bit bank: never `Shl`, `Shr`, `Bfe`, nor what counts bits (below).
    Integer64 { kind: IntegerOp, signed: bool, dst: Reg64, a: Src64, b: Src64, c: Src64 },
    /// `mul.wide`, `mad.wide` from 32 to 64 bits: `a * b + c`, `c` = 0 for `mul`.
    Wide { signed: bool, dst: Reg64, a: Src32, b: Src32, c: Src64 },
    /// `shl.b64`, `shr.b64`, `shr.u64`, `shr.s64`: kind is `Shl` or `Shr`.
    Shift64 { kind: IntegerOp, signed: bool, dst: Reg64, a: Src64, by: Src32 },
    /// `popc`, `clz`, `bfind` of 64 bits: kind is `Popc`, `Clz`, `Bfind`, `BfindShift`.
    Count64 { kind: IntegerOp, signed: bool, dst: Reg32, a: Src64 },
    /// `bfe` of 64 bits.
    Extract64 { signed: bool, dst: Reg64, a: Src64, start: Src32, length: Src32 },
    /// `bfi.b32`: `b` with `length` bits from `start` on replaced by the low bits of `a`.
    Insert { dst: Reg32, a: Src32, b: Src32, start: Src32, length: Src32 },
    /// `bfi.b64`
    Insert64 { dst: Reg64, a: Src64, b: Src64, start: Src32, length: Src32 },
    /// `lop3.or.b32 d|p, a, b, c, table, q`: `d` as `Lop3`, and `p = (d != 0) logic q`.
    Lop3Test {
        table: u8,
        logic: Logic,
        dst: Option<Reg32>,
        test: Pred,
        a: Src32,
        b: Src32,
        c: Src32,
        q: SrcPred,
    },
    /// Arithmetic that reads or writes the carry bit of the lane.
    Carry {
        kind: CarryOp,
        signed: bool,
        carry_in: bool,
        carry_out: bool,
        dst: Reg32,
        a: Src32,
        b: Src32,
        c: Src32,
    },
    /// The same in 64 bits.
    Carry64 {
        kind: CarryOp,
        signed: bool,
        carry_in: bool,
        carry_out: bool,
        dst: Reg64,
        a: Src64,
        b: Src64,
        c: Src64,
    },

    // Predicates, comparisons, choices.
    /// `and`, `or`, `xor` of predicates.
    PredLogic { logic: Logic, dst: Pred, a: SrcPred, b: SrcPred },
    /// `mov.pred`, `not.pred`.
    PredMove { dst: Pred, a: SrcPred },
    /// `setp`. `also` is `q` of `p|q`: the negated comparison (combined in its turn); for packed types `p` is of the
    /// low half and `q` of the high one.
    Compare { test: Comparison, dst: Option<Pred>, also: Option<Pred> },
    /// `set`. The destination is of the 32-bit bank and written whole.
    Set { test: Comparison, dst: Reg32, value: SetAs },
    /// `selp`: `p ? a : b`.
    Select { dst: Reg32, a: Src32, b: Src32, p: SrcPred },
    /// `selp` of 64 bits.
    Select64 { dst: Reg64, a: Src64, b: Src64, p: SrcPred },
    /// `slct`: `c >= 0 ? a : b`; `c` is s32, or f32 (NaN chooses `b`), of which `ftz` flushes.
    Sign { dst: Dst, a: Src, b: Src, c: Src32, float: bool, ftz: bool },

    // Moves and conversions.
    /// `mov` of up to 32 bits.
    Move { dst: Reg32, a: Src32 },
    /// `mov` of 64 bits.
    Move64 { dst: Reg64, a: Src64 },
    /// `mov` between vectors and wide registers: the parts of `from`, lowest first, `from_bits` each, joined and cut
    /// into parts of `to_bits` each. Also `.b128` registers.
    Repack { to: Box<[Dst]>, to_bits: u8, from: Box<[Src]>, from_bits: u8 },
    /// `mov` of a special register.
    Special { dst: Dst, which: Special },
    /// `mov` of the address of a global or constant variable (index into the module's), plus an offset.
    VariableAddress { dst: Dst, variable: u32, offset: i64 },
    /// `cvt`. `b` is the second source of packed destinations.
    Convert { conversion: Conversion, dst: Dst, a: Src, b: Option<Src> },
    /// `cvta`: an address of a space as a generic one.
    ToGeneric { space: Space, dst: Dst, a: Src },
    /// `cvta.to`: a generic address as one of a space.
    FromGeneric { space: Space, dst: Dst, a: Src },
    /// `isspacep`
    IsSpace { space: Space, dst: Pred, a: Src },

    // Memory.
    /// `ld`, `ldu`: elements of `bytes` (1, 2, 4, 8) one after another. `.b128` is two of 8. The address has to be a multiple
    /// of the whole. `constant`: `.nc` was written, so nobody may write these bytes during the launch.
    Load { order: Order, constant: bool, bytes: u32, signed: bool, dst: Box<[Dst]>, address: Address },
    /// `st`
    Store { order: Order, bytes: u32, values: Box<[Src]>, address: Address },
    /// `atom`, and `red` (without a destination). `ty` is an integer type (`B32`, `B64`, `B16` for exchanges and logic), F32,
    /// F64, F16, F16x2, BF16, BF16x2. `b` is the new value of `cas`, whose `a` is what to compare with.
    Atomic {
        kind: AtomicOp,
        ty: Type,
        order: Order,
        dst: Option<Dst>,
        address: Address,
        a: Src,
        b: Option<Src>,
    },
    /// `discard.L2`: the bytes become what nobody wrote.
    Discard { bytes: u32, address: Address },
    /// `cp.async`: `bytes` to shared memory; of them only `source_bytes` are read, the rest is zero; where `ignore` holds none
    /// is.
    CopyAsync { bytes: u32, to: Address, from: Address, source_bytes: Option<Src32>, ignore: Option<SrcPred> },
    /// `cp.async.commit_group`
    CopyCommit,
    /// `cp.async.wait_group n`: until at most so many groups of this lane are in flight.
    CopyWait { pending: u32 },
    /// `cp.async.wait_all`: commits, and waits for all.
    CopyWaitAll,
    /// `ldmatrix.x1 .x2 .x4`: 8x8 matrices of 16-bit elements from shared memory; lanes 0-7 give the rows of the first, 8-15 of the
    /// second, ..
    MatrixLoad { transposed: bool, dst: Box<[Dst]>, address: Address },
    /// `stmatrix`
    MatrixStore { transposed: bool, values: Box<[Src]>, address: Address },
    /// `movmatrix.trans`
    MatrixTranspose { dst: Reg32, a: Src32 },
    /// `mma.sync`
    MatrixMultiply(Box<Multiply>),

    // Warps and blocks.
    /// `shfl.sync`. `test` says whether the source lane was in range.
    Shuffle {
        mode: ShuffleMode,
        dst: Option<Reg32>,
        test: Option<Pred>,
        a: Src32,
        b: Src32,
        c: Src32,
        members: Src32,
    },
    /// `vote.sync`
    Vote { mode: VoteMode, dst: Pred, a: SrcPred, members: Src32 },
    /// `vote.sync.ballot`
    Ballot { dst: Reg32, a: SrcPred, members: Src32 },
    /// `match.any.sync`: `a` of 32 or (`wide`) 64 bits.
    MatchAny { dst: Reg32, a: Src, wide: bool, members: Src32 },
    /// `match.all.sync`
    MatchAll { dst: Option<Reg32>, test: Option<Pred>, a: Src, wide: bool, members: Src32 },
    /// `redux.sync`
    Reduce { kind: ReduceOp, signed: bool, dst: Reg32, a: Src32, members: Src32 },
    /// `activemask`
    ActiveMask { dst: Reg32 },
    /// `elect.sync`: the leader's lane, and whether this lane is it.
    Elect { dst: Option<Reg32>, test: Pred, members: Src32 },
    /// `bar.sync`, `bar.arrive`, `bar.red`, and `barrier` without `.aligned`, which lanes of a warp may reach apart.
    Barrier { kind: BarrierOp, aligned: bool, number: Src32, threads: Option<Src32> },
    /// `bar.warp.sync`
    WarpBarrier { members: Src32 },
    /// `membar`, `fence`: `sequential` is `fence.sc` (and `membar`).
    Fence { sequential: bool, scope: Scope },

    // Control.
    /// `bra`. `uniform`: `.uni` was written, so all active lanes have to agree.
    Branch { target: u32, uniform: bool },
    /// `brx.idx`
    BranchIndexed { index: Src32, targets: Box<[u32]>, uniform: bool },
    /// `exit`, and `ret` of a kernel.
    Exit,
    /// `trap`, and what a failed `assert` calls.
    Trap,
    /// What changes nothing that a kernel can see: `nop`, `prefetch`, `nanosleep`, `applypriority`, `pmevent`.
    Nop,
}
