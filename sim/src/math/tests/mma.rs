//! Multiplications of fragments against products of whole matrices, written with the formulas that `fragment.rs` checks.

use super::super::half::{self, Bf16, F16, Half};
use super::super::packed::{self, Byte};
use super::super::tensor::fragment::*;
use super::super::tensor::{Accumulator, Element, Lanes, Mma, Shape, double};
use super::super::{Round, single};
use super::Random;

const fn shape(m: u8, n: u8, k: u16) -> Shape {
    Shape { m, n, k }
}

/// Every multiplication that is supported, with what it is made of.
fn all() -> Vec<(Mma, [Element; 2], Accumulator)> {
    use Element as E;
    let elements =
        [E::F16, E::Bf16, E::Tf32, E::E4m3, E::E5m2, E::S8, E::U8, E::S4, E::U4, E::B1Xor, E::B1And];
    let sums = [Accumulator::F32, Accumulator::F16, Accumulator::S32, Accumulator::S32Clamped];
    let mut found = Vec::new();
    for (m, k) in [8, 16].into_iter().flat_map(|m| [4, 8, 16, 32, 64, 128, 256].map(|k| (m, k))) {
        for (a, b) in elements.into_iter().flat_map(|a| elements.map(|b| (a, b))) {
            let made = sums.map(|sum| Mma::new(shape(m, 8, k), a, b, sum).map(|mma| (mma, [a, b], sum)));
            found.extend(made.into_iter().flatten());
        }
    }
    found
}

/// What bits of an element mean.
fn decode(bits: u32, ty: Element) -> f64 {
    match ty {
        Element::F16 => F16::widen(bits as u16).into(),
        Element::Bf16 => Bf16::widen(bits as u16).into(),
        Element::Tf32 => f32::from_bits(bits & !0x1fff).into(),
        Element::E4m3 => packed::widen(bits as u8, Byte::E4m3).into(),
        Element::E5m2 => packed::widen(bits as u8, Byte::E5m2).into(),
        Element::S8 => f64::from(bits as u8 as i8),
        Element::U8 => f64::from(bits as u8),
        Element::S4 => f64::from((bits << 28) as i32 >> 28),
        Element::U4 => f64::from(bits & 0xf),
        Element::B1Xor | Element::B1And => f64::from(bits & 1),
    }
}

/// Random finite bits of an element, of moderate size.
fn draw(random: &mut Random, ty: Element) -> u32 {
    let x = f64::from(random.u32() as i32) * 2f64.powi(-30);
    match ty {
        Element::F16 => half::narrow::<F16>(x).into(),
        Element::Bf16 => half::narrow::<Bf16>(x).into(),
        // Low bits that have to be ignored.
        Element::Tf32 => (x as f32).to_bits(),
        Element::E4m3 => packed::narrow(x, Byte::E4m3, false).into(),
        Element::E5m2 => packed::narrow(x, Byte::E5m2, false).into(),
        _ => random.u32(),
    }
}

/// A fragment of the bits that a function gives for each place, `packed` to a register.
fn pack(registers: usize, packed: u8, mut bits: impl FnMut(Slot) -> u32) -> Vec<Lanes> {
    let width = 32 / u32::from(packed);
    let mask = u32::MAX >> (32 - width);
    (0..registers)
        .map(|register| {
            std::array::from_fn(|lane| {
                (0..packed).fold(0, |word, slot| {
                    let at = Slot { lane: lane as u8, register: register as u8, slot };
                    word | (bits(at) & mask) << (width * u32::from(slot))
                })
            })
        })
        .collect()
}

/// The bits of an element of a fragment.
fn at(fragment: &[Lanes], packed: u8, slot: Slot) -> u32 {
    let width = 32 / u32::from(packed);
    let word = fragment[usize::from(slot.register)][usize::from(slot.lane)];
    word >> (width * u32::from(slot.slot)) & u32::MAX >> (32 - width)
}

/// One random multiplication, compared element by element.
fn check(mma: Mma, [a_ty, b_ty]: [Element; 2], accumulator: Accumulator, random: &mut Random) {
    let (size, [of_a, of_b, of_c]) = (mma.shape(), mma.registers());
    let a = pack(of_a, a_ty.packed(), |_| draw(random, a_ty));
    let b = pack(of_b, b_ty.packed(), |_| draw(random, b_ty));
    let c = pack(of_c, accumulator.packed(), |_| match accumulator {
        Accumulator::F32 => (random.u32() as i32 as f32 * 1e-9).to_bits(),
        Accumulator::F16 => draw(random, Element::F16),
        Accumulator::S32 => random.u32(),
        Accumulator::S32Clamped => random.pick(&[i32::MAX as u32 - 9, i32::MIN as u32 + 9, 0]),
    });
    let mut d = vec![[0xdead_beef; 32]; of_c];
    mma.run(&a, &b, &c, &mut d);
    for row in 0..size.m {
        for column in 0..8 {
            let mut terms = Vec::new();
            for k in 0..size.k {
                let (in_a, in_b) = (Place { row, column: k as u8 }, Place { row: k as u8, column });
                let x = decode(at(&a, a_ty.packed(), slot_a(size, a_ty.packed(), in_a)), a_ty);
                let y = decode(at(&b, b_ty.packed(), slot_b(b_ty.packed(), in_b)), b_ty);
                terms.push(if a_ty == Element::B1Xor { (x + y) % 2.0 } else { x * y });
            }
            let slot = slot_c(accumulator.packed(), Place { row, column });
            let (start, got) = (at(&c, accumulator.packed(), slot), at(&d, accumulator.packed(), slot));
            let text = format!("{mma:?} at ({row}, {column})");
            let sum: f64 = terms.iter().sum();
            match accumulator {
                Accumulator::S32 => assert_eq!(got, start.wrapping_add(sum as i64 as u32), "{text}"),
                Accumulator::S32Clamped => {
                    let exact = i64::from(start as i32) + sum as i64;
                    assert_eq!(
                        i64::from(got as i32),
                        exact.clamp(i32::MIN.into(), i32::MAX.into()),
                        "{text}"
                    );
                }
                Accumulator::F32 => {
                    // The order of terms is ours to choose, so that the sum in f64 may differ in its last bits.
                    let expected = (sum + f64::from(f32::from_bits(start))) as f32;
                    let near = [expected, expected.next_up(), expected.next_down()];
                    assert!(near.contains(&f32::from_bits(got)), "{text}: {got:#x} for {expected}");
                }
                Accumulator::F16 => {
                    let expected = half::narrow::<F16>(sum + f64::from(F16::widen(start as u16)));
                    assert!(u32::from(expected).abs_diff(got) <= 1, "{text}: {got:#x} for {expected:#x}");
                }
            }
        }
    }
}

#[test]
fn every_multiplication_is_a_product_of_matrices() {
    let mut random = Random::new();
    let found = all();
    // f16 2 shapes 2 sums, bf16 2, tf32 2, 8-bit floats 4 pairs 2 shapes 2 sums, s8 u8 4 pairs 3 shapes 2 sums, s4 u4 the same,
    // bits 2 operations 3 shapes.
    assert_eq!(found.len(), 4 + 2 + 2 + 16 + 24 + 24 + 6);
    for (mma, types, accumulator) in found {
        for _ in 0..4 {
            check(mma, types, accumulator, &mut random);
        }
    }
}

#[test]
fn sums_that_are_exact_are_exact() {
    // Whole numbers below 2^24: no order of summation and no rounding may matter.
    let mma = Mma::new(shape(16, 8, 16), Element::Bf16, Element::Bf16, Accumulator::F32).expect("supported");
    let mut random = Random::new();
    let mut whole = || half::narrow::<Bf16>(f64::from(random.below(255)) - 127.0).into();
    let (a, b) = (pack(4, 2, |_| whole()), pack(2, 2, |_| whole()));
    let c = pack(4, 1, |slot| (f32::from(slot.lane) - 7.0).to_bits());
    let mut d = [[0; 32]; 4];
    mma.run(&a, &b, &c, &mut d);
    for row in 0..16 {
        for column in 0..8 {
            let sum: i64 = (0..16)
                .map(|k| {
                    let x =
                        decode(at(&a, 2, slot_a(mma.shape(), 2, Place { row, column: k })), Element::Bf16);
                    let y = decode(at(&b, 2, slot_b(2, Place { row: k, column })), Element::Bf16);
                    (x * y) as i64
                })
                .sum();
            let slot = slot_c(1, Place { row, column });
            let expected = sum as f32 + f32::from(slot.lane) - 7.0;
            assert_eq!(f32::from_bits(at(&d, 1, slot)), expected, "({row}, {column})");
        }
    }
}

#[test]
fn infinities_nan_and_overflow() {
    let mma = Mma::new(shape(16, 8, 8), Element::F16, Element::F16, Accumulator::F32).expect("supported");
    let one = 0x3c00;
    // Row 1 of A has infinity in column 0, row 2 NaN; B is ones, but for a zero at (0, 3).
    let a = pack(2, 2, |slot| match place_a(mma.shape(), 2, slot) {
        Place { row: 1, column: 0 } => 0x7c00,
        Place { row: 2, column: 5 } => 0x7c01,
        _ => one,
    });
    let b = pack(1, 2, |slot| if place_b(2, slot) == (Place { row: 0, column: 3 }) { 0 } else { one });
    let mut d = [[0; 32]; 4];
    mma.run(&a, &b, &[[0; 32]; 4], &mut d);
    let got = |row, column| at(&d, 1, slot_c(1, Place { row, column }));
    assert_eq!((got(0, 0), got(0, 3)), (8f32.to_bits(), 7f32.to_bits()));
    assert_eq!((got(1, 0), got(1, 3)), (f32::INFINITY.to_bits(), single::NAN), "infinity times zero is NaN");
    assert_eq!((got(2, 0), got(2, 7)), (single::NAN, single::NAN));
    assert_eq!(got(10, 3), 7f32.to_bits());
    // f16 sums overflow when they are written.
    let mma = Mma::new(shape(16, 8, 8), Element::F16, Element::F16, Accumulator::F16).expect("supported");
    let mut d = [[0; 32]; 2];
    mma.run(&[[0x7bff_7bff; 32]; 2], &[[0x3c00_3c00; 32]], &[[0; 32]; 2], &mut d);
    assert_eq!(d[0][0], 0x7c00_7c00);
}

#[test]
fn too_few_registers_do_not_panic_in_release() {
    let mma = Mma::new(shape(16, 8, 8), Element::F16, Element::F16, Accumulator::F32).expect("supported");
    let run = std::panic::catch_unwind(|| {
        let mut d = [[7; 32]; 4];
        mma.run(&[[0; 32]; 1], &[[0; 32]; 1], &[[0; 32]; 4], &mut d);
        d
    });
    // With debug assertions it says so; without, nothing is written.
    assert_eq!(run.is_err(), cfg!(debug_assertions));
    assert!(run.map_or(true, |d| d == [[7; 32]; 4]));
}

#[test]
fn what_ptx_does_not_have_is_none() {
    use Accumulator::*;
    for (m, k, a, b, sum) in [
        (16, 16, Element::Bf16, Element::Bf16, F16),
        (16, 16, Element::F16, Element::Bf16, F32),
        (16, 16, Element::Tf32, Element::Tf32, F32),
        (8, 4, Element::F16, Element::F16, F32),
        (16, 32, Element::S8, Element::S4, S32),
        (16, 16, Element::S8, Element::S8, F32),
        (16, 256, Element::B1And, Element::B1And, S32Clamped),
    ] {
        assert_eq!(Mma::new(shape(m, 8, k), a, b, sum), None, "{m} {k} {a:?} {b:?} {sum:?}");
    }
}

#[test]
fn f64_sums_are_chains_of_fma() {
    let mut random = Random::new();
    for (m, k) in [(8, 4), (16, 4), (16, 8), (16, 16)] {
        let size = shape(m, 8, k);
        assert!(double::is_shape(size));
        let [of_a, of_b, of_c] = double::registers_of(size);
        let mut fragment = |count: usize| -> Vec<[u64; 32]> {
            let mut number = || (f64::from(random.u32() as i32) * 2f64.powi(-31)).to_bits();
            (0..count).map(|_| std::array::from_fn(|_| number())).collect()
        };
        let (a, b, c) = (fragment(of_a), fragment(of_b), fragment(of_c));
        let mut d = vec![[0; 32]; of_c];
        let read = |f: &[[u64; 32]], s: Slot| f64::from_bits(f[usize::from(s.register)][usize::from(s.lane)]);
        for round in [Round::Nearest, Round::Up] {
            double::mma(size, &a, &b, &c, &mut d, round);
            for (row, column) in (0..m).flat_map(|row| (0..8).map(move |column| (row, column))) {
                let slot = slot_c(1, Place { row, column });
                let expected = (0..k as u8).fold(read(&c, slot), |sum, k| {
                    let x = read(&a, slot_a(size, 1, Place { row, column: k }));
                    x.mul_add(read(&b, slot_b(1, Place { row: k, column })), sum)
                });
                let got = read(&d, slot);
                match round {
                    Round::Nearest => assert_eq!(got, expected, "{size:?} ({row}, {column})"),
                    _ => assert!(got >= expected && got < expected + 1e-14, "{size:?} ({row}, {column})"),
                }
            }
        }
    }
    assert!(!double::is_shape(shape(8, 8, 8)));
}

/// A multiplication takes a fraction of a microsecond where it is optimised; here only that it is not off by a hundred.
#[test]
fn a_multiplication_is_fast() {
    let mma = Mma::new(shape(16, 8, 16), Element::Bf16, Element::Bf16, Accumulator::F32).expect("supported");
    let (a, b) = ([[0x3f80_3f80; 32]; 4], [[0x3f80_3f80; 32]; 2]);
    let mut d = [[0; 32]; 4];
    let start = std::time::Instant::now();
    for _ in 0..1000 {
        let c = d;
        mma.run(&a, &b, &c, &mut d);
    }
    assert_eq!(d[0][0], 16000f32.to_bits());
    assert!(start.elapsed().as_millis() < 100, "{:?} for 1000", start.elapsed());
}
