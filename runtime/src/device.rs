//! Where a rule runs: a [`Device`] is a name that was checked, and [`RuleExt::on`] prepares a rule for it.
//!
//! ```text
//! cpu   sim   sim:sm_90   cuda:0        rule.on(&Device::parse("cuda:0")?)?
//! ```

use crate::cpu::Cpu;
use crate::error::{Error, Result};
use crate::executable::{Executable, Runner};
#[cfg(any(feature = "cuda", feature = "sim"))]
use crate::gpu::Gpu;
#[cfg(feature = "cuda")]
use crate::gpu::cuda::Cuda;
#[cfg(any(feature = "cuda", feature = "sim"))]
use crate::gpu::null::Null;
#[cfg(feature = "sim")]
use crate::gpu::sim::Simulator;
use chunkwise_codegen::Arch;
use chunkwise_dsl::rule::Rule;
use std::fmt;

/// Where a rule runs.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct Device(Kind);

#[derive(Clone, PartialEq, Eq, Debug, Hash)]
enum Kind {
    Cpu,
    Sim(Arch),
    Cuda(usize),
    #[cfg(any(feature = "cuda", feature = "sim"))]
    Null(Arch),
}

impl Device {
    /// This machine's processor: every rule, forward and backward, in f32 and f64. It is always there.
    pub fn cpu() -> Device {
        Device(Kind::Cpu)
    }

    /// The simulator of a GPU of this architecture: it runs the kernels that a GPU would, on this machine's processor, and
    /// what a kernel does wrong is an error. It needs NVRTC, and neither a GPU nor a driver.
    pub fn sim(arch: Arch) -> Device {
        Device(Kind::Sim(arch))
    }

    /// A device that compiles kernels for this architecture and then does nothing, but counts what it is asked for
    /// ([`Queue::requests`](crate::Queue::requests)); every result is zero. With it the host's part of a launch is measured and
    /// held to its promises.
    #[cfg(any(feature = "cuda", feature = "sim"))]
    pub fn null(arch: Arch) -> Device {
        Device(Kind::Null(arch))
    }

    /// The device of a name: `cpu`, `sim` (of [`Arch::Sm80`]), `sim:ARCH` or `cuda:N`. Whether a GPU is there is found out
    /// by [`RuleExt::on`].
    ///
    /// # Errors
    /// A mistake where the text names no device.
    pub fn parse(text: &str) -> Result<Device> {
        let help = "the devices are `cpu`, `sim`, `sim:ARCH` as in `sim:sm_90`, and `cuda:N` as in `cuda:0`";
        let unknown = || Error::mistake(format!("`{text}` is not a device"), help);
        let kind = match text.split_once(':') {
            None if text == "cpu" => Kind::Cpu,
            None if text == "sim" => Kind::Sim(Arch::Sm80),
            None if text == "cuda" => Kind::Cuda(0),
            Some(("sim", arch)) => {
                Kind::Sim(arch.parse::<Arch>().map_err(|e| Error::mistake(e.to_string(), help))?)
            }
            Some(("cuda", ordinal)) => Kind::Cuda(ordinal.parse().map_err(|_| unknown())?),
            _ => return Err(unknown()),
        };
        Ok(Device(kind))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Cpu => f.write_str("cpu"),
            Kind::Sim(arch) => write!(f, "sim:{arch}"),
            Kind::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
            #[cfg(any(feature = "cuda", feature = "sim"))]
            Kind::Null(arch) => write!(f, "null:{arch}"),
        }
    }
}

/// Puts a rule on a device.
pub trait RuleExt {
    /// Prepares this rule for `device`, with the default [`Options`](crate::Options).
    ///
    /// # Errors
    /// Absent, where the device is not there; a limitation, where it cannot run this rule.
    fn on(&self, device: &Device) -> Result<Executable>;
}

impl RuleExt for Rule {
    fn on(&self, device: &Device) -> Result<Executable> {
        let runner = match device.0 {
            Kind::Cpu => Runner::Cpu(Cpu::new(self)),
            #[cfg(feature = "cuda")]
            Kind::Cuda(ordinal) => Runner::Cuda(Gpu::new(self, || Cuda::open(ordinal))?),
            #[cfg(feature = "sim")]
            Kind::Sim(arch) => Runner::Sim(Gpu::new(self, || Ok(Simulator::new(arch)))?),
            #[cfg(any(feature = "cuda", feature = "sim"))]
            Kind::Null(arch) => Runner::Null(Gpu::new(self, || Ok(Null(arch)))?),
            #[cfg(not(feature = "cuda"))]
            Kind::Cuda(_) => return Err(left_out(device, "cuda")),
            #[cfg(not(feature = "sim"))]
            Kind::Sim(_) => return Err(left_out(device, "sim")),
        };
        Ok(Executable::new(runner))
    }
}

/// A device that this build was made without.
#[cfg(not(all(feature = "cuda", feature = "sim")))]
fn left_out(device: &Device, feature: &str) -> Error {
    Error::limitation(
        format!("this build cannot use `{device}`"),
        format!("run on `cpu`, or build with the feature `{feature}` of chunkwise-runtime"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_parse_as_they_print() {
        for name in ["cpu", "cuda:0", "cuda:7", "sim:sm_80", "sim:sm_90"] {
            assert_eq!(Device::parse(name).unwrap().to_string(), name);
        }
        for name in ["gpu", "cuda:", "cuda:-1", "cuda:x", "", "sim:", "sim:90", "cpu:0"] {
            assert_eq!(Device::parse(name).unwrap_err().exit_code(), 2);
        }
        assert_eq!(Device::parse("sim").unwrap(), Device::sim(Arch::Sm80));
    }
}
