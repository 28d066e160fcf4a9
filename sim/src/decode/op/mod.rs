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
//! - Targets are indices into [`Kernel::code`](crate::decode::Kernel::code).
//! - What is only advice to a cache (`.ca`, `.L1::evict_last`, `.L2::128B`, ..) is checked and then dropped.
//!
//! Source: PTX ISA 9, chapter "Instruction Set".

mod arithmetic;
mod operand;
mod warp;

pub use crate::math::bits::Permute;
pub use crate::math::compare::{Property, Relation};
pub use crate::math::convert::Rounding as ConvertRound;
pub use crate::math::{Mode, Round};
pub use arithmetic::{
    CarryOp, Comparison, Conversion, Extreme, Float, FloatOp, Integer, IntegerOp, Logic, SetAs,
};
pub use operand::{Address, Base, Dst, Guard, Order, Pred, Reg32, Reg64, Scope, Src, Src32, Src64, SrcPred};
pub use warp::{AtomicOp, BarrierOp, Multiplier, Multiply, ReduceOp, ShuffleMode, VoteMode};

use crate::syntax::ast::{Space, Special, Type};

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
