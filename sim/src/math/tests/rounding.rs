//! Rounding modes: [`wide`] against exhaustion in `f16`, and `f32` and `f64` against the host's nearest and exact residuals.

use super::super::wide::{self, F16, F32, F64, Format};
use super::super::{Mode, Round, double, single};
use super::exact;
use super::{ROUNDS, Random};

const ALL_ROUNDS: [Round; 5] = [Round::Nearest, Round::Zero, Round::Down, Round::Up, Round::NearestAway];

/// Halves at all edges, and random ones.
fn halves(random: &mut Random, count: usize) -> Vec<u16> {
    let edges =
        [0, 1, 2, 0x3ff, 0x400, 0x401, 0x3bff, 0x3c00, 0x3c01, 0x4000, 0x7bff, 0x7bfe, 0x0555, 0x3555];
    let signed = edges.into_iter().flat_map(|bits: u16| [bits, bits | 0x8000]);
    signed.chain((0..count).map(|_| random.u16()).filter(|bits| bits & 0x7c00 != 0x7c00)).collect()
}

#[test]
fn wide_sums_and_products_of_halves_are_those_of_exact_integers() {
    let (mut random, magnitudes) = (Random::new(), exact::magnitudes());
    let items = halves(&mut random, 150);
    for &a in &items {
        for &b in &items {
            let (x, y) = (exact::value(a, &magnitudes), exact::value(b, &magnitudes));
            let (signs, both) = ((a ^ b) & 0x8000 != 0, a & b & 0x8000 != 0);
            for round in ALL_ROUNDS {
                let got = |f: fn(u64, u64, Format, Round) -> u64| f(a.into(), b.into(), F16, round) as u16;
                // Opposite zeros, or a number and its opposite: +0, but -0 rounding down.
                let zero = both
                    || round == Round::Down && signs
                    || round == Round::Down && x == 0 && y == 0 && (a | b) & 0x8000 != 0;
                let sum = exact::rounded(x + y, 0, zero, &magnitudes, round);
                assert_eq!(got(wide::add), sum, "{a:#x} + {b:#x} {round:?}");
                let product = exact::rounded(x * y, 24, signs, &magnitudes, round);
                assert_eq!(got(wide::mul), product, "{a:#x} * {b:#x} {round:?}");
                if y != 0 {
                    assert_eq!(
                        got(wide::div),
                        exact::quotient(a, b, &magnitudes, round),
                        "{a:#x} / {b:#x} {round:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn wide_fma_of_halves_is_that_of_exact_integers() {
    let (mut random, magnitudes) = (Random::new(), exact::magnitudes());
    let items = halves(&mut random, 40);
    for &a in &items {
        for &b in &items {
            for _ in 0..40 {
                let c = random.pick(&items);
                let [x, y, z] = [a, b, c].map(|bits| exact::value(bits, &magnitudes));
                let (product, addend) = ((a ^ b) & 0x8000, c & 0x8000);
                for round in ALL_ROUNDS {
                    let zero = if product == addend { product != 0 } else { round == Round::Down };
                    let expected = exact::rounded(x * y + (z << 24), 24, zero, &magnitudes, round);
                    let got = wide::fma(a.into(), b.into(), c.into(), F16, round) as u16;
                    assert_eq!(got, expected, "{a:#x} * {b:#x} + {c:#x} {round:?}");
                }
            }
        }
    }
}

#[test]
fn wide_roots_of_all_halves_are_those_of_exact_integers() {
    let magnitudes = exact::magnitudes();
    for a in 1..0x7c00u16 {
        for round in ALL_ROUNDS {
            assert_eq!(
                wide::sqrt(a.into(), F16, round) as u16,
                exact::root(a, &magnitudes, round),
                "{a:#x} {round:?}"
            );
        }
    }
}

/// The neighbour of finite bits towards minus or plus infinity.
fn step(bits: u64, up: bool, format: Format) -> u64 {
    let (sign, magnitude) = (bits & format.sign(), bits & !format.sign());
    match (magnitude, sign != 0) {
        (0, _) => {
            if up {
                1
            } else {
                format.sign() | 1
            }
        }
        (_, negative) => {
            if negative == up {
                bits - 1
            } else {
                bits + 1
            }
        }
    }
}

/// The result of a directed mode from the nearest one and the sign of what it left out: exact minus nearest.
fn directed(nearest: u64, residual: f64, round: Round, format: Format) -> u64 {
    let up = match round {
        Round::Nearest | Round::NearestAway => return nearest,
        Round::Down => false,
        Round::Up => true,
        Round::Zero => nearest & format.sign() != 0,
    };
    if up && residual > 0.0 || !up && residual < 0.0 { step(nearest, up, format) } else { nearest }
}

#[test]
fn f32_arithmetic_is_the_hosts_and_its_directed_modes_follow_from_the_residual() {
    let mut random = Random::new();
    let format = F32;
    for _ in 0..400_000 {
        let a = random.f32(0);
        let b = random.f32(a);
        let (x, y) = (f32::from_bits(a), f32::from_bits(b));
        let (wide_x, wide_y) = (f64::from(x), f64::from(y));
        // In f64 a product of f32 is exact, and so is the residual of a quotient or root of normal size.
        let product = wide_x * wide_y;
        let left_of_quotient = (wide_x - f64::from(x / y) * wide_y) * wide_y.signum();
        let cases = [("mul", x * y, product - f64::from(x * y)), ("div", x / y, left_of_quotient)];
        for (name, nearest, residual) in cases {
            for round in ROUNDS {
                let function = if name == "mul" { single::mul } else { single::div };
                let got = function(a, b, Mode::rounding(round));
                if nearest.is_nan() {
                    assert_eq!(got, single::NAN, "{name} {a:#x} {b:#x}");
                } else if nearest.is_finite() {
                    let expected = directed(nearest.to_bits().into(), residual, round, format) as u32;
                    assert_eq!(got, expected, "{name} {a:#x} {b:#x} {round:?}");
                } else if round == Round::Nearest {
                    assert_eq!(got, nearest.to_bits(), "{name} {a:#x} {b:#x}");
                }
            }
        }
        let root = x.sqrt();
        for round in ROUNDS.into_iter().filter(|_| root > 0.0 && root.is_finite()) {
            let residual = wide_x - f64::from(root) * f64::from(root);
            let expected = directed(root.to_bits().into(), residual, round, format) as u32;
            assert_eq!(single::sqrt(a, Mode::rounding(round)), expected, "sqrt {a:#x} {round:?}");
        }
    }
}

/// `a b + c` of `f32` whose exponents lie close together, as an exact integer of 2^-60.
fn fixed(bits: u32) -> i128 {
    let magnitude = i128::from(bits & 0x7f_ffff | 0x80_0000);
    let exponent = (bits >> 23 & 0xff) as i32 - 150;
    let shifted = magnitude << (exponent + 60);
    if bits >> 31 == 1 { -shifted } else { shifted }
}

#[test]
fn f32_fma_and_add_round_exact_integers_once() {
    let mut random = Random::new();
    for case in 0..300_000 {
        // Exponents from 2^-14 to 2^7, so that a product fits in 128 bits with 2^-120 as its unit.
        let mut draw = || random.u32() & 0x807f_ffff | (113 + random.below(21)) << 23;
        let (a, b, mut c) = (draw(), draw(), draw());
        if case % 3 == 0 {
            // The opposite of the product, or next to it.
            c = (f32::from_bits(a) * f32::from_bits(b)).to_bits() ^ 0x8000_0000 ^ (case / 3 % 2);
        }
        let in_range = |bits: u32| (113..134).contains(&(bits >> 23 & 0xff));
        if !in_range(c) {
            continue;
        }
        let sum = fixed(a) + fixed(b);
        check_fixed(sum, 60, |round| single::add(a, b, Mode::rounding(round)), &format!("{a:#x} + {b:#x}"));
        // fixed(c) in units of 2^-60 has 2^-120 as its unit after 60 more bits: its low 37 bits are zero.
        let exact = (fixed(a) >> 16) * (fixed(b) >> 16) + (fixed(c) << 28);
        let text = format!("{a:#x} * {b:#x} + {c:#x}");
        check_fixed(exact, 88, |round| single::fma(a, b, c, Mode::rounding(round)), &text);
    }
}

/// Checks a result against `exact 2^-unit` in all modes, by comparing integers.
fn check_fixed(exact: i128, unit: u32, result: impl Fn(Round) -> u32, text: &str) {
    if exact == 0 {
        assert_eq!(result(Round::Nearest), 0, "{text}");
        assert_eq!(result(Round::Down), 0x8000_0000, "{text}");
        return;
    }
    let integer = |bits: u32| {
        let value = f64::from(f32::from_bits(bits)) * 2f64.powi(unit as i32);
        assert!(value.abs() < 1e38 && value.fract() == 0.0, "{text}: {bits:#x} is out of this test's range");
        value as i128
    };
    let [nearest, zero, down, up] = ROUNDS.map(|round| integer(result(round)));
    assert!(down <= exact && exact <= up, "{text}");
    assert!(down == up || up_next(down, unit) == up, "{text}: neighbours");
    assert_eq!(down == exact, up == exact, "{text}: exact results do not depend on the mode");
    assert_eq!(zero, if exact > 0 { down } else { up }, "{text}");
    let (below, above) = (exact - down, up - exact);
    if below != above {
        assert_eq!(nearest, if below < above { down } else { up }, "{text}");
    } else {
        assert_eq!(result(Round::Nearest) & u32::from(below != 0), 0, "{text}: a tie goes to the even one");
    }
}

/// The next `f32` upwards, as an integer.
fn up_next(number: i128, unit: u32) -> i128 {
    let bits = ((number as f64) * 2f64.powi(-(unit as i32))) as f32;
    (f64::from(bits.next_up()) * 2f64.powi(unit as i32)) as i128
}

#[test]
fn f64_arithmetic_is_the_hosts_and_its_directed_modes_follow_from_the_residual() {
    let mut random = Random::new();
    let moderate = |bits: u64| (600..1500).contains(&(bits >> 52 & 0x7ff));
    for _ in 0..300_000 {
        let a = random.f64(1 << 62);
        let b = random.f64(a);
        let c = random.f64(a);
        let [x, y, z] = [a, b, c].map(f64::from_bits);
        assert_eq!(wide::add(a, b, F64, Round::Nearest), nan_or(x + y), "{a:#x} + {b:#x}");
        assert_eq!(wide::mul(a, b, F64, Round::Nearest), nan_or(x * y), "{a:#x} * {b:#x}");
        assert_eq!(wide::div(a, b, F64, Round::Nearest), nan_or(x / y), "{a:#x} / {b:#x}");
        assert_eq!(wide::sqrt(a, F64, Round::Nearest), nan_or(x.sqrt()), "sqrt {a:#x}");
        assert_eq!(wide::fma(a, b, c, F64, Round::Nearest), nan_or(x.mul_add(y, z)), "{a:#x} {b:#x} {c:#x}");
        if !moderate(a) || !moderate(b) {
            continue;
        }
        // The host's fused operation gives residuals exactly, as long as nothing underflows.
        let (sum, product, quotient, root) = (x + y, x * y, x / y, x.abs().sqrt());
        let of_y = sum - x;
        let left_of_sum = (x - (sum - of_y)) + (y - of_y);
        let left_of_quotient = (-quotient).mul_add(y, x) * y.signum();
        for round in ROUNDS {
            let check = |got: u64, nearest: f64, residual: f64, name: &str| {
                assert_eq!(
                    got,
                    directed(nearest.to_bits(), residual, round, F64),
                    "{name} {a:#x} {b:#x} {round:?}"
                );
            };
            if sum != 0.0 {
                check(double::add(a, b, round), sum, left_of_sum, "add");
            }
            check(double::mul(a, b, round), product, x.mul_add(y, -product), "mul");
            check(double::div(a, b, round), quotient, left_of_quotient, "div");
            check(double::sqrt(a & !F64.sign(), round), root, (-root).mul_add(root, x.abs()), "sqrt");
        }
    }
}

fn nan_or(x: f64) -> u64 {
    if x.is_nan() { F64.nan() } else { x.to_bits() }
}

#[test]
fn fast_f32_paths_are_the_wide_ones() {
    let mut random = Random::new();
    for _ in 0..500_000 {
        let a = random.f32(0);
        let b = random.f32(a);
        let c = random.f32((f32::from_bits(a) * f32::from_bits(b)).to_bits());
        for round in ROUNDS {
            let mode = Mode::rounding(round);
            let got = [
                single::add(a, b, mode),
                single::sub(a, b, mode),
                single::mul(a, b, mode),
                single::div(a, b, mode),
                single::fma(a, b, c, mode),
            ];
            let [x, y, z] = [a, b, c].map(u64::from);
            let expected = [
                wide::add(x, y, F32, round),
                wide::add(x, y ^ F32.sign(), F32, round),
                wide::mul(x, y, F32, round),
                wide::div(x, y, F32, round),
                wide::fma(x, y, z, F32, round),
            ];
            assert_eq!(got.map(u64::from), expected, "{a:#x} {b:#x} {c:#x} {round:?}");
        }
    }
}

#[test]
fn zeros_infinities_and_nan() {
    let [zero, minus, one, infinity, nan] = [0, 0x8000_0000, single::ONE, 0x7f80_0000, 0x7f80_0001];
    let mode = Mode::NEAREST;
    assert_eq!(single::add(zero, minus, mode), zero);
    assert_eq!(single::add(zero, minus, Mode::rounding(Round::Down)), minus);
    assert_eq!(single::add(infinity, infinity ^ minus, mode), single::NAN);
    assert_eq!(single::mul(infinity, zero, mode), single::NAN);
    assert_eq!(single::fma(nan, one, one, mode), single::NAN);
    assert_eq!(single::fma(infinity, zero, one, mode), single::NAN);
    assert_eq!(single::div(one, minus, mode), infinity | minus);
    assert_eq!(single::rcp(infinity | minus, mode), minus);
    assert_eq!(single::sqrt(minus, mode), minus);
    assert_eq!(single::sqrt(single::ONE | minus, mode), single::NAN);
    // The largest number and its overflow, by mode.
    let largest = 0x7f7f_ffff;
    let twice = ROUNDS.map(|round| single::add(largest, largest, Mode::rounding(round)));
    assert_eq!(twice, [infinity, largest, largest, infinity]);
    // f64 passes the first NaN on, quiet; and makes its own.
    let quiet = 0x7ff8_0000_0000_1234;
    assert_eq!(double::add(0x7ff0_0000_0000_1234, double::ONE, Round::Nearest), quiet);
    assert_eq!(double::fma(double::ONE, double::ONE, quiet, Round::Zero), quiet);
    assert_eq!(double::div(0, 0, Round::Nearest), double::NAN);
    assert_eq!(double::sub(0, quiet, Round::Nearest), quiet);
}

#[test]
fn flushing_and_saturating() {
    let ftz = Mode { ftz: true, ..Mode::NEAREST };
    let sat = Mode { sat: true, ..Mode::NEAREST };
    let (least, subnormal) = (0x0080_0000, 0x0000_0001);
    // Operands: 2^-149 counts as 0. Results: half of the least normal number is subnormal.
    assert_eq!(single::mul(subnormal, 0x7f00_0000, ftz), 0);
    assert_eq!(single::mul(least | 0x8000_0000, 0x3f00_0000, ftz), 0x8000_0000);
    assert_eq!(single::mul(least, 0x3f00_0000, Mode::NEAREST), 0x0040_0000);
    assert_eq!(single::rcp(subnormal, ftz), 0x7f80_0000);
    for (bits, expected) in [
        (0x4000_0000, single::ONE),
        (0xc000_0000, 0),
        (0x3f00_0000, 0x3f00_0000),
        (0x8000_0000, 0),
        (0x7fc0_0000, 0),
        (0x7f80_0000, single::ONE),
        (0xff80_0000, 0),
    ] {
        assert_eq!(single::add(bits, 0x8000_0000, sat), expected, "{bits:#x}");
    }
}
