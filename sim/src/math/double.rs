//! `f64` arithmetic: `add`, `sub`, `mul`, `fma`, `div`, `rcp`, `sqrt` in all rounding modes.
//!
//! ```text
//! add.rm.f64     1 + -1     =    -0      (.rn: +0)
//! ```
//!
//! `.rn` is what the host's own `f64` does; the other modes go through [`wide`]. There is no `.ftz` and no `.sat` for `f64`.
//! NaN: the first operand that is one, made quiet; where none is, `0xfff8000000000000`, as NVIDIA's hardware writes.
//! Source: PTX ISA, "Floating Point Instructions".

use super::Round;
use super::wide::{self, F64};

/// What an operation on numbers gives that has no result.
pub const NAN: u64 = 0xfff8_0000_0000_0000;
/// The bits of 1.
pub const ONE: u64 = 0x3ff0_0000_0000_0000;

/// `add.f64`: `a + b`.
#[inline(always)]
pub fn add(a: u64, b: u64, round: Round) -> u64 {
    let sum = match round {
        Round::Nearest => (f64::from_bits(a) + f64::from_bits(b)).to_bits(),
        round => wide::add(a, b, F64, round),
    };
    output(sum, [a, b])
}

/// `sub.f64`: `a - b`.
#[inline(always)]
pub fn sub(a: u64, b: u64, round: Round) -> u64 {
    // A NaN keeps its sign.
    add(a, if F64.is_nan(b) { b } else { b ^ F64.sign() }, round)
}

/// `mul.f64`: `a b`.
#[inline(always)]
pub fn mul(a: u64, b: u64, round: Round) -> u64 {
    let product = match round {
        Round::Nearest => (f64::from_bits(a) * f64::from_bits(b)).to_bits(),
        round => wide::mul(a, b, F64, round),
    };
    output(product, [a, b])
}

/// `fma.f64` and `mad.f64`: `a b + c` in one rounding.
#[inline(always)]
pub fn fma(a: u64, b: u64, c: u64, round: Round) -> u64 {
    let sum = match round {
        Round::Nearest => f64::from_bits(a).mul_add(f64::from_bits(b), f64::from_bits(c)).to_bits(),
        round => wide::fma(a, b, c, F64, round),
    };
    output(sum, [a, b, c])
}

/// `div.f64`: `a / b`. `x / 0` is infinity, `0 / 0` and `inf / inf` are NaN.
#[inline(always)]
pub fn div(a: u64, b: u64, round: Round) -> u64 {
    let quotient = match round {
        Round::Nearest => (f64::from_bits(a) / f64::from_bits(b)).to_bits(),
        round => wide::div(a, b, F64, round),
    };
    output(quotient, [a, b])
}

/// `rcp.f64`: `1 / a`.
#[inline(always)]
pub fn rcp(a: u64, round: Round) -> u64 {
    div(ONE, a, round)
}

/// `sqrt.f64`. Of -0 it is -0; of what is below zero, NaN.
#[inline(always)]
pub fn sqrt(a: u64, round: Round) -> u64 {
    let root = match round {
        Round::Nearest => f64::from_bits(a).sqrt().to_bits(),
        round => wide::sqrt(a, F64, round),
    };
    output(root, [a])
}

/// A result, with its NaN chosen.
#[inline(always)]
fn output<const N: usize>(bits: u64, operands: [u64; N]) -> u64 {
    if !F64.is_nan(bits) {
        return bits;
    }
    for operand in operands {
        if F64.is_nan(operand) {
            return operand | 1 << 51;
        }
    }
    NAN
}
