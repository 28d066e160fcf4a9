//! Results of `f16` arithmetic by exhaustion: the table of all its numbers as exact integers, and the one that the mode
//! asks for found in it. No code of the library, and no floating point.

use super::super::Round;

/// What the numbers of `f16` count: so many 2^-24.
const UNIT: u32 = 24;

/// All magnitudes of `f16` in units of 2^-24, from 0 to 65504; the index is the bits.
pub(super) fn magnitudes() -> Vec<i128> {
    (0..0x7c00u32)
        .map(|bits| {
            let (field, fraction) = (bits >> 10, i128::from(bits & 0x3ff));
            if field == 0 { fraction } else { (fraction + 1024) << (field - 1) }
        })
        .collect()
}

/// The value of finite bits in units of 2^-24.
pub(super) fn value(bits: u16, magnitudes: &[i128]) -> i128 {
    let magnitude = magnitudes[usize::from(bits & 0x7fff)];
    if bits & 0x8000 != 0 { -magnitude } else { magnitude }
}

/// Whether a number lies below, at or above a fraction of integers: `candidate cmp numerator / denominator`, of magnitudes.
struct Target<F: Fn(i128) -> std::cmp::Ordering> {
    /// How a magnitude in units of 2^-24 compares with the exact result.
    compare: F,
    negative: bool,
}

/// The bits that the mode asks for.
fn choose<F: Fn(i128) -> std::cmp::Ordering>(target: &Target<F>, magnitudes: &[i128], round: Round) -> u16 {
    use std::cmp::Ordering::{Equal, Less};
    let sign = if target.negative { 0x8000 } else { 0 };
    // The largest magnitude that is not above the result.
    let below = magnitudes.partition_point(|&m| (target.compare)(m) != std::cmp::Ordering::Greater) - 1;
    if (target.compare)(magnitudes[below]) == Equal {
        return sign | below as u16;
    }
    let above = below + 1;
    let away = match round {
        Round::Zero => false,
        Round::Down => target.negative,
        Round::Up => !target.negative,
        Round::Nearest | Round::NearestAway => {
            // Past the largest number the next one would be 2^16.
            let next = magnitudes.get(above).copied().unwrap_or(1 << (16 + UNIT));
            // Twice the middle, since the middle may lie between units: the comparison is told so by its caller.
            match (target.compare)(-(magnitudes[below] + next)) {
                Less => true,
                Equal => round == Round::NearestAway || below % 2 == 1,
                _ => false,
            }
        }
    };
    sign | if away { above } else { below } as u16
}

/// The rounding of `number 2^-shift` units; `zero_negative` is the sign of an exact zero.
pub(super) fn rounded(
    number: i128,
    shift: u32,
    zero_negative: bool,
    magnitudes: &[i128],
    round: Round,
) -> u16 {
    let magnitude = number.abs();
    // A negative argument is minus twice a middle.
    let compare = |m: i128| {
        if m < 0 { ((-m) << shift).cmp(&(2 * magnitude)) } else { (m << shift).cmp(&magnitude) }
    };
    let negative = if number == 0 { zero_negative } else { number < 0 };
    choose(&Target { compare, negative }, magnitudes, round)
}

/// The rounding of `a / b` for finite bits, `b` not zero.
pub(super) fn quotient(a: u16, b: u16, magnitudes: &[i128], round: Round) -> u16 {
    let (x, y) = (value(a, magnitudes).abs(), value(b, magnitudes).abs());
    // m 2^-24 against x / y: m y against x 2^24.
    let compare = |m: i128| if m < 0 { (-m * y).cmp(&(x << (UNIT + 1))) } else { (m * y).cmp(&(x << UNIT)) };
    choose(&Target { compare, negative: (a ^ b) & 0x8000 != 0 }, magnitudes, round)
}

/// The rounding of the square root of finite bits without a sign.
pub(super) fn root(a: u16, magnitudes: &[i128], round: Round) -> u16 {
    let x = value(a, magnitudes);
    // (m 2^-24)^2 against x 2^-24: m^2 against x 2^24.
    let compare = |m: i128| if m < 0 { (m * m).cmp(&(x << (UNIT + 2))) } else { (m * m).cmp(&(x << UNIT)) };
    choose(&Target { compare, negative: false }, magnitudes, round)
}
