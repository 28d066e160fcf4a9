//! Random inputs from a seed (splitmix64: Steele, Lea, Flood 2014). `CHUNKWISE_SEED` moves all of them.

/// A stream of random numbers.
pub(crate) struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// An integer in `lo..hi`.
    pub(crate) fn integer(&mut self, lo: i32, hi: i32) -> i32 {
        let width = (i64::from(hi) - i64::from(lo)).max(1) as u64;
        (i64::from(lo) + (self.bits() % width) as i64) as i32
    }

    /// `n` integers in `lo..hi`.
    pub(crate) fn integers(&mut self, n: usize, lo: i32, hi: i32) -> Vec<i32> {
        (0..n).map(|_| self.integer(lo, hi)).collect()
    }

    /// A number in [-1, 1).
    pub(crate) fn float(&mut self) -> f32 {
        ((self.bits() >> 40) as f32 / (1 << 23) as f32) - 1.0
    }

    /// `n` numbers in [-scale, scale).
    pub(crate) fn floats(&mut self, n: usize, scale: f32) -> Vec<f32> {
        (0..n).map(|_| self.float() * scale).collect()
    }
}

/// The seed of this run: `CHUNKWISE_SEED`, or 1.
pub(crate) fn seed() -> u64 {
    std::env::var("CHUNKWISE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}
