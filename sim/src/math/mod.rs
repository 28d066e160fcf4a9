//! What one lane computes, on bit patterns; and what a warp's tensor core computes.
//!
//! ```text
//! fma.rn.f32 %f3, %f1, %f2, %f3;      single::fma(0x3f800000, 0x40000000, 0x3f800000, Mode::NEAREST) == 0x40400000
//! shr.s32 %r2, %r1, 40;               integer::shr(a as i32, 40) == a as i32 >> 31: amounts are clamped
//! mma.sync..m16n8k16..bf16..          tensor::Mma::new(..)?.run(..) on fragments of 32 lanes
//! ```
//!
//! | module | |
//! |---|---|
//! | [`wide`] | an exact sum, product, quotient or root of any two formats, and its one rounding: slow, and the definition |
//! | [`single`], [`double`] | `f32` and `f64` arithmetic in all rounding modes |
//! | [`half`] | `f16`, `bf16` and their pairs |
//! | [`approx`] | `ex2`, `lg2`, `rcp`, `tanh` and the other approximations |
//! | [`convert`], [`packed`] | `cvt` between all types; pairs and 8-bit floats |
//! | [`compare`] | relations, `min` and `max`, `testp` |
//! | [`integer`], [`bits`] | integer arithmetic with carries and saturation; fields, masks, shifts, `lop3`, `prmt` |
//! | [`exchange`] | which lane a shuffle reads; votes, matches and reductions over lanes |
//! | [`copy`] | the sizes of `cp.async` |
//! | [`tensor`] | which lane holds which element of a matrix; `mma`, `ldmatrix`, `stmatrix`, `movmatrix` |
//!
//! All values are bit patterns: an `f32` is a `u32`, an `f64` a `u64`, a half a `u16`, a pair of halves a `u32` with the
//! first in the low 16 bits. No function panics, whatever the bits. Nothing has state, so that all may run in loops over 32
//! lanes. PTX leaves the bits of most NaNs open; here a NaN result of arithmetic is the one that NVIDIA's hardware
//! writes: `0x7fffffff` for `f32` and `0x7fff` for halves, while `f64` passes the first NaN among its operands on, made
//! quiet. Source: PTX ISA 9.x, chapter "Instruction Set".

pub mod approx;
pub mod bits;
pub mod compare;
pub mod convert;
pub mod copy;
pub mod double;
pub mod exchange;
pub mod half;
pub mod integer;
pub mod packed;
pub mod single;
pub mod tensor;
pub mod wide;

#[cfg(test)]
mod tests;

/// How a result that lies between two neighbours is rounded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Round {
    /// `.rn`: to the nearest; of two equally near, to the even one.
    #[default]
    Nearest,
    /// `.rz`: towards zero.
    Zero,
    /// `.rm`: towards minus infinity.
    Down,
    /// `.rp`: towards plus infinity.
    Up,
    /// `.rna`: to the nearest; of two equally near, to the one farther from zero.
    NearestAway,
}

/// The modifiers of floating-point arithmetic.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Mode {
    /// `.rn`, `.rz`, `.rm`, `.rp`
    pub round: Round,
    /// `.ftz`: subnormal operands and results become zeros of the same sign.
    pub ftz: bool,
    /// `.sat`: the result is clamped to 0..1, and NaN becomes +0.
    pub sat: bool,
}

impl Mode {
    /// `.rn` and nothing else: what an instruction without modifiers does.
    pub const NEAREST: Mode = Mode { round: Round::Nearest, ftz: false, sat: false };

    /// Another rounding alone.
    pub const fn rounding(round: Round) -> Mode {
        Mode { round, ftz: false, sat: false }
    }
}
