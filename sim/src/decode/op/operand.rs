//! Operands of decoded instructions: registers in their banks, sources, destinations, addresses.
//!
//! ```text
//! %r7 -> Reg32(3)      5 -> Src32::Imm(5)      _ -> Dst::Sink      [%rd1+8] -> Address { base: Reg64(Reg64(0)), offset: 8 }
//! ```
//!
//! Source: PTX ISA, chapters "Instruction Operands" and "Memory Consistency Model".

use crate::syntax::ast::Space;

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
