//! Random numbers from a seed that tests print: splitmix64, and Box and Muller's normal distribution.

use crate::problem::Fill;

/// A generator; equal seeds give equal numbers on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `[0, 1)`.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }

    /// One number of a distribution (`Unit` rows are scaled by the caller).
    pub(crate) fn draw(&mut self, fill: Fill) -> f64 {
        match fill {
            Fill::Normal | Fill::Unit => self.normal(),
            Fill::Uniform(low, high) => low + (high - low) * self.uniform(),
            Fill::Powers(low, high) => {
                let size = 10f64.powf(low + (high - low) * self.uniform());
                if self.uniform() < 0.5 { size } else { -size }
            }
            Fill::Sinks(low, high) => -10f64.powf(low + (high - low) * self.uniform()),
            Fill::Sometimes(low, high, special) => {
                let ordinary = low + (high - low) * self.uniform();
                if self.uniform() < 0.2 { special } else { ordinary }
            }
        }
    }
}
