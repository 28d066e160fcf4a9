//! Where a rule runs, and running it: `rule.on(&device)?.forward(&inputs)?`.
//!
//! A [`Device`] is a name that was checked; [`RuleExt::on`] prepares a rule for it; the [`Executable`] takes tensors by
//! name and returns tensors by name. What runs is chosen by [`Options`]: the plan, the chunk length, the element type.

use crate::bind::{Bind, Bindings, Tensors};
use crate::cpu::Cpu;
use crate::error::{Error, Result};
#[cfg(any(feature = "cuda", feature = "sim"))]
use crate::gpu::Gpu;
#[cfg(feature = "cuda")]
use crate::gpu::cuda::Cuda;
use crate::tensor::Element;
use crate::validate::Pass;
use chunkwise_dsl::rule::Rule;
use std::fmt;
use std::str::FromStr;

/// Where a rule runs.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct Device(Kind);

#[derive(Clone, PartialEq, Eq, Debug, Hash)]
enum Kind {
    Cpu,
    Cuda(usize),
}

impl Device {
    /// This machine's processor: every rule, forward and backward, in f32 and f64. It is always there.
    pub fn cpu() -> Device {
        Device(Kind::Cpu)
    }

    /// The device of a name: `cpu` or `cuda:N`. Whether a GPU is there is found out by [`RuleExt::on`].
    ///
    /// # Errors
    /// A mistake where the text names no device; a limitation for `sim`.
    pub fn parse(text: &str) -> Result<Device> {
        let help = "the devices are `cpu` and `cuda:N`, as in `cuda:0`";
        match text {
            "cpu" => Ok(Device::cpu()),
            "cuda" => Ok(Device(Kind::Cuda(0))),
            "sim" => Err(Error::limitation("the simulator is not built yet", help)),
            _ => match text.strip_prefix("cuda:").map(str::parse) {
                Some(Ok(ordinal)) => Ok(Device(Kind::Cuda(ordinal))),
                _ => Err(Error::mistake(format!("`{text}` is not a device"), help)),
            },
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Cpu => f.write_str("cpu"),
            Kind::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
        }
    }
}

/// Which algorithm runs a rule (design, section 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum PlanChoice {
    /// Chosen by the device: on the CPU chunkwise, or recurrent where the rule has no chunkwise form.
    #[default]
    Auto,
    /// The token loop.
    Recurrent,
    /// Any chunkwise plan; on the CPU there is one.
    Chunkwise,
    /// One block per sequence, head and value tile walks the chunks.
    Fused,
    /// Three kernels, chunks in parallel.
    Split,
    /// Split over segments, by composition.
    Segmented,
}

impl PlanChoice {
    /// Every choice, in the order the command line lists them.
    pub const ALL: [PlanChoice; 6] = [
        PlanChoice::Auto,
        PlanChoice::Recurrent,
        PlanChoice::Chunkwise,
        PlanChoice::Fused,
        PlanChoice::Split,
        PlanChoice::Segmented,
    ];
}

impl fmt::Display for PlanChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PlanChoice::Auto => "auto",
            PlanChoice::Recurrent => "recurrent",
            PlanChoice::Chunkwise => "chunkwise",
            PlanChoice::Fused => "fused",
            PlanChoice::Split => "split",
            PlanChoice::Segmented => "segmented",
        })
    }
}

impl FromStr for PlanChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        PlanChoice::ALL.into_iter().find(|p| p.to_string() == text).ok_or_else(|| {
            Error::mistake(
                format!("`{text}` is not a plan"),
                "the plans are auto, recurrent, chunkwise, fused, split and segmented",
            )
        })
    }
}

/// How to run a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// The algorithm.
    pub plan: PlanChoice,
    /// Tokens in a chunk, at least 1; the token loop ignores it.
    pub chunk: usize,
    /// The element type of the token vectors other than decays and of the outputs. `F64` computes everything in f64;
    /// `F32`, `F16` and `BF16` compute in f32 and round to the type. `None` follows the inputs.
    pub dtype: Option<Element>,
}

impl Default for Options {
    fn default() -> Self {
        Options { plan: PlanChoice::Auto, chunk: 64, dtype: None }
    }
}

/// Puts a rule on a device.
pub trait RuleExt {
    /// Prepares this rule for `device`, with the default [`Options`].
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
            #[cfg(not(feature = "cuda"))]
            Kind::Cuda(_) => {
                return Err(Error::limitation(
                    format!("this build cannot use `{device}`"),
                    "run on `cpu`, or build with the feature `cuda` of chunkwise-runtime",
                ));
            }
        };
        Ok(Executable { runner, options: Options::default() })
    }
}

/// A rule on a device, ready to run any number of times.
#[derive(Clone, Debug)]
pub struct Executable {
    runner: Runner,
    options: Options,
}

#[derive(Clone, Debug)]
enum Runner {
    Cpu(Cpu),
    #[cfg(feature = "cuda")]
    Cuda(Gpu<Cuda>),
}

impl Runner {
    fn run(&self, bindings: &Bindings<'_>, options: &Options, pass: Pass) -> Result<Tensors> {
        match self {
            Runner::Cpu(cpu) => cpu.run(bindings, options, pass),
            #[cfg(feature = "cuda")]
            Runner::Cuda(cuda) => cuda.run(bindings, options, pass),
        }
    }
}

impl Executable {
    /// The same with other options.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Executable {
        self.options = options;
        self
    }

    /// The same, but with a kernel changed by hand in place of the generated one: CUDA text that begins from what
    /// `chunkwise emit` prints for the sizes and the type of the runs, with the entry's name and parameters as they were.
    /// `file` is what messages call it.
    ///
    /// # Errors
    /// A limitation where the device runs no kernels. What is wrong with the text itself comes out of the runs, as
    /// [`Error::Kernel`], or as a mistake where its entry is not the generated one's.
    pub fn with_kernel(self, file: &str, text: &str) -> Result<Executable> {
        let runner = match self.runner {
            Runner::Cpu(_) => {
                return Err(Error::limitation(
                    "the device `cpu` runs no kernels, so none can be given to it",
                    "run it on `sim` or on a GPU",
                ));
            }
            #[cfg(feature = "cuda")]
            Runner::Cuda(gpu) => Runner::Cuda(gpu.with_kernel(file, text)),
        };
        Ok(Executable { runner, ..self })
    }

    /// The options in use.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Runs the rule. In: the parameters, and optionally initial states (`s0`) and `cu_seqlens`. Out: the outputs
    /// (`o`, `[B, T, HV, V]`; `[B, T, HV]` for a scalar) and the final states (`s`, `[N, HV, K, V]`).
    ///
    /// # Errors
    /// Every mistake in the tensors at once, each naming its tensor; a limitation where the plan cannot run.
    pub fn forward<'a>(&self, inputs: impl Bind<'a>) -> Result<Tensors> {
        self.runner.run(&inputs.bind(), &self.options, Pass::Forward)
    }

    /// Runs the rule and its adjoint. In besides: cotangents `do` (`do0`, ..) and `ds`, absent ones being zero. Out
    /// besides: `d` + name for every parameter, in its shape, and `ds0`, `[N, HV, K, V]`.
    ///
    /// # Errors
    /// As [`Executable::forward`].
    pub fn backward<'a>(&self, inputs: impl Bind<'a>) -> Result<Tensors> {
        self.runner.run(&inputs.bind(), &self.options, Pass::Backward)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_plans_parse_as_they_print() {
        for name in ["cpu", "cuda:0", "cuda:7"] {
            assert_eq!(Device::parse(name).unwrap().to_string(), name);
        }
        for name in ["gpu", "cuda:", "cuda:-1", "cuda:x", ""] {
            assert_eq!(Device::parse(name).unwrap_err().exit_code(), 2);
        }
        assert_eq!(Device::parse("sim").unwrap_err().exit_code(), 3);
        for plan in PlanChoice::ALL {
            assert_eq!(plan.to_string().parse::<PlanChoice>().unwrap(), plan);
        }
        assert!("fast".parse::<PlanChoice>().is_err());
    }
}
