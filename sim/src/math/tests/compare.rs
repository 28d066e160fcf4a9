//! Comparisons, extremes and tests, by tables.

use super::super::compare::*;
use super::super::half::{Bf16, F16};
use super::super::wide::{self, F32, F64};
use Relation::*;

const NAN: f32 = f32::NAN;

/// The ISA's two lists: a relation, whether it holds for less, equal, greater, and for NaN.
const TABLE: [(Relation, [bool; 4]); 14] = [
    (Eq, [false, true, false, false]),
    (Ne, [true, false, true, false]),
    (Lt, [true, false, false, false]),
    (Le, [true, true, false, false]),
    (Gt, [false, false, true, false]),
    (Ge, [false, true, true, false]),
    (EqU, [false, true, false, true]),
    (NeU, [true, false, true, true]),
    (LtU, [true, false, false, true]),
    (LeU, [true, true, false, true]),
    (GtU, [false, false, true, true]),
    (GeU, [false, true, true, true]),
    (Num, [true, true, true, false]),
    (Nan, [false, false, false, true]),
];

#[test]
fn relations_of_floats() {
    let cases = [
        (0, [(1.0, 2.0), (-1.0, 0.0), (f32::NEG_INFINITY, f32::MIN), (-1e-45, 0.0)]),
        (1, [(1.0, 1.0), (0.0, -0.0), (f32::INFINITY, f32::INFINITY), (-3.0, -3.0)]),
        (2, [(2.0, 1.0), (0.0, -1e-45), (f32::INFINITY, f32::MAX), (-1.0, -2.0)]),
        (3, [(NAN, 1.0), (1.0, NAN), (NAN, NAN), (f32::INFINITY, NAN)]),
    ];
    for (relation, holds) in TABLE {
        for (index, pairs) in cases {
            for (a, b) in pairs {
                let order = order_f32(a.to_bits(), b.to_bits(), false);
                assert_eq!(relation.holds(order), holds[index], "{a} {relation:?} {b}");
                let order = order_f64(f64::from(a).to_bits(), f64::from(b).to_bits());
                assert_eq!(relation.holds(order), holds[index], "{a} {relation:?} {b}");
            }
        }
    }
}

#[test]
fn relations_of_integers_and_halves() {
    assert!(Lt.holds(order(-1i32, 1)) && Gt.holds(order(u32::MAX, 1)));
    assert!(Le.holds(order(5u64, 5)) && Ne.holds(order(1i16, 2)) && !Num.holds(UNORDERED));
    assert!(Lt.holds(order_halves::<F16>(0x3c00, 0x4000, false)));
    assert!(Nan.holds(order_halves::<F16>(0x7c01, 0x4000, false)));
    // 0x7c01 is a number of bf16.
    assert!(Gt.holds(order_halves::<Bf16>(0x7c01, 0x4000, false)));
}

#[test]
fn flushing_before_comparing() {
    assert!(Eq.holds(order_f32(1, 0x8000_0001, true)) && Gt.holds(order_f32(1, 0x8000_0001, false)));
    assert!(
        Eq.holds(order_halves::<F16>(0x03ff, 0, true)) && Gt.holds(order_halves::<F16>(0x03ff, 0, false))
    );
}

#[test]
fn extremes_by_the_isas_code() {
    let plain = Extreme::default();
    let nan = Extreme { nan: true, ..plain };
    let xorsign = Extreme { abs: true, xorsign: true, ..plain };
    let abs = Extreme { abs: true, ..plain };
    // a, b, min, max, min.NaN, min.xorsign.abs, max.abs
    let rows = [
        (1.0f32, 2.0f32, 1.0f32, 2.0f32, 1.0f32, 1.0f32, 2.0f32),
        (-1.0, 2.0, -1.0, 2.0, -1.0, -1.0, 2.0),
        (-3.0, -2.0, -3.0, -2.0, -3.0, 2.0, 3.0),
        (0.0, -0.0, -0.0, 0.0, -0.0, -0.0, 0.0),
        (-0.0, 0.0, -0.0, 0.0, -0.0, -0.0, 0.0),
        (NAN, 2.0, 2.0, 2.0, NAN, 2.0, 2.0),
        (-2.0, NAN, -2.0, -2.0, NAN, -2.0, 2.0),
        (NAN, NAN, NAN, NAN, NAN, NAN, NAN),
        (f32::NEG_INFINITY, 5.0, f32::NEG_INFINITY, 5.0, f32::NEG_INFINITY, -5.0, f32::INFINITY),
    ];
    for (a, b, least, most, least_nan, least_xorsign, most_abs) in rows {
        let same = |got: u32, expected: f32, what: &str| {
            let expected = if expected.is_nan() { 0x7fff_ffff } else { expected.to_bits() };
            assert_eq!(got, expected, "{what} of {a} and {b}");
        };
        let (x, y) = (a.to_bits(), b.to_bits());
        same(min_f32(x, y, plain, false), least, "min");
        same(max_f32(x, y, plain, false), most, "max");
        same(min_f32(x, y, nan, false), least_nan, "min.NaN");
        same(min_f32(x, y, xorsign, false), least_xorsign, "min.xorsign.abs");
        same(max_f32(x, y, abs, false), most_abs, "max.abs");
    }
    assert_eq!(min_f32(0x8000_0001, 0, plain, true), 0x8000_0000, "flushed");
    assert_eq!(max(0x8001, 0x3c00, wide::F16, plain), 0x3c00);
    assert_eq!(min(0xffc0, 0x3f80, wide::BF16, nan), 0x7fff);
}

#[test]
fn properties() {
    use Property::*;
    let rows = [
        (0x0000_0000, [true, false, true, false, true, false]),
        (0x8000_0001, [true, false, true, false, false, true]),
        (0x3f80_0000, [true, false, true, false, true, false]),
        (0x7f80_0000, [false, true, true, false, false, false]),
        (0xff80_0001, [false, false, false, true, false, false]),
    ];
    for (bits, expected) in rows {
        let got = [Finite, Infinite, Number, NotANumber, Normal, Subnormal]
            .map(|property| test(bits, F32, property));
        assert_eq!(got, expected, "{bits:#x}");
    }
    assert!(test(1, F64, Subnormal) && test(1 << 52, F64, Normal));
    assert_eq!(copysign(0x8000_0000, 0x3f80_0000, F32), 0xbf80_0000);
    assert_eq!(copysign(0, 0xbf80_0000, F32), 0x3f80_0000);
}
