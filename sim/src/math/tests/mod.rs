//! Tests of the lanes' arithmetic, each against something that shares no code with it: exact integers, the host's own
//! instructions, the ISA's pseudo-code and tables written out once more.
//!
//! Random tests draw from a fixed seed, or from `CHUNKWISE_SEED`; it is printed, and shown where a test fails.

mod approx;
mod compare;
mod convert;
mod exact;
mod exchange;
mod fragment;
mod halves;
mod integer;
mod mma;
mod rounding;
mod total;

use super::Round;

/// The four modes of arithmetic.
const ROUNDS: [Round; 4] = [Round::Nearest, Round::Zero, Round::Down, Round::Up];

/// Marsaglia's xorshift with a multiplier, 64 bits.
struct Random(u64);

impl Random {
    /// Seeded, and the seed printed.
    fn new() -> Random {
        let seed = std::env::var("CHUNKWISE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(2026);
        println!("CHUNKWISE_SEED={seed}");
        // The state may not be 0.
        Random(seed ^ 0x9e37_79b9_7f4a_7c15 | 1)
    }

    fn u64(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn u32(&mut self) -> u32 {
        (self.u64() >> 32) as u32
    }

    fn u16(&mut self) -> u16 {
        (self.u64() >> 48) as u16
    }

    /// Below a bound.
    fn below(&mut self, bound: u32) -> u32 {
        self.u32() % bound
    }

    /// One of a few.
    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u32) as usize]
    }

    /// The bits of an `f32`: any, near another's exponent, subnormal, or one of the edges.
    fn f32(&mut self, near: u32) -> u32 {
        const EDGES: [u32; 12] = [
            0,
            1,
            0x007f_ffff,
            0x0080_0000,
            0x0080_0001,
            0x3f7f_ffff,
            0x3f80_0000,
            0x3f80_0001,
            0x7f7f_ffff,
            0x7f80_0000,
            0x7fc0_0000,
            0x7f80_0001,
        ];
        let sign = self.u32() & 0x8000_0000;
        match self.below(8) {
            0 => self.pick(&EDGES) | sign,
            1 => self.u32() & 0x807f_ffff,
            2 => (near & 0x7f80_0000) | self.u32() & 0x807f_ffff,
            3 => (near & 0x7f80_0000) | self.u32() & 0x8000_0003,
            4 => near ^ 0x8000_0000 ^ self.below(4),
            _ => self.u32(),
        }
    }

    /// The bits of an `f64`, likewise.
    fn f64(&mut self, near: u64) -> u64 {
        let sign = self.u64() & 1 << 63;
        match self.below(8) {
            0 => f64::from(f32::from_bits(self.f32(0))).to_bits(),
            1 => self.u64() >> 12 | sign,
            2 => near & 0x7ff << 52 | self.u64() >> 12 | sign,
            3 => near & 0x7ff << 52 | self.u64() & 3 | sign,
            4 => near ^ 1 << 63 ^ u64::from(self.below(4)),
            _ => self.u64(),
        }
    }
}
