//! What a warp's tensor core computes, on fragments: matrices spread over the registers of 32 lanes.
//!
//! ```text
//! mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32  {d0..d3}, {a0..a3}, {b0, b1}, {c0..c3};
//!
//!     let mma = Mma::new(shape, Element::Bf16, Element::Bf16, Accumulator::F32)?;
//!     mma.run(&[a0, a1, a2, a3], &[b0, b1], &[c0, c1, c2, c3], &mut d);            each a register of 32 lanes
//! ```
//!
//! [`fragment`] says which lane and register hold which element, [`mma`] multiplies.
//! Source: PTX ISA, "Warp Level Matrix Multiply-Accumulate Instructions".

pub mod double;
mod floats;
pub mod fragment;
mod integers;
pub mod matrix;
pub mod mma;

pub use mma::Mma;

/// One 32-bit register of 32 lanes.
pub type Lanes = [u32; 32];

/// The extents of `D = A B + C`: A is `m x k`, B `k x n`, C and D `m x n`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Shape {
    /// Rows of A, C and D: 8 or 16.
    pub m: u8,
    /// Columns of B, C and D: 8.
    pub n: u8,
    /// Columns of A and rows of B.
    pub k: u16,
}

/// What a matrix A or B holds; `f64` has a module of its own, [`double`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Element {
    /// `f16`, two a register.
    F16,
    /// `bf16`, two a register.
    Bf16,
    /// `tf32`, one a register; its low 13 bits are ignored.
    Tf32,
    /// `e4m3`, four a register.
    E4m3,
    /// `e5m2`, four a register.
    E5m2,
    /// `s8`, four a register.
    S8,
    /// `u8`, four a register.
    U8,
    /// `s4`, eight a register.
    S4,
    /// `u4`, eight a register.
    U4,
    /// Single bits, 32 a register, multiplied by `.xor.popc`.
    B1Xor,
    /// Single bits, 32 a register, multiplied by `.and.popc`.
    B1And,
}

/// What a matrix C or D holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Accumulator {
    /// `f32`, one a register.
    F32,
    /// `f16`, two a register.
    F16,
    /// `s32`, one a register; sums wrap around.
    S32,
    /// `s32` with `.satfinite`: the sum is clamped to what 32 bits hold.
    S32Clamped,
}

impl Element {
    /// How many elements share a register.
    pub const fn packed(self) -> u8 {
        match self {
            Element::Tf32 => 1,
            Element::F16 | Element::Bf16 => 2,
            Element::E4m3 | Element::E5m2 | Element::S8 | Element::U8 => 4,
            Element::S4 | Element::U4 => 8,
            Element::B1Xor | Element::B1And => 32,
        }
    }
}

impl Accumulator {
    /// How many elements share a register.
    pub const fn packed(self) -> u8 {
        if matches!(self, Accumulator::F16) { 2 } else { 1 }
    }
}
