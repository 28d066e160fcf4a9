//! `f16` and `bf16`: all bit patterns of what takes one, random ones of what takes more.

use super::super::half::{self, Bf16, F16, Half, pair1, pair2, pair3};
use super::super::wide::{self, F32, F64, Format};
use super::super::{Mode, Round};
use super::{Random, exact};

#[test]
fn widening_and_rounding_back_is_the_identity() {
    let check = |bits: u16, value: f32, format: Format, back: u16| {
        if format.is_nan(bits.into()) {
            assert!(value.is_nan(), "{bits:#x}");
            assert_eq!(back, 0x7fff);
        } else {
            let expected = wide::convert(bits.into(), format, F32, Round::Nearest) as u32;
            assert_eq!((value.to_bits(), back), (expected, bits), "{bits:#x}");
        }
    };
    for bits in 0..=u16::MAX {
        let (a, b) = (F16::widen(bits), Bf16::widen(bits));
        check(bits, a, wide::F16, half::narrow::<F16>(a.into()));
        check(bits, b, wide::BF16, half::narrow::<Bf16>(b.into()));
    }
}

#[test]
fn f16_widens_to_the_numbers_of_its_definition() {
    let magnitudes = exact::magnitudes();
    for bits in (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00) {
        let value = f64::from(F16::widen(bits)) * 2f64.powi(24);
        assert_eq!(value, exact::value(bits, &magnitudes) as f64, "{bits:#x}");
        assert_eq!(value.is_sign_negative(), bits & 0x8000 != 0, "{bits:#x}");
    }
    assert_eq!([0x7c00, 0xfc00].map(F16::widen), [f32::INFINITY, f32::NEG_INFINITY]);
}

#[test]
fn rounding_f64_to_short_formats_is_the_wide_rounding() {
    let mut random = Random::new();
    for _ in 0..600_000 {
        let single = random.f32(0);
        // Any, and those of the formats' exponents, with many or few bits of fraction, and ties.
        let bits = match random.below(4) {
            0 => random.f64(0),
            1 => f64::from(f32::from_bits(single)).to_bits(),
            2 => u64::from(1023 - 30 + random.below(60)) << 52 | random.u64() >> 12,
            _ => u64::from(1023 - 30 + random.below(60)) << 52 | u64::from(random.below(1 << 13)) << 39,
        };
        for format in [wide::F16, wide::BF16, wide::TF32, wide::E5M2] {
            let expected = wide::convert(bits, F64, format, Round::Nearest);
            assert_eq!(
                u64::from(half::nearest(f64::from_bits(bits), format)),
                expected,
                "{bits:#x} {format:?}"
            );
        }
        for round in [Round::Zero, Round::Up, Round::NearestAway] {
            let expected = wide::convert(bits, F64, wide::BF16, round) as u16;
            assert_eq!(half::narrow_to::<Bf16>(f64::from_bits(bits), round), expected, "{bits:#x} {round:?}");
        }
    }
}

#[test]
fn f16_fma_rounds_exact_integers_once() {
    let (mut random, magnitudes) = (Random::new(), exact::magnitudes());
    for _ in 0..400_000 {
        let [a, b, c] = [random.u16(), random.u16(), random.u16()];
        if [a, b, c].iter().any(|bits| bits & 0x7c00 == 0x7c00) {
            continue;
        }
        let [x, y, z] = [a, b, c].map(|bits| exact::value(bits, &magnitudes));
        let zero = (a ^ b) & c & 0x8000 != 0;
        let expected = exact::rounded(x * y + (z << 24), 24, zero, &magnitudes, Round::Nearest);
        assert_eq!(half::fma::<F16>(a, b, c, Mode::NEAREST), expected, "{a:#x} * {b:#x} + {c:#x}");
    }
}

fn same_as_wide<H: Half>(random: &mut Random, near_one: u16) {
    let format = H::FORMAT;
    for case in 0..400_000 {
        let [a, b, mut c] = [random.u16(), random.u16(), random.u16()];
        if case % 4 == 0 {
            // Next to the opposite of the product, or far below it: where a sum in f64 would round twice.
            c = half::mul::<H>(a, b, Mode::NEAREST) ^ 0x8000 ^ (case / 4 % 2) as u16;
        } else if case % 4 == 1 {
            c = near_one >> random.below(4) | c & 0x8003;
        }
        let [x, y, z] = [a, b, c].map(u64::from);
        let nearest = Round::Nearest;
        let got = [
            half::add::<H>(a, b, Mode::NEAREST),
            half::sub::<H>(a, b, Mode::NEAREST),
            half::mul::<H>(a, b, Mode::NEAREST),
            half::fma::<H>(a, b, c, Mode::NEAREST),
        ];
        let expected = [
            wide::add(x, y, format, nearest),
            wide::add(x, y ^ 0x8000, format, nearest),
            wide::mul(x, y, format, nearest),
            wide::fma(x, y, z, format, nearest),
        ];
        assert_eq!(got.map(u64::from), expected, "{a:#x} {b:#x} {c:#x} {format:?}");
    }
}

#[test]
fn arithmetic_on_halves_is_the_wide_one() {
    let mut random = Random::new();
    same_as_wide::<F16>(&mut random, 0x3c00);
    same_as_wide::<Bf16>(&mut random, 0x3f80);
}

#[test]
fn fma_where_f64_alone_would_round_twice() {
    // (1 + 2^-7)(1 + 2^-1) = 1.5 + 2^-7 + 2^-8 is a tie of bf16 but for an addend of 2^-100, which f64 loses.
    let (a, b) = (0x3f81, 0x3fc0);
    assert_eq!(half::mul::<Bf16>(a, b, Mode::NEAREST), 0x3fc2);
    let tiny = (127 - 100) << 7;
    assert_eq!(half::fma::<Bf16>(a, b, tiny, Mode::NEAREST), 0x3fc2);
    assert_eq!(half::fma::<Bf16>(a, b, tiny | 0x8000, Mode::NEAREST), 0x3fc1);
}

#[test]
fn clamps_of_halves() {
    let sat = Mode { sat: true, ..Mode::NEAREST };
    for (bits, saturated, rectified) in [
        (0x3c00, 0x3c00, 0x3c00),
        (0x4000, 0x3c00, 0x4000),
        (0xbc00, 0, 0),
        (0x8000, 0, 0),
        (0x7c00, 0x3c00, 0x7c00),
        (0xfc00, 0, 0),
        (0x7e01, 0, 0x7fff),
        (0x0001, 1, 1),
    ] {
        assert_eq!(half::output::<F16>(bits, sat), saturated, "{bits:#x}");
        assert_eq!(half::relu::<F16>(bits), rectified, "{bits:#x}");
    }
    let ftz = Mode { ftz: true, ..Mode::NEAREST };
    assert_eq!(half::mul::<F16>(0x83ff, 0x7000, ftz), 0x8000);
    assert_eq!(half::add::<F16>(0x0400, 0x8001, ftz), 0x0400);
    assert_eq!(half::mul::<F16>(0x0400, 0x3800, ftz), 0);
}

#[test]
fn pairs_are_two_of_one() {
    let (a, b, c) = (0x4000_3c00, 0x3c00_4200, 0xbc00_3800);
    assert_eq!(pair1(a, |x| x ^ 0x8000), 0xc000_bc00);
    // 1 + 3, 2 + 1
    assert_eq!(pair2(a, b, |x, y| half::add::<F16>(x, y, Mode::NEAREST)), 0x4200_4400);
    // 1 * 3 + 0.5, 2 * 1 - 1
    assert_eq!(pair3(a, b, c, |x, y, z| half::fma::<F16>(x, y, z, Mode::NEAREST)), 0x3c00_4300);
}
