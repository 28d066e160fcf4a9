//! No function panics, whatever the bits: debug builds check overflow, shifts and indices, and these tests run in one.

use super::super::compare::{self, Extreme, Property};
use super::super::convert::{How, Rounding, cvt};
use super::super::exchange::{self, Reduce, Shuffle};
use super::super::half::{self, Bf16, F16};
use super::super::packed::{self, Byte};
use super::super::tensor::double;
use super::super::tensor::{Mma, Shape};
use super::super::wide::{self, BF16, F32, F64};
use super::super::{Mode, Round, approx, bits, copy, double as f64s, integer, single};
use super::{ROUNDS, Random};
use crate::syntax::ast::Type;

#[test]
fn floats_take_any_bits() {
    let mut random = Random::new();
    for _ in 0..100_000 {
        let (a, b, c) = (random.f32(0), random.u32(), random.f32(7));
        let (x, y, z) = (random.f64(0), random.u64(), random.f64(7));
        let mode = Mode { round: random.pick(&ROUNDS), ftz: a & 1 == 1, sat: b & 1 == 1 };
        for round in [mode.round, Round::NearestAway] {
            let mode = Mode { round, ..mode };
            std::hint::black_box([
                single::add(a, b, mode),
                single::fma(a, b, c, mode),
                single::div(a, b, mode),
            ]);
            std::hint::black_box([single::sqrt(a, mode), single::rcp(c, mode), single::mul(a, c, mode)]);
            std::hint::black_box([f64s::fma(x, y, z, round), f64s::div(x, y, round), f64s::sqrt(z, round)]);
            std::hint::black_box([wide::convert(x, F64, BF16, round), wide::div(x, y, F64, round)]);
        }
        for function in [approx::ex2, approx::lg2, approx::rcp, approx::rsqrt, approx::sin, approx::cos] {
            std::hint::black_box(function(a, mode.ftz));
        }
        std::hint::black_box([approx::tanh(a), approx::div(a, b, mode.ftz)]);
        std::hint::black_box([approx::rcp_f64(x), approx::rsqrt_f64(y), approx::rsqrt_ftz_f64(z)]);
        std::hint::black_box(half::pair3(a, b, c, |a, b, c| half::fma::<F16>(a, b, c, mode)));
        std::hint::black_box(half::pair3(a, b, c, |a, b, c| half::fma::<Bf16>(a, b, c, mode)));
        std::hint::black_box(packed::bytes(f32::from_bits(a), f32::from_bits(b), Byte::E4m3, mode.ftz));
        let how = Extreme { nan: mode.ftz, abs: mode.sat, xorsign: mode.sat };
        std::hint::black_box(compare::min_f32(a, b, how, mode.ftz) ^ compare::max(x, y, F64, how) as u32);
        std::hint::black_box(compare::test(a.into(), F32, Property::Normal));
    }
}

#[test]
fn conversions_take_any_bits() {
    const TYPES: [Type; 14] = [
        Type::U8,
        Type::S8,
        Type::U16,
        Type::S16,
        Type::U32,
        Type::S32,
        Type::U64,
        Type::S64,
        Type::F16,
        Type::BF16,
        Type::F32,
        Type::F64,
        Type::TF32,
        Type::Pred,
    ];
    let mut random = Random::new();
    for _ in 0..400_000 {
        let (from, to) = (random.pick(&TYPES), random.pick(&TYPES));
        let round = random.pick(&[Round::Nearest, Round::Zero, Round::Down, Round::Up, Round::NearestAway]);
        let flags = random.u32();
        let how = How {
            round: random.pick(&[Rounding::None, Rounding::Float(round), Rounding::Integer(round)]),
            ftz: flags & 1 != 0,
            sat: flags & 2 != 0,
            satfinite: flags & 4 != 0,
            relu: flags & 8 != 0,
        };
        let a = random.f64(u64::from(flags) << 40);
        let known = from != Type::Pred
            && to != Type::Pred
            && from != Type::TF32
            && (to != Type::TF32 || from == Type::F32);
        let result = cvt(a, from, to, how);
        assert_eq!(result.is_some(), known, "{from} to {to}");
        let unused = if to.bytes() < 8 { 8 * to.bytes() } else { 0 };
        assert!(
            unused == 0 || result.unwrap_or(0) >> unused == 0,
            "{a:#x} {from} to {to} {how:?}: {result:x?}"
        );
    }
}

#[test]
fn integers_take_any_bits() {
    let mut random = Random::new();
    for _ in 0..200_000 {
        let (x, y, z) = (random.f64(0), random.u64() >> random.below(64), random.u64());
        let (a, b, c) = (x as u32, y as u32, z as u32);
        let (s, t) = (x as i64, y as i64);
        std::hint::black_box([
            integer::mul_hi(x, y),
            integer::div(x, y),
            integer::rem(x, y),
            integer::shl(x, b),
        ]);
        std::hint::black_box([
            integer::mul_hi(s, t),
            integer::div(s, t),
            integer::abs(s),
            integer::shr(s, b),
        ]);
        std::hint::black_box([
            integer::mad_hi_sat(a as i32, b as i32, c as i32),
            integer::mul24_hi(a as i32, b as i32),
        ]);
        std::hint::black_box([integer::sad(s, t, 1), integer::mad_wide(a as i32, b as i32, s)]);
        std::hint::black_box((integer::add_carry(x, y, true), integer::sub_borrow(x, y, true)));
        std::hint::black_box([
            bits::fns(a, b, c as i32),
            bits::bfe(x, b, c) as u32,
            bits::bfi(x, y, b, c) as u32,
        ]);
        std::hint::black_box(bits::bfe_signed(s, b, c));
        std::hint::black_box(copy::split(a, Some(b), c & 1 == 1));
        let modes = [Shuffle::Up, Shuffle::Down, Shuffle::Butterfly, Shuffle::Index];
        assert!(exchange::source(random.pick(&modes), a, b, c).0 < 32);
        std::hint::black_box(exchange::reduce(Reduce::Add, &[a; 32], b));
    }
}

#[test]
fn shapes_that_are_none_do_not_panic() {
    for (m, n, k) in [(0, 0, 0), (16, 8, 0), (255, 255, 65535), (16, 16, 16), (1, 8, 4)] {
        let shape = Shape { m, n, k };
        use super::super::tensor::{Accumulator, Element};
        assert_eq!(Mma::new(shape, Element::Bf16, Element::Bf16, Accumulator::F32), None);
        assert!(!double::is_shape(shape));
    }
}
