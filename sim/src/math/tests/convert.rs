//! Conversions: the ISA's rules as tables, the host's own casts, and search through all numbers of the short formats.

use super::super::convert::*;
use super::super::half::{Bf16, F16, Half};
use super::super::packed::{self, Byte};
use super::super::wide::{self, F32, F64};
use super::super::{Round, single};
use super::{ROUNDS, Random};
use crate::syntax::ast::Type;

const NEAREST: How = How::NEAREST;

fn float(round: Round) -> How {
    How { round: Rounding::Float(round), ..How::default() }
}

fn integer(round: Round) -> How {
    How { round: Rounding::Integer(round), ..How::default() }
}

fn convert(a: u64, from: Type, to: Type, how: How) -> u64 {
    cvt(a, from, to, how).expect("a supported conversion")
}

fn of_f32(x: f32, to: Type, how: How) -> u64 {
    convert(x.to_bits().into(), Type::F32, to, how)
}

#[test]
fn floats_to_integers_round_clamp_and_lose_nan() {
    // rni, rzi, rmi, rpi
    let rows = [
        (2.5f32, [2, 2, 2, 3]),
        (3.5, [4, 3, 3, 4]),
        (-2.5, [-2, -2, -3, -2]),
        (-0.3, [0, 0, -1, 0]),
        (0.5, [0, 0, 0, 1]),
        (8_388_609.0, [8_388_609; 4]),
        (3e9, [i32::MAX; 4]),
        (-3e9, [i32::MIN; 4]),
        (f32::INFINITY, [i32::MAX; 4]),
        (f32::NAN, [0; 4]),
    ];
    for (x, expected) in rows {
        for (round, expected) in ROUNDS.into_iter().zip(expected) {
            assert_eq!(of_f32(x, Type::S32, integer(round)) as u32 as i32, expected, "{x} {round:?}");
        }
    }
    assert_eq!(of_f32(-1.0, Type::U32, integer(Round::Zero)), 0);
    assert_eq!(of_f32(300.0, Type::U8, integer(Round::Zero)), 255);
    assert_eq!(of_f32(-300.0, Type::S8, integer(Round::Zero)), 0x80);
    assert_eq!(of_f32(-2.0, Type::S16, integer(Round::Zero)), 0xfffe);
    assert_eq!(of_f32(1e20, Type::U64, integer(Round::Zero)), u64::MAX);
    assert_eq!(of_f32(1e-45, Type::S32, How { ftz: true, ..integer(Round::Up) }), 0);
    assert_eq!(of_f32(1e-45, Type::S32, integer(Round::Up)), 1);
}

#[test]
fn nan_to_integers() {
    // Zero unless a 64-bit type takes part; then the top bit.
    let rzi = integer(Round::Zero);
    for (to, bits) in [(Type::U16, 16), (Type::S32, 32), (Type::U64, 64), (Type::S64, 64)] {
        let top = 1 << (bits - 1);
        assert_eq!(of_f32(f32::NAN, to, rzi), if bits == 64 { top } else { 0 }, "{to}");
        assert_eq!(convert(0x7e00, Type::F16, to, rzi), if bits == 64 { top } else { 0 }, "{to}");
        assert_eq!(convert(f64::NAN.to_bits(), Type::F64, to, rzi), top, "{to}");
    }
}

#[test]
fn floats_to_integers_are_the_hosts_casts() {
    let mut random = Random::new();
    for _ in 0..200_000 {
        let near = u64::from(1023 + random.below(70)) << 52;
        let a = random.f64(near);
        let x = f64::from_bits(a);
        if x.is_nan() {
            continue;
        }
        let rzi = integer(Round::Zero);
        assert_eq!(convert(a, Type::F64, Type::S64, rzi), x as i64 as u64, "{x}");
        assert_eq!(convert(a, Type::F64, Type::U64, rzi), x as u64, "{x}");
        assert_eq!(convert(a, Type::F64, Type::U32, rzi), u64::from(x as u32), "{x}");
        assert_eq!(convert(a, Type::F64, Type::S16, rzi), u64::from(x as i16 as u16), "{x}");
        assert_eq!(
            convert(a, Type::F64, Type::S8, integer(Round::Down)),
            u64::from(x.floor() as i8 as u8),
            "{x}"
        );
        assert_eq!(convert(a, Type::F64, Type::S64, integer(Round::Up)), x.ceil() as i64 as u64, "{x}");
    }
}

#[test]
fn integers_to_floats_are_the_hosts_casts() {
    let mut random = Random::new();
    for _ in 0..200_000 {
        let a = random.u64() >> random.below(64);
        let (s, i) = (a as i64, a as i32);
        assert_eq!(convert(a, Type::U64, Type::F32, NEAREST), u64::from((a as f32).to_bits()), "{a}");
        assert_eq!(convert(a, Type::S64, Type::F32, NEAREST), u64::from((s as f32).to_bits()), "{s}");
        assert_eq!(convert(a, Type::S64, Type::F64, NEAREST), (s as f64).to_bits(), "{s}");
        assert_eq!(convert(a, Type::U64, Type::F64, NEAREST), (a as f64).to_bits(), "{a}");
        assert_eq!(convert(a, Type::S32, Type::F32, NEAREST), u64::from((i as f32).to_bits()), "{i}");
        assert_eq!(
            convert(a, Type::U16, Type::F32, NEAREST),
            u64::from(f32::from(a as u16).to_bits()),
            "{a}"
        );
        // Directed modes enclose the number, and are neighbours where it is none.
        let [_, zero, down, up] =
            ROUNDS.map(|round| f32::from_bits(convert(a, Type::S64, Type::F32, float(round)) as u32));
        let (low, high) = (f64::from(down) as i128, f64::from(up) as i128);
        assert!(low <= s.into() && i128::from(s) <= high, "{s}: {down} {up}");
        assert!(if low == high { low == s.into() } else { down.next_up() == up }, "{s}: {down} {up}");
        assert_eq!(zero, if s < 0 { up } else { down }, "{s}");
    }
}

#[test]
fn wide_integers_to_bf16_are_rounded_once() {
    // 2^60 + 2^52 is a tie of bf16; one more is not, and f64 would lose it.
    let tie = (1u64 << 60) + (1 << 52);
    assert_eq!(convert(tie, Type::U64, Type::BF16, NEAREST), 0x5d80);
    assert_eq!(convert(tie + 1, Type::U64, Type::BF16, NEAREST), 0x5d81);
    assert_eq!(convert(tie + 1, Type::U64, Type::BF16, float(Round::Zero)), 0x5d80);
    assert_eq!(convert(70_000, Type::U32, Type::F16, NEAREST), 0x7c00);
    assert_eq!(convert(70_000, Type::U32, Type::F16, float(Round::Zero)), 0x7bff);
    assert_eq!(convert(0xffff_fffe, Type::S32, Type::F16, NEAREST), 0xc000);
}

#[test]
fn integers_to_integers() {
    let sat = How { sat: true, ..How::default() };
    let plain = How::default();
    for (a, from, to, how, expected) in [
        (0xff, Type::S8, Type::S32, plain, 0xffff_ffff),
        (0xff, Type::U8, Type::S32, plain, 0xff),
        (0xffff_ffff, Type::S32, Type::U64, plain, u64::MAX),
        (0xffff_ffff, Type::U32, Type::S64, plain, 0xffff_ffff),
        (0x1234_5678_9abc_def0, Type::U64, Type::U16, plain, 0xdef0),
        (0xdead_0000_0080, Type::U8, Type::S16, plain, 0x80),
        (300, Type::S32, Type::U8, sat, 255),
        (0xffff_ff00, Type::S32, Type::U8, sat, 0),
        (0xffff_ff00, Type::S32, Type::S8, sat, 0x80),
        (0xffff_ff00, Type::U32, Type::S8, sat, 0x7f),
        (u64::MAX, Type::U64, Type::S64, sat, i64::MAX as u64),
        (u64::MAX, Type::S64, Type::U64, sat, 0),
    ] {
        assert_eq!(convert(a, from, to, how), expected, "{a:#x} {from} to {to}");
    }
}

#[test]
fn floats_to_floats() {
    let mut random = Random::new();
    for _ in 0..200_000 {
        let single = random.f32(0);
        let double = random.f64(f64::from(f32::from_bits(single)).to_bits());
        for round in ROUNDS {
            let how = float(round);
            let expected = wide::convert(double, F64, F32, round);
            assert_eq!(convert(double, Type::F64, Type::F32, how), expected, "{double:#x} {round:?}");
            for (to, format) in [(Type::F16, wide::F16), (Type::BF16, wide::BF16)] {
                let expected = wide::convert(single.into(), F32, format, round);
                assert_eq!(
                    convert(single.into(), Type::F32, to, how),
                    expected,
                    "{single:#x} {to} {round:?}"
                );
            }
        }
        let x = f32::from_bits(single);
        if !x.is_nan() {
            let wide = convert(single.into(), Type::F32, Type::F64, How::default());
            assert_eq!(wide, f64::from(x).to_bits());
            let whole = [x.round_ties_even(), x.trunc(), x.floor(), x.ceil()].map(f32::to_bits);
            let got = ROUNDS.map(|round| convert(single.into(), Type::F32, Type::F32, integer(round)) as u32);
            assert_eq!(got, whole, "{x}");
        }
    }
}

#[test]
fn flags_of_floats() {
    let sat = How { sat: true, ..How::default() };
    let ftz = How { ftz: true, ..How::default() };
    let relu = How { relu: true, ..NEAREST };
    let finite = How { satfinite: true, ..NEAREST };
    assert_eq!(of_f32(7.0, Type::F32, sat), single::ONE.into());
    assert_eq!(of_f32(-7.0, Type::F32, sat), 0);
    assert_eq!(of_f32(f32::NAN, Type::F32, sat), 0);
    assert_eq!(of_f32(1e-40, Type::F32, ftz), 0);
    assert_eq!(of_f32(-1e-40, Type::F64, ftz), 1 << 63);
    assert_eq!(convert(1e-40f64.to_bits(), Type::F64, Type::F32, How { ftz: true, ..NEAREST }), 0);
    assert_eq!(of_f32(-3.0, Type::F16, relu), 0);
    assert_eq!(of_f32(f32::NAN, Type::BF16, relu), 0x7fff);
    assert_eq!(of_f32(1e6, Type::F16, NEAREST), 0x7c00);
    assert_eq!(of_f32(1e6, Type::F16, finite), 0x7bff);
    assert_eq!(of_f32(f32::NEG_INFINITY, Type::BF16, finite), 0xff7f);
    assert_eq!(of_f32(f32::NAN, Type::F16, finite), 0x7fff);
    // Not flushed without .ftz, and f16 subnormals never are.
    assert_eq!(of_f32(1e-7, Type::F16, How { ftz: true, ..NEAREST }), 2);
    assert_eq!(cvt(0, Type::Pred, Type::F32, NEAREST), None);
}

#[test]
fn tf32_keeps_ten_bits() {
    let one = single::ONE;
    // A tie, just above it, and between.
    for (bits, nearest, away, zero) in [
        (one | 0x1000, one, one | 0x2000, one),
        (one | 0x1001, one | 0x2000, one | 0x2000, one),
        (one | 0x3000, one | 0x4000, one | 0x4000, one | 0x2000),
        (one | 0x0fff, one, one, one),
        (0x7f7f_ffff, 0x7f80_0000, 0x7f80_0000, 0x7f7f_e000),
        (0x8000_1000, 0x8000_0000, 0x8000_2000, 0x8000_0000),
    ] {
        let got = [Round::Nearest, Round::NearestAway, Round::Zero].map(|round| tf32(bits, float(round)));
        assert_eq!(got, [nearest, away, zero], "{bits:#x}");
    }
    assert_eq!(tf32(0x7f7f_ffff, How { satfinite: true, ..NEAREST }), 0x7f7f_e000);
    assert_eq!(tf32(0xbf80_0000, How { relu: true, ..NEAREST }), 0);
    assert_eq!(of_f32(1.5, Type::TF32, NEAREST), 0x3fc0_0000);
}

#[test]
fn the_first_source_of_a_pair_goes_to_the_upper_half() {
    let [one, two] = [1f32.to_bits(), 2f32.to_bits()];
    assert_eq!(packed::halves(one, two, Type::BF16, NEAREST), 0x3f80_4000);
    assert_eq!(packed::halves(one, two, Type::F16, NEAREST), 0x3c00_4000);
    assert_eq!(packed::bytes(1.0, 2.0, Byte::E4m3, false), 0x3840);
    assert_eq!(packed::bytes(1.0, -2.0, Byte::E5m2, false), 0x3cc0);
    assert_eq!(packed::bytes(1.0, -2.0, Byte::E5m2, true), 0x3c00);
    assert_eq!(packed::bytes_of_halves::<F16>(0x3c00_4000, Byte::E4m3, false), 0x3840);
    assert_eq!(packed::bytes_of_halves::<Bf16>(0x3f80_4000, Byte::E4m3, false), 0x3840);
    assert_eq!(packed::halves_of_bytes::<F16>(0x38c0, Byte::E4m3, false), 0x3c00_c000);
    assert_eq!(packed::halves_of_bytes::<F16>(0x38c0, Byte::E4m3, true), 0x3c00_0000);
    assert_eq!(packed::halves_of_bytes::<Bf16>(0x3cc0, Byte::E5m2, false), 0x3f80_c000);
}

/// The definition of the two formats: value of finite bits without a sign.
fn definition(byte: u8, of: Byte) -> Option<f64> {
    let (fraction_bits, bias, last) = match of {
        Byte::E4m3 => (3, 7, 0x7e),
        Byte::E5m2 => (2, 15, 0x7b),
    };
    let (field, fraction) = (i32::from(byte >> fraction_bits), f64::from(byte & ((1 << fraction_bits) - 1)));
    let part = fraction / f64::from(1 << fraction_bits);
    let value = if field == 0 { part * 2f64.powi(1 - bias) } else { (1.0 + part) * 2f64.powi(field - bias) };
    (byte <= last).then_some(value)
}

#[test]
fn all_bytes_mean_what_their_formats_say() {
    for of in [Byte::E4m3, Byte::E5m2] {
        for byte in 0..0x80u8 {
            let (positive, negative) = (packed::widen(byte, of), packed::widen(byte | 0x80, of));
            match definition(byte, of) {
                Some(value) => assert_eq!(
                    (f64::from(positive), f64::from(negative)),
                    (value, -value),
                    "{byte:#x} {of:?}"
                ),
                None if of == Byte::E5m2 && byte == 0x7c => assert_eq!(positive, f32::INFINITY),
                None => assert!(positive.is_nan() && negative.is_nan(), "{byte:#x} {of:?}"),
            }
        }
    }
    assert_eq!((definition(0x7e, Byte::E4m3), definition(0x7b, Byte::E5m2)), (Some(448.0), Some(57344.0)));
}

#[test]
fn all_halves_become_the_nearest_byte() {
    for of in [Byte::E4m3, Byte::E5m2] {
        let values: Vec<f64> = (0..0x80).map_while(|byte| definition(byte, of)).collect();
        for bits in 0..=u16::MAX {
            let x = f64::from(F16::widen(bits));
            let got = packed::narrow(x, of, false);
            if x.is_nan() {
                assert_eq!(got, 0x7f);
                continue;
            }
            let distance = |byte: usize| (values[byte] - x.abs()).abs();
            // The nearest, and of two the even one.
            let best = (0..values.len())
                .min_by(|&a, &b| distance(a).total_cmp(&distance(b)).then((a % 2).cmp(&(b % 2))));
            let saturated = if x.abs() > values[values.len() - 1] { Some(values.len() - 1) } else { best };
            let sign = if x.is_sign_negative() { 0x80 } else { 0 };
            assert_eq!(Some(usize::from(got ^ sign)), saturated, "{x} {of:?}");
        }
    }
}
