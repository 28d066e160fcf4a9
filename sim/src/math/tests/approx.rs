//! Approximations: special values from the ISA's tables, and error bounds over all halves and many `f32`.

use super::super::approx::*;
use super::super::half::{Bf16, F16, Half};
use super::Random;

const INF: f32 = f32::INFINITY;
const NAN: f32 = f32::NAN;

/// A function and its table.
type Table = (&'static str, fn(u32) -> u32, &'static [(f32, f32)]);

const TABLES: [Table; 8] = [
    (
        "ex2",
        |a| ex2(a, false),
        &[(-INF, 0.0), (-0.0, 1.0), (0.0, 1.0), (INF, INF), (NAN, NAN), (200.0, INF), (-200.0, 0.0)],
    ),
    (
        "lg2",
        |a| lg2(a, false),
        &[(-INF, NAN), (-1.0, NAN), (-0.0, -INF), (0.0, -INF), (INF, INF), (NAN, NAN), (1.0, 0.0)],
    ),
    ("rcp", |a| rcp(a, false), &[(-INF, -0.0), (-0.0, -INF), (0.0, INF), (INF, 0.0), (NAN, NAN)]),
    (
        "sqrt",
        |a| sqrt(a, false),
        &[(-INF, NAN), (-1.0, NAN), (-0.0, -0.0), (0.0, 0.0), (INF, INF), (NAN, NAN)],
    ),
    (
        "rsqrt",
        |a| rsqrt(a, false),
        &[(-INF, NAN), (-1.0, NAN), (-0.0, -INF), (0.0, INF), (INF, 0.0), (NAN, NAN)],
    ),
    ("sin", |a| sin(a, false), &[(-INF, NAN), (-0.0, -0.0), (0.0, 0.0), (INF, NAN), (NAN, NAN)]),
    ("cos", |a| cos(a, false), &[(-INF, NAN), (-0.0, 1.0), (0.0, 1.0), (INF, NAN), (NAN, NAN)]),
    (
        "tanh",
        tanh,
        &[(-INF, -1.0), (-0.0, -0.0), (0.0, 0.0), (INF, 1.0), (NAN, NAN), (1e-42, 1e-42), (50.0, 1.0)],
    ),
];

#[test]
fn special_values() {
    for (name, function, rows) in TABLES {
        for &(x, expected) in rows {
            let expected = if expected.is_nan() { 0x7fff_ffff } else { expected.to_bits() };
            assert_eq!(function(x.to_bits()), expected, "{name} of {x}");
        }
    }
}

#[test]
fn flushed_operands_and_results() {
    let tiny = 1; // 2^-149
    assert_eq!(ex2((-127f32).to_bits(), true), 0);
    assert_eq!(ex2((-127f32).to_bits(), false), 0x0040_0000);
    assert_eq!(ex2((-149f32).to_bits(), false), 1);
    assert_eq!(lg2(tiny, true), (-INF).to_bits());
    assert_eq!(lg2(tiny, false), (-149f32).to_bits());
    assert_eq!(rcp(tiny | 0x8000_0000, true), (-INF).to_bits());
    assert_eq!(rcp(0x7f7f_ffff, true), 0);
    assert_eq!(rcp(0x7f7f_ffff, false), 0x0020_0000);
    assert_eq!(rsqrt(tiny, true), INF.to_bits());
    assert_eq!(sqrt(tiny, true), 0);
    assert_eq!(sin(tiny | 0x8000_0000, true), 0x8000_0000);
    assert_eq!(sin(tiny, false), tiny);
    assert_eq!(div(tiny, single(1.0), true), 0);
    assert_eq!(div_full(single(1.0), tiny, true), INF.to_bits());
}

fn single(x: f32) -> u32 {
    x.to_bits()
}

#[test]
fn errors_stay_inside_the_bounds() {
    let mut random = Random::new();
    // Ours are rounded once: half an ulp and a little, far inside each bound.
    let half_ulp = 2f64.powi(-24) * 1.0001;
    let relative = |got: u32, exact: f64, what: &str, x: f32| {
        let got = f64::from(f32::from_bits(got));
        if (1.2e-38..3.4e38).contains(&exact.abs()) {
            assert!((got - exact).abs() <= exact.abs() * half_ulp, "{what} of {x}: {got}, exactly {exact}");
        }
    };
    for _ in 0..300_000 {
        let exponential = (random.u32() as i32) as f32 * 2f32.powi(-24);
        relative(ex2(single(exponential), false), f64::from(exponential).exp2(), "ex2", exponential);
        let x = f32::from_bits(random.u32() & 0x7fff_ffff);
        if x.is_finite() && x > 0.0 {
            let exact = f64::from(x);
            relative(lg2(single(x), false), exact.log2(), "lg2", x);
            relative(rcp(single(x), false), 1.0 / exact, "rcp", x);
            relative(sqrt(single(x), false), exact.sqrt(), "sqrt", x);
            relative(rsqrt(single(x), false), 1.0 / exact.sqrt(), "rsqrt", x);
            relative(tanh(single(-x)), -exact.tanh(), "tanh", -x);
        }
        let near_one = 1.0 + (random.u32() as i32) as f32 * 2f32.powi(-31 - random.below(24) as i32);
        relative(lg2(single(near_one), false), f64::from(near_one).log2(), "lg2", near_one);
        let moderate = (random.u32() as i32) as f32 * 2f32.powi(-28);
        relative(tanh(single(moderate)), f64::from(moderate).tanh(), "tanh", moderate);
    }
}

#[test]
fn sines_of_a_hundred_turns() {
    let mut random = Random::new();
    for _ in 0..200_000 {
        let turns = if random.below(2) == 0 { 1.0 } else { 50.0 };
        let x = (random.u32() as i32) as f32 * 2f32.powi(-31) * std::f32::consts::TAU * turns;
        let (s, c) = (f32::from_bits(sin(single(x), false)), f32::from_bits(cos(single(x), false)));
        let (exact_s, exact_c) = f64::from(x).sin_cos();
        // The ISA allows 2^-20.5 and 2^-14.7.
        assert!((f64::from(s) - exact_s).abs() < 2f64.powi(-24), "sin {x}");
        assert!((f64::from(c) - exact_c).abs() < 2f64.powi(-24), "cos {x}");
    }
    for x in [1e10, 3e38, -1e20] {
        let (s, c) = (f32::from_bits(sin(single(x), false)), f32::from_bits(cos(single(x), false)));
        assert!((s * s + c * c - 1.0).abs() < 1e-6, "{x} lies on the circle");
    }
}

#[test]
fn quotients() {
    let mut random = Random::new();
    for _ in 0..200_000 {
        let (a, b) = (random.f32(0), random.f32(0));
        let (x, y) = (f32::from_bits(a), f32::from_bits(b));
        let ulps = |got: u32| (x / y).to_bits().abs_diff(got);
        if !(x / y).is_nan() {
            assert!(ulps(div_full(a, b, false)) <= 2, "{x} / {y}");
            if (2f32.powi(-126)..=2f32.powi(126)).contains(&y.abs()) {
                assert!(ulps(div(a, b, false)) <= 2, "{x} / {y}");
            }
        }
    }
    let huge = 2f32.powi(127);
    assert_eq!(div(single(1e30), single(huge), false), 0);
    assert_eq!(div(single(-1e30), single(huge), false), 0x8000_0000);
    assert_eq!(div(single(INF), single(huge), false), 0x7fff_ffff);
    assert_eq!(div(single(INF), single(2.0), false), INF.to_bits());
    assert_eq!(div(single(1.0), single(-0.0), false), (-INF).to_bits());
    assert_eq!(div_full(single(0.0), single(0.0), false), 0x7fff_ffff);
}

fn halves_within<H: Half>(ftz: bool, ex2_bound: f64, tanh_bound: f64) {
    for bits in 0..=u16::MAX {
        let x = f64::from(H::widen(bits));
        let (power, tangent) = (ex2_half::<H>(bits, ftz), tanh_half::<H>(bits));
        if x.is_nan() {
            assert_eq!((power, tangent), (0x7fff, 0x7fff));
            continue;
        }
        let exact = x.exp2();
        let got = f64::from(H::widen(power));
        // Below the least normal number the relative error has no bound; infinity is right above the largest.
        if exact >= 2f64.powi(H::FORMAT.least_exponent()) && got.is_finite() {
            assert!((got - exact).abs() <= exact * ex2_bound, "ex2 of {x}: {got}, exactly {exact}");
        }
        let error = (f64::from(H::widen(tangent)) - x.tanh()).abs();
        assert!(error <= tanh_bound, "tanh of {x}: off by {error}");
    }
}

#[test]
fn all_halves() {
    halves_within::<F16>(false, 2f64.powf(-9.9), 2f64.powf(-10.987));
    halves_within::<Bf16>(true, 2f64.powi(-7), 2f64.powi(-8));
    // The tables of the ISA.
    let f16 = [0xfc00, 0x8000, 0, 0x7c00, 0x7e00].map(|bits| ex2_half::<F16>(bits, false));
    assert_eq!(f16, [0, 0x3c00, 0x3c00, 0x7c00, 0x7fff]);
    let bf16 = [0xff80, 0x8001, 0x8000, 0, 1, 0x7f80, 0x7fc0].map(|bits| ex2_half::<Bf16>(bits, true));
    assert_eq!(bf16, [0, 0x3f80, 0x3f80, 0x3f80, 0x3f80, 0x7f80, 0x7fff]);
    let tanh = [0xfc00, 0x8000, 0, 0x7c00, 0x7e00].map(tanh_half::<F16>);
    assert_eq!(tanh, [0xbc00, 0x8000, 0, 0x3c00, 0x7fff]);
    assert_eq!(ex2_half::<Bf16>(0xc2fe, true), 0, "2^-127 is flushed");
}

#[test]
fn gross_reciprocals_of_f64() {
    let of = |x: f64| rcp_f64(x.to_bits());
    let rows = [
        (f64::NEG_INFINITY, (-0.0f64).to_bits()),
        (-1e-310, f64::NEG_INFINITY.to_bits()),
        (-0.0, f64::NEG_INFINITY.to_bits()),
        (0.0, f64::INFINITY.to_bits()),
        (1e-310, f64::INFINITY.to_bits()),
        (f64::INFINITY, 0),
        (f64::NAN, 0x7fff_ffff_0000_0000),
        (4.0, 0.25f64.to_bits()),
        (1.7e308, 0),
    ];
    for (x, expected) in rows {
        assert_eq!(of(x), expected, "{x}");
    }
    let third = of(3.0);
    assert_eq!(third & 0xffff_ffff, 0);
    assert!((f64::from_bits(third) * 3.0 - 1.0).abs() < 2f64.powi(-19));
    assert_eq!(rsqrt_ftz_f64(4f64.to_bits()), 0.5f64.to_bits());
    assert_eq!(rsqrt_ftz_f64((-0.0f64).to_bits()), f64::NEG_INFINITY.to_bits());
    assert_eq!(rsqrt_ftz_f64((-1.0f64).to_bits()), 0x7fff_ffff_0000_0000);
    assert_eq!(rsqrt_f64(16f64.to_bits()), 0.25f64.to_bits());
    assert_eq!(rsqrt_f64((-0.0f64).to_bits()), f64::NEG_INFINITY.to_bits());
}
