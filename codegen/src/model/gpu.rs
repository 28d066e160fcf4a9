//! GPUs by name, with what the model needs of them.
//!
//! ```
//! use chunkwise_codegen::model::Gpu;
//! assert_eq!(Gpu::named("h200").unwrap().multiprocessors, 132);
//! ```
//!
//! Sources: NVIDIA's data sheets (bytes a second, dense bf16 flops a second) and architecture white papers
//! (multiprocessors, boost clock under tensor-core load). The flops a clock follow from them:
//!
//! | GPU | dense bf16 | = multiprocessors x clock x flops a clock |
//! |---|---|---|
//! | A100 SXM 80 GB | 312 T | 108 x 1.410 GHz x 2048 |
//! | L40S | 362 T | 142 x 2.520 GHz x 1024 |
//! | H100 SXM, H200 | 989 T | 132 x 1.830 GHz x 4096 |
//! | B200 | 2250 T | 148 x 1.860 GHz x 8192 |
//! | RTX 5090 | 209 T (f32 sums) | 170 x 2.407 GHz x 512 |

use crate::arch::Arch;
use std::fmt;

/// What `mma.sync` reaches of the tensor cores of Hopper; the rest is for `wgmma` alone (Luo et al. 2024, arXiv 2402.13499,
/// section on tensor cores: 62.9 % on average).
const HOPPER_MMA: f64 = 0.629;

/// A GPU.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Gpu {
    /// How it is asked for: `h200`.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// The architecture whose binaries it runs.
    pub arch: Arch,
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// Clocks a second.
    pub clock: f64,
    /// Bytes a second between the GPU and its memory.
    pub dram_bytes_per_second: f64,
    /// Flops a clock of a multiprocessor's tensor cores through `mma.sync`, 16-bit operands and f32 sums.
    pub tensor_flops_per_clock: f64,
}

/// A text that names no GPU of [`Gpu::ALL`]; its message lists those that exist.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownGpu(
    /// The text as given.
    pub String,
);

impl Gpu {
    /// Every GPU of the table; the first of an architecture stands for it.
    pub const ALL: [Gpu; 6] = [
        Gpu {
            name: "a100",
            title: "A100 SXM 80 GB",
            arch: Arch::Sm80,
            multiprocessors: 108,
            clock: 1.41e9,
            dram_bytes_per_second: 2.039e12,
            tensor_flops_per_clock: 2048.0,
        },
        Gpu {
            name: "l40s",
            title: "L40S",
            arch: Arch::Sm89,
            multiprocessors: 142,
            clock: 2.52e9,
            dram_bytes_per_second: 0.864e12,
            tensor_flops_per_clock: 1024.0,
        },
        Gpu {
            name: "h200",
            title: "H200 SXM",
            arch: Arch::Sm90,
            multiprocessors: 132,
            clock: 1.83e9,
            dram_bytes_per_second: 4.8e12,
            tensor_flops_per_clock: HOPPER_MMA * 4096.0,
        },
        Gpu {
            name: "h100",
            title: "H100 SXM 80 GB",
            arch: Arch::Sm90,
            multiprocessors: 132,
            clock: 1.83e9,
            dram_bytes_per_second: 3.35e12,
            tensor_flops_per_clock: HOPPER_MMA * 4096.0,
        },
        Gpu {
            name: "b200",
            title: "B200",
            arch: Arch::Sm100,
            multiprocessors: 148,
            clock: 1.86e9,
            dram_bytes_per_second: 7.7e12,
            // `mma.sync` is no way to its tensor cores, and no figure for it is published: taken as on Hopper.
            tensor_flops_per_clock: HOPPER_MMA * 4096.0,
        },
        Gpu {
            name: "rtx5090",
            title: "RTX 5090",
            arch: Arch::Sm120,
            multiprocessors: 170,
            clock: 2.407e9,
            dram_bytes_per_second: 1.792e12,
            tensor_flops_per_clock: 512.0,
        },
    ];

    /// The GPU of a name.
    ///
    /// # Errors
    /// [`UnknownGpu`], which lists those that exist.
    pub fn named(name: &str) -> Result<&'static Gpu, UnknownGpu> {
        Self::all().iter().find(|gpu| gpu.name == name).ok_or_else(|| UnknownGpu(name.to_owned()))
    }

    /// The GPU that stands for an architecture; `None` where the table has none.
    pub fn of_arch(arch: Arch) -> Option<&'static Gpu> {
        Self::all().iter().find(|gpu| gpu.arch == arch)
    }

    fn all() -> &'static [Gpu] {
        static ALL: [Gpu; 6] = Gpu::ALL;
        &ALL
    }

    /// Lanes that do an f32 operation a clock, in one multiprocessor (CUDA C++ Programming Guide, "Arithmetic
    /// Instructions").
    pub fn float_lanes_per_clock(&self) -> f64 {
        if self.arch == Arch::Sm80 { 64.0 } else { 128.0 }
    }
}

impl fmt::Display for UnknownGpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Gpu::ALL.map(|gpu| gpu.name).join(", ");
        write!(f, "unknown GPU `{}`: expected one of {known}", self.0)
    }
}

impl std::error::Error for UnknownGpu {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_multiplies_to_the_published_flops() {
        // Dense bf16 flops a second of the data sheets; Hopper's and the B200's are not those of `mma.sync`.
        let published =
            [("a100", 312e12), ("l40s", 362e12), ("h200", 0.629 * 989.4e12), ("rtx5090", 209.5e12)];
        for (name, flops) in published {
            let gpu = Gpu::named(name).unwrap();
            let here = f64::from(gpu.multiprocessors) * gpu.clock * gpu.tensor_flops_per_clock;
            assert!((here / flops - 1.0).abs() < 0.02, "{name}: {here} and not {flops}");
        }
    }

    #[test]
    fn names_are_found_and_others_refused() {
        for gpu in &Gpu::ALL {
            assert_eq!(Gpu::named(gpu.name), Ok(gpu));
            assert!(Gpu::of_arch(gpu.arch).is_some_and(|first| first.arch == gpu.arch));
        }
        assert_eq!(Gpu::of_arch(Arch::Sm86), None);
        let error = Gpu::named("H200").unwrap_err().to_string();
        assert_eq!(error, "unknown GPU `H200`: expected one of a100, l40s, h200, h100, b200, rtx5090");
    }
}
