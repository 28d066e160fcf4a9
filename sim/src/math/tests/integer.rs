//! Integers and bits against the ISA's pseudo-code, transcribed loop by loop.

use super::super::bits::{self, Excess, Permute, bmsk, prmt, szext};
use super::super::integer::*;
use super::Random;

/// Numbers at the edges of all widths, and random ones.
fn operands(random: &mut Random) -> u64 {
    const EDGES: [u64; 12] =
        [0, 1, 2, 0x7f, 0x80, 0x7fff, 0x8000, 0x7fff_ffff, 0x8000_0000, 1 << 63, u64::MAX, (1 << 63) - 1];
    match random.below(4) {
        0 => random.pick(&EDGES),
        1 => !random.pick(&EDGES),
        2 => random.u64() >> random.below(64),
        _ => random.u64(),
    }
}

/// A shift amount, position or length.
fn amount(random: &mut Random) -> u32 {
    if random.below(8) == 0 { random.u32() } else { random.below(70) }
}

#[test]
fn products_of_32_bits() {
    let mut random = Random::new();
    for _ in 0..200_000 {
        let (a, b, c) = (operands(&mut random) as u32, operands(&mut random) as u32, random.u32());
        let wide = u64::from(a) * u64::from(b);
        let signed = i64::from(a as i32) * i64::from(b as i32);
        assert_eq!((mul_lo(a, b), mul_hi(a, b)), (wide as u32, (wide >> 32) as u32));
        assert_eq!(mul_hi(a as i32, b as i32), (signed >> 32) as i32);
        assert_eq!(mad_lo(a, b, c), (wide as u32).wrapping_add(c));
        assert_eq!(mad_hi(a as i32, b as i32, c as i32), ((signed >> 32) as i32).wrapping_add(c as i32));
        assert_eq!(
            mad_hi_sat(a as i32, b as i32, c as i32),
            ((signed >> 32) as i32).saturating_add(c as i32)
        );
        assert_eq!(mad_wide(a, b, u64::from(c)), wide.wrapping_add(u64::from(c)));
        assert_eq!(mad_wide(a as i32, b as i32, -1i64), signed.wrapping_sub(1));
        // 24 bits, by shifting the upper 8 out.
        let (x, y) = (u64::from(a << 8 >> 8), u64::from(b << 8 >> 8));
        assert_eq!((mul24_lo(a, b), mul24_hi(a, b)), ((x * y) as u32, ((x * y) >> 16) as u32));
        let (x, y) = (i64::from((a as i32) << 8 >> 8), i64::from((b as i32) << 8 >> 8));
        assert_eq!(mul24_lo(a as i32, b as i32), (x * y) as i32);
        assert_eq!(mul24_hi(a as i32, b as i32), ((x * y) >> 16) as i32);
    }
}

#[test]
fn products_of_16_and_64_bits() {
    let mut random = Random::new();
    for _ in 0..100_000 {
        let (a, b) = (operands(&mut random), operands(&mut random));
        assert_eq!(mul_hi(a, b), ((u128::from(a) * u128::from(b)) >> 64) as u64, "{a:#x} {b:#x}");
        let signed = i128::from(a as i64) * i128::from(b as i64);
        assert_eq!(mul_hi(a as i64, b as i64), (signed >> 64) as i64, "{a:#x} {b:#x}");
        let (x, y) = (a as u16, b as u16);
        assert_eq!(mul_hi(x, y), ((u32::from(x) * u32::from(y)) >> 16) as u16);
        assert_eq!(mul_hi(x as i16, y as i16), ((i32::from(x as i16) * i32::from(y as i16)) >> 16) as i16);
        assert_eq!(mad_wide(x, y, 7u32), u32::from(x) * u32::from(y) + 7);
        assert_eq!(mad_wide(x as i16, y as i16, 0i32), i32::from(x as i16) * i32::from(y as i16));
    }
}

#[test]
fn quotients_never_panic() {
    assert_eq!((div(7u32, 0), rem(7u32, 0)), (u32::MAX, u32::MAX));
    assert_eq!((div(7i64, 0), rem(-7i64, 0)), (-1, -1));
    assert_eq!((div(i32::MIN, -1), rem(i32::MIN, -1)), (i32::MIN, 0));
    assert_eq!((div(-7i16, 2), rem(-7i16, 2)), (-3, -1));
    assert_eq!((div(7i32, -2), rem(7i32, -2)), (-3, 1));
}

#[test]
fn small_arithmetic() {
    assert_eq!((abs(i32::MIN), abs(-5i16), abs(5i64)), (i32::MIN, 5, 5));
    assert_eq!(sad(3u32, 10, 5), 12);
    assert_eq!(sad(-3i32, 10, 5), 18);
    assert_eq!(sad(0u32, u32::MAX, 2), 1);
    assert_eq!((add_sat(i32::MAX, 1), add_sat(i32::MIN, -1), add_sat(-3, 4)), (i32::MAX, i32::MIN, 1));
    assert_eq!((sub_sat(i32::MIN, 1), sub_sat(i32::MAX, -1)), (i32::MIN, i32::MAX));
    assert_eq!((relu(-4i32), relu(4i32)), (0, 4));
}

#[test]
fn carries_chain_to_wider_sums() {
    let mut random = Random::new();
    for _ in 0..100_000 {
        let [a, b] = [operands(&mut random), operands(&mut random)];
        let (low, carry) = add_carry(a as u32, b as u32, false);
        let (high, out) = add_carry((a >> 32) as u32, (b >> 32) as u32, carry);
        assert_eq!((u64::from(high) << 32 | u64::from(low), out), a.overflowing_add(b), "{a:#x} + {b:#x}");
        let (low, borrow) = sub_borrow(a as u32, b as u32, false);
        let (high, out) = sub_borrow((a >> 32) as u32, (b >> 32) as u32, borrow);
        assert_eq!((u64::from(high) << 32 | u64::from(low), out), a.overflowing_sub(b), "{a:#x} - {b:#x}");
        let (sum, out) = add_carry(a, b, true);
        let expected = u128::from(a) + u128::from(b) + 1;
        assert_eq!((sum, out), (expected as u64, expected >> 64 == 1));
    }
}

#[test]
fn shifts_clamp_their_amounts() {
    assert_eq!((shl(1u32, 31), shl(1u32, 32), shl(1u32, u32::MAX)), (1 << 31, 0, 0));
    assert_eq!((shl(1u16, 15), shl(1u16, 16), shl(3u64, 63), shl(3u64, 64)), (1 << 15, 0, 1 << 63, 0));
    assert_eq!((shr(u32::MAX, 31), shr(u32::MAX, 32), shr(u32::MAX, 1 << 31)), (1, 0, 0));
    assert_eq!((shr(-8i32, 1), shr(-8i32, 32), shr(i64::MIN, 200), shr(i16::MIN, 15)), (-4, -1, -1, -1));
    assert_eq!((shr(8i64, 64), shr(0x8000u16, 15), shr(u64::MAX, 63)), (0, 1, 1));
}

/// The ISA's loop for `bfind`.
fn bfind_loop(a: u64, msb: u32, signed: bool, shift: bool) -> u32 {
    let a = if signed && a >> msb & 1 == 1 { !a } else { a };
    let found = (0..=msb).rev().find(|i| a >> i & 1 == 1);
    found.map_or(u32::MAX, |d| if shift { msb - d } else { d })
}

/// The ISA's loop for `bfe`.
fn bfe_loop(a: u64, b: u32, c: u32, msb: u32, signed: bool) -> u64 {
    let (pos, len) = (b & 0xff, c & 0xff);
    let sign = if !signed || len == 0 { 0 } else { a >> (pos + len - 1).min(msb) & 1 };
    (0..=msb).fold(0, |d, i| {
        let bit = if i < len && pos + i <= msb { a >> (pos + i) & 1 } else { sign };
        d | bit << i
    })
}

/// The ISA's loop for `bfi`.
fn bfi_loop(a: u64, b: u64, c: u32, d: u32, msb: u32) -> u64 {
    let (pos, len) = (c & 0xff, d & 0xff);
    (0..len).take_while(|i| pos + i <= msb).fold(b, |f, i| f & !(1 << (pos + i)) | (a >> i & 1) << (pos + i))
}

/// The ISA's loop for `fns`.
fn fns_loop(mask: u32, base: u32, offset: i32) -> u32 {
    let set = |pos: i64| mask >> pos & 1 == 1;
    if offset == 0 {
        return if set(base.into()) { base } else { u32::MAX };
    }
    let (mut pos, mut count) = (i64::from(base), i64::from(offset).abs() - 1);
    while (0..32).contains(&pos) {
        if set(pos) {
            if count == 0 {
                return pos as u32;
            }
            count -= 1;
        }
        pos += if offset > 0 { 1 } else { -1 };
    }
    u32::MAX
}

#[test]
fn bit_fields_are_the_isas_loops() {
    let mut random = Random::new();
    for _ in 0..200_000 {
        let (a, b) = (operands(&mut random), operands(&mut random));
        let (pos, len) = (amount(&mut random), amount(&mut random));
        let text = format!("{a:#x} {b:#x} {pos} {len}");
        let short = a as u32;
        assert_eq!(bits::bfind(short), bfind_loop(short.into(), 31, false, false), "{text}");
        assert_eq!(bits::bfind(short as i32), bfind_loop(short.into(), 31, true, false), "{text}");
        assert_eq!(bits::bfind_shift(short as i32), bfind_loop(short.into(), 31, true, true), "{text}");
        assert_eq!(bits::bfind_shift(a), bfind_loop(a, 63, false, true), "{text}");
        assert_eq!(bits::bfind(a as i64), bfind_loop(a, 63, true, false), "{text}");
        assert_eq!(bits::bfe(short.into(), pos, len), bfe_loop(short.into(), pos, len, 31, false), "{text}");
        assert_eq!(bits::bfe(a, pos, len), bfe_loop(a, pos, len, 63, false), "{text}");
        let signed = bits::bfe_signed((short as i32).into(), pos, len) as u32;
        assert_eq!(u64::from(signed), bfe_loop(short.into(), pos, len, 31, true), "{text}");
        assert_eq!(bits::bfe_signed(a as i64, pos, len) as u64, bfe_loop(a, pos, len, 63, true), "{text}");
        let inserted = bits::bfi(short.into(), (b as u32).into(), pos, len) as u32;
        assert_eq!(u64::from(inserted), bfi_loop(short.into(), (b as u32).into(), pos, len, 31), "{text}");
        assert_eq!(bits::bfi(a, b, pos, len), bfi_loop(a, b, pos, len, 63), "{text}");
        let (base, offset) = (pos % 32, len as i32 % 36 - 17);
        assert_eq!(
            bits::fns(short, base, offset),
            fns_loop(short, base, offset),
            "{short:#x} {base} {offset}"
        );
    }
    assert_eq!(bits::fns(u32::MAX, 32, 1), u32::MAX);
    assert_eq!(bits::fns(u32::MAX, 0, i32::MIN), u32::MAX);
}

#[test]
fn examples_of_the_isa_for_fns() {
    let mask = 0xaaaa_aaaa;
    let found = [(3, 1), (3, -1), (2, 1), (2, -1)].map(|(base, offset)| bits::fns(mask, base, offset));
    assert_eq!(found, [3, 3, 3, 1]);
}

/// The ISA's pseudo-code for `szext`.
fn szext_code(a: u32, b: u32, clamp: bool, signed: bool) -> u32 {
    let b1 = b & 0x1f;
    let too_large = b >= 32 && clamp;
    let mask = if too_large { 0 } else { u32::MAX << b1 };
    let sign_pos = b1.wrapping_sub(1) & 0x1f;
    let sign_bit = !(b1 == 0 || too_large || !signed) && a >> sign_pos & 1 == 1;
    a & !mask | if sign_bit { mask } else { 0 }
}

/// The ISA's pseudo-code for `bmsk`.
fn bmsk_code(a: u32, b: u32, clamp: bool) -> u32 {
    let (a1, b1) = (a & 0x1f, b & 0x1f);
    let mask0 = if clamp && a >= 32 { 0 } else { u32::MAX << a1 };
    let sum = a1 + b1;
    let overflow = sum >= 32 || clamp && (a >= 32 || b >= 32);
    let mask1 = if overflow {
        0
    } else if b1 == 0 {
        u32::MAX
    } else {
        u32::MAX << sum
    };
    mask0 & !mask1
}

#[test]
fn extensions_masks_and_funnels_are_the_isas_code() {
    let mut random = Random::new();
    for _ in 0..200_000 {
        let (a, b) = (operands(&mut random) as u32, operands(&mut random) as u32);
        let (x, y) = (amount(&mut random), amount(&mut random));
        for (excess, clamp) in [(Excess::Clamp, true), (Excess::Wrap, false)] {
            assert_eq!(szext(a, x, excess, false), szext_code(a, x, clamp, false), "{a:#x} {x} {excess:?}");
            assert_eq!(szext(a, x, excess, true), szext_code(a, x, clamp, true), "{a:#x} {x} {excess:?}");
            assert_eq!(bmsk(x, y, excess), bmsk_code(x, y, clamp), "{x} {y} {excess:?}");
            let n = if clamp { x.min(32) } else { x & 31 };
            let (shl, shr) =
                (|v: u32, n| v.checked_shl(n).unwrap_or(0), |v: u32, n| v.checked_shr(n).unwrap_or(0));
            let left = shl(b, n) | shr(a, 32 - n);
            let right = shl(b, 32 - n) | shr(a, n);
            assert_eq!(bits::funnel_left(a, b, x, excess), left, "{a:#x} {b:#x} {x} {excess:?}");
            assert_eq!(bits::funnel_right(a, b, x, excess), right, "{a:#x} {b:#x} {x} {excess:?}");
        }
    }
    // The examples that the ISA gives.
    assert_eq!(szext(u32::MAX, 0, Excess::Wrap, false), 0);
    assert_eq!(bmsk(1, 2, Excess::Wrap), 0x6);
}

#[test]
fn three_input_logic_by_its_table() {
    let [ta, tb, tc] = [0xf0u8, 0xcc, 0xaa];
    let mut random = Random::new();
    let (a, b, c) = (random.u32(), random.u32(), random.u32());
    // The ISA's way to a table: the function of three constants.
    assert_eq!(bits::lop3(a, b, c, ta & tb & tc), a & b & c);
    assert_eq!(bits::lop3(a, b, c, ta | tb | tc), a | b | c);
    assert_eq!(bits::lop3(a, b, c, ta & tb & !tc), a & b & !c);
    assert_eq!(bits::lop3(a, b, c, (ta & tb | tc) ^ ta), (a & b | c) ^ a);
    for table in 0..=u8::MAX {
        let expected = (0..32).fold(0, |word, i| {
            let index = (a >> i & 1) << 2 | (b >> i & 1) << 1 | c >> i & 1;
            word | (u32::from(table) >> index & 1) << i
        });
        assert_eq!(bits::lop3(a, b, c, table), expected, "{table:#x}");
    }
}

#[test]
fn byte_permutations_by_the_isas_table() {
    // b is bytes 7..4, a is bytes 3..0; byte i holds i, and byte 5 a sign.
    let (a, b) = (0x0302_0100, 0x0706_8504);
    assert_eq!(prmt(a, b, 0x7542, Permute::Default), 0x0785_0402);
    assert_eq!(prmt(a, b, 0xd5_b3, Permute::Default), 0xff85_0003);
    // The rows of the table: mode, c, bytes 3 to 0.
    const ROWS: [(Permute, u32, u32); 24] = [
        (Permute::F4e, 0, 0x3210),
        (Permute::F4e, 1, 0x4321),
        (Permute::F4e, 2, 0x5432),
        (Permute::F4e, 3, 0x6543),
        (Permute::B4e, 0, 0x5670),
        (Permute::B4e, 1, 0x6701),
        (Permute::B4e, 2, 0x7012),
        (Permute::B4e, 3, 0x0123),
        (Permute::Rc8, 0, 0x0000),
        (Permute::Rc8, 1, 0x1111),
        (Permute::Rc8, 2, 0x2222),
        (Permute::Rc8, 3, 0x3333),
        (Permute::Ecl, 0, 0x3210),
        (Permute::Ecl, 1, 0x3211),
        (Permute::Ecl, 2, 0x3222),
        (Permute::Ecl, 3, 0x3333),
        (Permute::Ecr, 0, 0x0000),
        (Permute::Ecr, 1, 0x1110),
        (Permute::Ecr, 2, 0x2210),
        (Permute::Ecr, 3, 0x3210),
        (Permute::Rc16, 0, 0x1010),
        (Permute::Rc16, 1, 0x3232),
        (Permute::Rc16, 2, 0x1010),
        (Permute::Rc16, 3, 0x3232),
    ];
    let bytes: [u32; 8] = [0, 1, 2, 3, 4, 0x85, 6, 7];
    for (mode, c, numbers) in ROWS {
        let expected = (0..4).fold(0, |word, i| word | bytes[(numbers >> (4 * i) & 7) as usize] << (8 * i));
        assert_eq!(prmt(a, b, c, mode), expected, "{mode:?} {c}");
        assert_eq!(prmt(a, b, c | 0xfc, mode), expected, "only the low two bits of c count");
    }
}

#[test]
fn dot_products_of_bytes() {
    let (a, b) = (0xff02_80fe, 0x0305_7f81);
    // Bytes from the low one: a = fe, 80, 02, ff; b = 81, 7f, 05, 03.
    assert_eq!(dp4a(a, b, 10, false, false), 10 + 254 * 129 + 128 * 127 + 2 * 5 + 255 * 3);
    assert_eq!(dp4a(a, b, 10, true, true) as i32, 10 + 2 * 127 - 128 * 127 + 2 * 5 - 3);
    assert_eq!(dp4a(a, b, 0, true, false) as i32, -2 * 129 - 128 * 127 + 2 * 5 - 3);
    assert_eq!(dp4a(u32::MAX, u32::MAX, u32::MAX, false, false), 4 * 255 * 255 - 1);
    // Halves of a: 80fe, ff02.
    assert_eq!(dp2a(a, b, 1, false, false, false), 1 + 0x80fe * 0x81 + 0xff02 * 0x7f);
    assert_eq!(dp2a(a, b, 1, true, true, true) as i32, 1 - 0x7f02 * 5 - 0xfe * 3);
    assert_eq!(dp2a(a, b, 0, true, true, false) as i32, 0x7f02 * 0x7f - 0xfe * 0x7f);
}
