//! Words for micro-kernels: random, with the numbers among them that arithmetic treats differently.

use chunkwise_cli::check::random::Random;

/// What one word is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Draw {
    /// Any bits.
    Any,
    /// An f32: normal numbers of every size, and zeros, subnormals, infinities and NaNs.
    Float,
    /// An f32 of moderate size.
    Moderate,
    /// An f32 between the two.
    Between(f32, f32),
    /// Two f16 of every kind.
    Halves,
    /// Two bf16 of every kind.
    Brains,
    /// Two f16 of moderate size.
    ModerateHalves,
    /// Two bf16 of moderate size.
    ModerateBrains,
    /// The upper word of an f64 of every kind; the lower one is `Any`.
    Double,
    /// The upper word of a moderate f64.
    ModerateDouble,
    /// A number below this.
    Below(u32),
    /// Few different values, so that lanes have some in common.
    Few,
}

/// Numbers of one size of f32 that are unlike others.
const SPECIAL: [u32; 20] = [
    0,
    0x8000_0000,
    1,
    0x8000_0001,
    0x007f_ffff,
    0x0080_0000,
    0x8080_0000,
    0x3f80_0000,
    0xbf80_0000,
    0x4000_0000,
    0x7f7f_ffff,
    0xff7f_ffff,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0xffc1_2345,
    0x7f80_0001,
    0x3f00_0000,
    0x4b80_0000,
    0x4f00_0000,
];

impl Draw {
    /// One word.
    pub fn word(self, random: &mut Random) -> u32 {
        let bits = random.bits() as u32;
        match self {
            Draw::Any => bits,
            Draw::Float => match random.bits() % 4 {
                0 => SPECIAL[bits as usize % SPECIAL.len()],
                1 => bits,
                _ => (random.normal() as f32 * 4.0).to_bits(),
            },
            Draw::Moderate => (random.normal() as f32).to_bits(),
            Draw::Between(low, high) => (random.uniform(f64::from(low), f64::from(high)) as f32).to_bits(),
            Draw::Halves => pair(random, |r| half(r, Draw::Float)),
            Draw::Brains => pair(random, |r| brain(r, Draw::Float)),
            Draw::ModerateHalves => pair(random, |r| half(r, Draw::Moderate)),
            Draw::ModerateBrains => pair(random, |r| brain(r, Draw::Moderate)),
            Draw::Double => match random.bits() % 4 {
                0 => {
                    [0, 0x8000_0000, 0x3ff0_0000, 0x7fef_ffff, 0x7ff0_0000, 0xfff8_0000, 1][bits as usize % 7]
                }
                1 => bits,
                _ => (random.normal().to_bits() >> 32) as u32,
            },
            Draw::ModerateDouble => (random.normal().to_bits() >> 32) as u32,
            Draw::Below(end) => bits % end.max(1),
            Draw::Few => bits % 5,
        }
    }
}

fn pair(random: &mut Random, mut one: impl FnMut(&mut Random) -> u32) -> u32 {
    one(random) | one(random) << 16
}

/// The upper half of an f32, which is a bf16.
fn brain(random: &mut Random, kind: Draw) -> u32 {
    kind.word(random) >> 16
}

/// f16 bits of about the number that an f32 is; the rest of its patterns at random.
fn half(random: &mut Random, kind: Draw) -> u32 {
    if kind == Draw::Float && random.bits().is_multiple_of(3) {
        return random.bits() as u32 & 0xffff;
    }
    let bits = Draw::Moderate.word(random);
    let exponent = (bits >> 23 & 0xff) as i32 - 127 + 15;
    let magnitude = if exponent <= 0 { 0 } else { (exponent.min(30) as u32) << 10 | bits >> 13 & 0x3ff };
    bits >> 16 & 0x8000 | magnitude
}
