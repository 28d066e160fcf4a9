//! GPU architectures: which ones kernels are generated for, what NVRTC calls them, what a block may use on them.
//!
//! ```
//! use chunkwise_codegen::arch::Arch;
//! let arch: Arch = "sm_90".parse().unwrap();
//! assert_eq!(arch.to_string(), "sm_90");
//! assert_eq!(arch.target(), "sm_90a"); // Compiled with the architecture's own instructions.
//! ```
//!
//! Source: CUDA C++ Programming Guide, "Compute Capabilities", table of technical specifications.

use std::fmt;
use std::str::FromStr;

/// A GPU architecture, ordered by compute capability.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Arch {
    /// Compute capability 8.0: A100, A30.
    Sm80,
    /// Compute capability 8.6: A10, A40, RTX 30. Its binaries also run on 8.7.
    Sm86,
    /// Compute capability 8.9: L4, L40, RTX 40.
    Sm89,
    /// Compute capability 9.0: H100, H200, compiled as `sm_90a`.
    Sm90,
    /// Compute capability 10.0: B200, compiled as `sm_100a`.
    Sm100,
    /// Compute capability 12.0: RTX 50, RTX PRO 6000. Its binaries also run on 12.1.
    Sm120,
}

/// A text that names no architecture of [`Arch`]; its message lists those that exist.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownArch(
    /// The text as given.
    pub String,
);

impl Arch {
    /// Every architecture, oldest first.
    pub const ALL: [Self; 6] = [Self::Sm80, Self::Sm86, Self::Sm89, Self::Sm90, Self::Sm100, Self::Sm120];

    /// The compute capability as one number: 90 for 9.0.
    pub fn number(self) -> u32 {
        match self {
            Self::Sm80 => 80,
            Self::Sm86 => 86,
            Self::Sm89 => 89,
            Self::Sm90 => 90,
            Self::Sm100 => 100,
            Self::Sm120 => 120,
        }
    }

    /// The name in texts, `sm_90`; the inverse of parsing.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sm80 => "sm_80",
            Self::Sm86 => "sm_86",
            Self::Sm89 => "sm_89",
            Self::Sm90 => "sm_90",
            Self::Sm100 => "sm_100",
            Self::Sm120 => "sm_120",
        }
    }

    /// The target that the compiler is asked for. An `a` opens the instructions of that one architecture (`wgmma`,
    /// `tcgen05`); such a binary runs on exactly this compute capability.
    pub fn target(self) -> &'static str {
        match self {
            Self::Sm90 => "sm_90a",
            Self::Sm100 => "sm_100a",
            other => other.name(),
        }
    }

    /// Whether instructions compute on two floats at once (`fma.rn.f32x2`). The compiler then wants neighbours in neighbouring
    /// registers, and has fewer of them to choose from.
    pub fn pairs_floats(self) -> bool {
        self >= Self::Sm100
    }

    /// NVRTC's flag. A real architecture, so that NVRTC gives both the binary and the PTX.
    pub fn nvrtc_flag(self) -> String {
        format!("--gpu-architecture={}", self.target())
    }

    /// NVRTC's flag where PTX is all that is wanted: the virtual architecture, whose PTX is that of the real one.
    pub fn nvrtc_ptx_flag(self) -> String {
        self.nvrtc_flag().replace("=sm_", "=compute_")
    }

    /// The most shared memory that one block can opt in to, in bytes.
    pub fn max_shared_per_block(self) -> usize {
        match self {
            Self::Sm80 => 163 * 1024,
            Self::Sm86 | Self::Sm89 | Self::Sm120 => 99 * 1024,
            Self::Sm90 | Self::Sm100 => 227 * 1024,
        }
    }

    /// The architecture whose binaries run on a device of this compute capability; `None` where no target of
    /// [`Arch::ALL`] runs (`sm_100a` does not run on 10.3).
    pub fn of_capability(major: u32, minor: u32) -> Option<Self> {
        match (major, minor) {
            (8, 0..=5) => Some(Self::Sm80),
            (8, 6..=8) => Some(Self::Sm86),
            (8, _) => Some(Self::Sm89),
            (9, 0) => Some(Self::Sm90),
            (10, 0) => Some(Self::Sm100),
            (12, _) => Some(Self::Sm120),
            _ => None,
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Arch {
    type Err = UnknownArch;

    /// Accepts the name (`sm_90`) and the compiler's target (`sm_90a`).
    fn from_str(text: &str) -> Result<Self, UnknownArch> {
        let known = Self::ALL.into_iter().find(|arch| text == arch.name() || text == arch.target());
        known.ok_or_else(|| UnknownArch(text.to_owned()))
    }
}

impl fmt::Display for UnknownArch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Arch::ALL.map(Arch::name).join(", ");
        write!(f, "unknown architecture `{}`: expected one of {known}", self.0)
    }
}

impl std::error::Error for UnknownArch {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_targets_parse_back() {
        for arch in Arch::ALL {
            assert_eq!(arch.to_string().parse(), Ok(arch));
            assert_eq!(arch.target().parse(), Ok(arch));
            assert_eq!(arch.name(), format!("sm_{}", arch.number()));
        }
        assert_eq!(Arch::Sm90.nvrtc_flag(), "--gpu-architecture=sm_90a");
        assert_eq!(Arch::Sm90.nvrtc_ptx_flag(), "--gpu-architecture=compute_90a");
        assert_eq!(format!("{:>7}|", Arch::Sm80), "  sm_80|");
    }

    #[test]
    fn other_texts_are_named_with_the_known_ones() {
        for text in ["", "sm_70", "sm90", "90", "SM_90", "sm_80a", "sm_90 "] {
            let error = text.parse::<Arch>().unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "unknown architecture `{text}`: expected one of sm_80, sm_86, sm_89, sm_90, sm_100, sm_120"
                )
            );
        }
    }

    #[test]
    fn each_architecture_runs_on_its_own_capability() {
        for arch in Arch::ALL {
            assert_eq!(Arch::of_capability(arch.number() / 10, arch.number() % 10), Some(arch));
        }
        assert_eq!(Arch::of_capability(8, 7), Some(Arch::Sm86));
        assert_eq!(Arch::of_capability(12, 1), Some(Arch::Sm120));
        for too_old_or_unknown in [(7, 5), (9, 1), (10, 3), (11, 0), (13, 0)] {
            assert_eq!(Arch::of_capability(too_old_or_unknown.0, too_old_or_unknown.1), None);
        }
    }
}
