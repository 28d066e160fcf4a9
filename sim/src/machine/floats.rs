//! Floating-point arithmetic of a warp: the lanes of `math`'s functions, side by side.
//!
//! ```text
//! fma.rn.ftz.f32 %f4, %f1, %f2, %f3;      32 times single::fma(a, b, c, mode)
//! add.rn.bf16x2 %r3, %r1, %r2;            32 times pair2(a, b, add::<Bf16>)
//! ```
//!
//! The two modes that nearly all instructions have, none and `.ftz`, are constants inside their loops, so that these
//! become vector code. `fma.rn.f32` is the host's own where it has one, since `math`'s, right on every host, is slow.

use super::registers::{Registers, map1, map2, map3, spare};
use crate::decode::op::{self, Float, FloatOp, Mode, Pred, Reg32, Reg64, Src, Src32, Src64};
use crate::math::half::{self, Bf16, F16, Half, pair1, pair2, pair3};
use crate::math::{approx, compare, double, single, wide};
use crate::memory::Lanes;
use crate::syntax::ast::Type;

const FTZ: Mode = Mode { ftz: true, ..Mode::NEAREST };

/// Arithmetic in the 32-bit bank.
pub(crate) fn float(
    registers: &mut Registers,
    mask: u32,
    (kind, ty, mode): (FloatOp, Float, Mode),
    dst: Reg32,
    (a, b, c): (Src32, Src32, Src32),
) {
    let (mut x, mut y, mut z) = (spare(), spare(), spare());
    let (a, b) = (registers.see(a, &mut x), registers.see(b, &mut y));
    let c = match kind {
        FloatOp::Fma | FloatOp::FmaRelu | FloatOp::Min(_) | FloatOp::Max(_) => registers.see(c, &mut z),
        _ => a,
    };
    let low = |v: u32| v & 0xffff;
    let result = match ty {
        Float::F32 => single(kind, mode, a, b, c),
        Float::F16 => map1(&halves::<F16>(kind, mode, a, b, c), low),
        Float::BF16 => map1(&halves::<Bf16>(kind, mode, a, b, c), low),
        Float::F16x2 => halves::<F16>(kind, mode, a, b, c),
        Float::BF16x2 => halves::<Bf16>(kind, mode, a, b, c),
    };
    registers.set_word(mask, dst, &result);
}

/// A loop for each of the usual modes, and one for all others.
macro_rules! usual_modes {
    ($mode:ident, $loop:expr) => {
        if $mode == Mode::NEAREST {
            $loop(Mode::NEAREST)
        } else if $mode == FTZ {
            $loop(FTZ)
        } else {
            $loop($mode)
        }
    };
}

fn single(kind: FloatOp, mode: Mode, a: &Lanes, b: &Lanes, c: &Lanes) -> Lanes {
    let ftz = mode.ftz;
    let flush = |v: u32| if ftz { single::flush(v) } else { v };
    match kind {
        FloatOp::Add => usual_modes!(mode, |mode| map2(
            a,
            b,
            #[inline(always)]
            |a, b| single::add(a, b, mode)
        )),
        FloatOp::Sub => usual_modes!(mode, |mode| map2(
            a,
            b,
            #[inline(always)]
            |a, b| single::sub(a, b, mode)
        )),
        FloatOp::Mul => usual_modes!(mode, |mode| map2(
            a,
            b,
            #[inline(always)]
            |a, b| single::mul(a, b, mode)
        )),
        FloatOp::Fma | FloatOp::FmaRelu => multiply_add(mode, a, b, c),
        FloatOp::Div => map2(a, b, |a, b| single::div(a, b, mode)),
        FloatOp::DivApprox => map2(a, b, |a, b| approx::div(a, b, ftz)),
        FloatOp::DivFull => map2(a, b, |a, b| approx::div_full(a, b, ftz)),
        FloatOp::Rcp => map1(a, |a| single::rcp(a, mode)),
        FloatOp::RcpApprox => map1(a, |a| approx::rcp(a, ftz)),
        FloatOp::Sqrt => map1(a, |a| single::sqrt(a, mode)),
        FloatOp::SqrtApprox => map1(a, |a| approx::sqrt(a, ftz)),
        FloatOp::RsqrtApprox => map1(a, |a| approx::rsqrt(a, ftz)),
        FloatOp::SinApprox => map1(a, |a| approx::sin(a, ftz)),
        FloatOp::CosApprox => map1(a, |a| approx::cos(a, ftz)),
        FloatOp::Lg2Approx => map1(a, |a| approx::lg2(a, ftz)),
        FloatOp::Ex2Approx => map1(a, |a| approx::ex2(a, ftz)),
        FloatOp::TanhApprox => map1(a, approx::tanh),
        FloatOp::Abs => map1(a, |a| flush(a & 0x7fff_ffff)),
        FloatOp::Neg => map1(a, |a| flush(a ^ 0x8000_0000)),
        FloatOp::Min(how) => extreme(how, a, b, c, |a, b| compare::min_f32(a, b, modifiers(how), ftz)),
        FloatOp::Max(how) => extreme(how, a, b, c, |a, b| compare::max_f32(a, b, modifiers(how), ftz)),
        FloatOp::Copysign => map2(a, b, |a, b| compare::copysign(a.into(), b.into(), wide::F32) as u32),
    }
}

/// `fma`: by the host's instruction where it rounds to nearest and there is one.
fn multiply_add(mode: Mode, a: &Lanes, b: &Lanes, c: &Lanes) -> Lanes {
    #[cfg(target_arch = "x86_64")]
    if (mode == Mode::NEAREST || mode == FTZ)
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
    {
        // SAFETY: the function needs AVX2 and FMA, and the processor has just been asked for both.
        return unsafe { fused(mode.ftz, a, b, c) };
    }
    usual_modes!(mode, |mode| map3(
        a,
        b,
        c,
        #[inline(always)]
        |a, b, c| single::fma(a, b, c, mode)
    ))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn fused(ftz: bool, a: &Lanes, b: &Lanes, c: &Lanes) -> Lanes {
    let mut result = [0; 32];
    if ftz {
        for i in 0..32 {
            let [a, b, c] = [a[i], b[i], c[i]].map(|v| single::input(v, true));
            result[i] = single::output(a.mul_add(b, c).to_bits(), FTZ);
        }
    } else {
        for i in 0..32 {
            let [a, b, c] = [a[i], b[i], c[i]].map(f32::from_bits);
            result[i] = single::output(a.mul_add(b, c).to_bits(), Mode::NEAREST);
        }
    }
    result
}

fn modifiers(how: op::Extreme) -> compare::Extreme {
    compare::Extreme { nan: how.nan, abs: how.xorsign, xorsign: how.xorsign }
}

/// `min` or `max` of two or three.
fn extreme(how: op::Extreme, a: &Lanes, b: &Lanes, c: &Lanes, of_two: impl Fn(u32, u32) -> u32) -> Lanes {
    if how.three { map3(a, b, c, |a, b, c| of_two(of_two(a, b), c)) } else { map2(a, b, of_two) }
}

/// Both halves of a register; of a 16-bit operation the upper one is thrown away.
fn halves<H: Half>(kind: FloatOp, mode: Mode, a: &Lanes, b: &Lanes, c: &Lanes) -> Lanes {
    let ftz = mode.ftz;
    let flush = |v: u16| if ftz { half::flush::<H>(v) } else { v };
    let one = |f: &dyn Fn(u16) -> u16| map1(a, |a| pair1(a, f));
    let of_two = |how: op::Extreme, largest: bool| {
        move |a: u16, b: u16| {
            let (a, b) = (u64::from(flush(a)), u64::from(flush(b)));
            let pick = if largest { compare::max } else { compare::min };
            pick(a, b, H::FORMAT, modifiers(how)) as u16
        }
    };
    match kind {
        FloatOp::Add => map2(a, b, |a, b| pair2(a, b, |a, b| half::add::<H>(a, b, mode))),
        FloatOp::Sub => map2(a, b, |a, b| pair2(a, b, |a, b| half::sub::<H>(a, b, mode))),
        FloatOp::Mul => map2(a, b, |a, b| pair2(a, b, |a, b| half::mul::<H>(a, b, mode))),
        FloatOp::Fma => map3(a, b, c, |a, b, c| pair3(a, b, c, |a, b, c| half::fma::<H>(a, b, c, mode))),
        FloatOp::FmaRelu => {
            map3(a, b, c, |a, b, c| pair3(a, b, c, |a, b, c| half::relu::<H>(half::fma::<H>(a, b, c, mode))))
        }
        FloatOp::Ex2Approx => one(&|a| approx::ex2_half::<H>(a, ftz)),
        FloatOp::TanhApprox => one(&|a| approx::tanh_half::<H>(a)),
        FloatOp::Abs => one(&|a| flush(a & 0x7fff)),
        FloatOp::Neg => one(&|a| flush(a ^ 0x8000)),
        FloatOp::Min(how) => extreme(how, a, b, c, |a, b| pair2(a, b, of_two(how, false))),
        FloatOp::Max(how) => extreme(how, a, b, c, |a, b| pair2(a, b, of_two(how, true))),
        FloatOp::Copysign => {
            map2(a, b, |a, b| pair2(a, b, |a, b| compare::copysign(a.into(), b.into(), H::FORMAT) as u16))
        }
        // PTX has no other operation on halves, and the decoder lets none through.
        _ => *a,
    }
}

/// Arithmetic of f64.
pub(crate) fn float64(
    registers: &mut Registers,
    mask: u32,
    (kind, mode): (FloatOp, Mode),
    dst: Reg64,
    (a, b, c): (Src64, Src64, Src64),
) {
    let (a, b, c) = (registers.long(a), registers.long(b), registers.long(c));
    let (round, sign) = (mode.round, wide::F64.sign());
    let result = match kind {
        FloatOp::Add => map2(&a, &b, |a, b| double::add(a, b, round)),
        FloatOp::Sub => map2(&a, &b, |a, b| double::sub(a, b, round)),
        FloatOp::Mul => map2(&a, &b, |a, b| double::mul(a, b, round)),
        FloatOp::Fma | FloatOp::FmaRelu => map3(&a, &b, &c, |a, b, c| double::fma(a, b, c, round)),
        FloatOp::Div | FloatOp::DivApprox | FloatOp::DivFull => map2(&a, &b, |a, b| double::div(a, b, round)),
        FloatOp::Rcp => map1(&a, |a| double::rcp(a, round)),
        FloatOp::RcpApprox => map1(&a, approx::rcp_f64),
        FloatOp::Sqrt | FloatOp::SqrtApprox => map1(&a, |a| double::sqrt(a, round)),
        FloatOp::RsqrtApprox if mode.ftz => map1(&a, approx::rsqrt_ftz_f64),
        FloatOp::RsqrtApprox => map1(&a, approx::rsqrt_f64),
        FloatOp::Abs => map1(&a, |a| a & !sign),
        FloatOp::Neg => map1(&a, |a| a ^ sign),
        FloatOp::Min(how) => map2(&a, &b, |a, b| compare::min(a, b, wide::F64, modifiers(how))),
        FloatOp::Max(how) => map2(&a, &b, |a, b| compare::max(a, b, wide::F64, modifiers(how))),
        FloatOp::Copysign => map2(&a, &b, |a, b| compare::copysign(a, b, wide::F64)),
        FloatOp::SinApprox
        | FloatOp::CosApprox
        | FloatOp::Lg2Approx
        | FloatOp::Ex2Approx
        | FloatOp::TanhApprox => a,
    };
    registers.set_long(mask, dst, &result);
}

/// `testp`
pub(crate) fn test(
    registers: &mut Registers,
    mask: u32,
    property: op::Property,
    ty: Type,
    dst: Pred,
    a: Src,
) {
    let format = if ty == Type::F64 { wide::F64 } else { wide::F32 };
    let a = registers.any(a);
    let holds = (0..32).fold(0, |set, i| set | u32::from(compare::test(a[i], format, property)) << i);
    registers.set_pred(mask, dst, holds);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The host's fused multiply-add and that of `math` are one function.
    #[test]
    fn multiply_add_is_the_same_by_both_ways() {
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        let mut next = || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let bits = (seed >> 32) as u32;
            // Exponents near each other, so that sums cancel and round; every eighth is any pattern.
            if seed >> 20 & 7 == 0 { bits } else { bits & 0x83ff_ffff | 0x3c00_0000 }
        };
        for _ in 0..10_000 {
            let [a, b, c]: [Lanes; 3] = std::array::from_fn(|_| std::array::from_fn(|_| next()));
            for mode in [Mode::NEAREST, FTZ] {
                assert_eq!(
                    multiply_add(mode, &a, &b, &c),
                    map3(&a, &b, &c, |a, b, c| single::fma(a, b, c, mode)),
                    "{mode:?} {a:x?} {b:x?} {c:x?}"
                );
            }
        }
    }
}
