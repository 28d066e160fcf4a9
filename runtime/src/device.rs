//! Where a rule runs, and running it: `rule.on(&device)?.forward(&inputs)?`.
//!
//! A [`Device`] is a name that was checked; [`RuleExt::on`] prepares a rule for it; the [`Executable`] takes tensors by
//! name and returns tensors by name. What runs is chosen by [`Options`]: the plan, the chunk length, the element type.

use crate::bind::{Bind, Bindings, Tensors};
#[cfg(feature = "sim")]
use crate::counters::Launched;
use crate::cpu::Cpu;
use crate::error::{Error, Result};
#[cfg(any(feature = "cuda", feature = "sim"))]
use crate::gpu::Gpu;
#[cfg(feature = "cuda")]
use crate::gpu::cuda::Cuda;
#[cfg(any(feature = "cuda", feature = "sim"))]
use crate::gpu::driver::Driver;
#[cfg(any(feature = "cuda", feature = "sim"))]
use crate::gpu::null::Null;
#[cfg(feature = "sim")]
use crate::gpu::sim::Simulator;
#[cfg(any(feature = "cuda", feature = "sim"))]
use crate::jit::Jit;
#[cfg(any(feature = "cuda", feature = "sim"))]
use crate::prepared::{Prepared, PreparedKind, Queue, QueueKind, other_device};
use crate::tensor::Element;
use crate::validate::Pass;
use chunkwise_codegen::Arch;
use chunkwise_codegen::Plan;
pub use chunkwise_codegen::Precision;
use chunkwise_dsl::rule::Rule;
use std::fmt;
use std::str::FromStr;
#[cfg(any(feature = "cuda", feature = "sim"))]
use std::sync::Arc;

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
    /// ([`Queue::requests`]); every result is zero. With it the host's part of a launch is measured and held to its promises.
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

/// Which algorithm runs a rule (design, section 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum PlanChoice {
    /// Chosen by the device: on the CPU chunkwise, or recurrent where the rule has no chunkwise form; on a GPU by the
    /// shape of the launch and the machine (`chunkwise_codegen::choice`).
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

impl PlanChoice {
    /// The plans of kernels among which to choose.
    pub fn kernels(self) -> &'static [Plan] {
        match self {
            PlanChoice::Auto => &Plan::ALL,
            PlanChoice::Recurrent => &[Plan::Recurrent],
            PlanChoice::Chunkwise => &Plan::CHUNKWISE,
            PlanChoice::Fused => &[Plan::Fused],
            PlanChoice::Split => &[Plan::Split],
            PlanChoice::Segmented => &[Plan::Segmented],
        }
    }
}

impl From<Plan> for PlanChoice {
    fn from(plan: Plan) -> PlanChoice {
        match plan {
            Plan::Recurrent => PlanChoice::Recurrent,
            Plan::Fused => PlanChoice::Fused,
            Plan::Segmented => PlanChoice::Segmented,
            Plan::Split => PlanChoice::Split,
        }
    }
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
    /// How tensor cores round their operands, in plans that use them. [`Precision::High`] is refused by all others: they
    /// round no operand.
    pub precision: Precision,
    /// Tokens of a segment, in the plan that has segments: rounded up to whole chunks. `None` leaves it to the device: as many
    /// segments as fill it.
    pub piece: Option<usize>,
    /// The most value columns of a block, in chunkwise plans on a GPU: 16 to 128. `None` leaves it to the device: fewer where
    /// there are few sequences and heads.
    pub columns: Option<usize>,
}

impl Options {
    /// Refuses [`Precision::High`] where nothing rounds operands.
    pub(crate) fn rounds_no_operand(&self) -> Result<()> {
        match self.precision {
            Precision::Fast => Ok(()),
            Precision::High => Err(Error::limitation(
                "precision `high` splits the operands of tensor cores, and this plan uses none: it rounds no operand",
                "leave it out, or choose the plan `fused` on a GPU or in the simulator",
            )),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            plan: PlanChoice::Auto,
            chunk: 64,
            dtype: None,
            precision: Precision::Fast,
            piece: None,
            columns: None,
        }
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
            #[cfg(feature = "sim")]
            Kind::Sim(arch) => Runner::Sim(Gpu::new(self, || Ok(Simulator::new(arch)))?),
            #[cfg(any(feature = "cuda", feature = "sim"))]
            Kind::Null(arch) => Runner::Null(Gpu::new(self, || Ok(Null(arch)))?),
            #[cfg(not(feature = "cuda"))]
            Kind::Cuda(_) => return Err(left_out(device, "cuda")),
            #[cfg(not(feature = "sim"))]
            Kind::Sim(_) => return Err(left_out(device, "sim")),
        };
        Ok(Executable { runner, options: Options::default() })
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

/// The CPU was asked for launches.
#[cfg(any(feature = "cuda", feature = "sim"))]
fn no_launches() -> Error {
    Error::limitation(
        "the device `cpu` launches nothing and has no memory of its own",
        "run on `cpu` by `Executable::forward`, or prepare launches on a GPU or in the simulator",
    )
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
    #[cfg(feature = "sim")]
    Sim(Gpu<Simulator>),
    #[cfg(any(feature = "cuda", feature = "sim"))]
    Null(Gpu<Null>),
}

impl Runner {
    fn run(&self, bindings: &Bindings<'_>, options: &Options, pass: Pass) -> Result<Tensors> {
        match self {
            Runner::Cpu(cpu) => cpu.run(bindings, options, pass),
            #[cfg(feature = "cuda")]
            Runner::Cuda(cuda) => cuda.run(bindings, options, pass),
            #[cfg(feature = "sim")]
            Runner::Sim(sim) => sim.run(bindings, options, pass),
            #[cfg(any(feature = "cuda", feature = "sim"))]
            Runner::Null(null) => null.run(bindings, options, pass),
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
    #[cfg(any(feature = "cuda", feature = "sim"))]
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
            #[cfg(feature = "sim")]
            Runner::Sim(gpu) => Runner::Sim(gpu.with_kernel(file, text)),
            Runner::Null(gpu) => Runner::Null(gpu.with_kernel(file, text)),
        };
        Ok(Executable { runner, ..self })
    }

    /// The same, but with kernels compiled and kept by this compiler and cache instead of the process's own. The CPU
    /// compiles nothing.
    #[cfg(any(feature = "cuda", feature = "sim"))]
    #[must_use]
    pub fn with_jit(self, jit: Arc<Jit>) -> Executable {
        let runner = match self.runner {
            Runner::Cpu(cpu) => {
                drop(jit);
                Runner::Cpu(cpu)
            }
            #[cfg(feature = "cuda")]
            Runner::Cuda(gpu) => Runner::Cuda(gpu.with_jit(jit)),
            #[cfg(feature = "sim")]
            Runner::Sim(gpu) => Runner::Sim(gpu.with_jit(jit)),
            Runner::Null(gpu) => Runner::Null(gpu.with_jit(jit)),
        };
        Executable { runner, ..self }
    }

    /// The same, but with counts by line of the kernel's text besides the whole ones; this costs time.
    ///
    /// # Errors
    /// A limitation on every device but the simulator, which alone counts.
    #[cfg(feature = "sim")]
    pub fn counting_lines(self) -> Result<Executable> {
        match self.runner {
            Runner::Sim(gpu) => {
                Ok(Executable { runner: Runner::Sim(gpu.with_driver(Simulator::counting_lines)), ..self })
            }
            _ => Err(Error::limitation(
                "only the simulator counts what a kernel does",
                "run it on `sim`, which runs the kernel that a GPU would",
            )),
        }
    }

    /// What each launch of the last run in the simulator did; empty before the first run, and on other devices. Clones
    /// share this.
    #[cfg(feature = "sim")]
    pub fn counters(&self) -> Vec<Launched> {
        match &self.runner {
            Runner::Sim(gpu) => gpu.driver().counters(),
            _ => Vec::new(),
        }
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

    /// A queue of this device's: memory, and an order of what happens there. On a GPU it is on the default stream.
    ///
    /// # Errors
    /// A limitation on the CPU, which has neither.
    #[cfg(any(feature = "cuda", feature = "sim"))]
    pub fn queue(&self) -> Result<Queue> {
        match &self.runner {
            Runner::Cpu(_) => Err(no_launches()),
            #[cfg(feature = "cuda")]
            Runner::Cuda(gpu) => Ok(Queue(QueueKind::Cuda(gpu.driver().queue()?))),
            #[cfg(feature = "sim")]
            Runner::Sim(gpu) => Ok(Queue(QueueKind::Sim(gpu.driver().queue()?))),
            Runner::Null(gpu) => Ok(Queue(QueueKind::Null(gpu.driver().queue()?))),
        }
    }

    /// The same on a stream of the caller's: a `CUstream`, such as `torch.cuda.current_stream().cuda_stream`, which may be
    /// under capture while launches are enqueued (but not while a launch is prepared or memory is taken).
    ///
    /// # Safety
    /// The stream is one of this GPU's, in its primary context, and outlives the queue.
    ///
    /// # Errors
    /// A limitation on devices without streams.
    #[cfg(any(feature = "cuda", feature = "sim"))]
    pub unsafe fn queue_on(&self, stream: *mut std::ffi::c_void) -> Result<Queue> {
        // SAFETY: as the caller promises; without a GPU the stream is not looked at.
        unsafe {
            match &self.runner {
                Runner::Cpu(_) => Err(no_launches()),
                #[cfg(feature = "cuda")]
                Runner::Cuda(gpu) => Ok(Queue(QueueKind::Cuda(gpu.driver().queue_on(stream)?))),
                #[cfg(feature = "sim")]
                Runner::Sim(gpu) => Ok(Queue(QueueKind::Sim(gpu.driver().queue_on(stream)?))),
                Runner::Null(gpu) => Ok(Queue(QueueKind::Null(gpu.driver().queue_on(stream)?))),
            }
        }
    }

    /// Prepares a forward pass on tensors that are on the device already: checks them, chooses the plan, compiles it, and takes
    /// the plan's own memory from `queue`, enough for launches of these shapes. `like` says what the tensors are like, by
    /// [`View::elsewhere`](crate::View::elsewhere): those of [`Executable::forward`], of which an initial state need not be
    /// among them to be given later. Nothing converts them, so each has the type that kernels read: the token vectors other
    /// than decays that of the options or their own, `cu_seqlens` i64, all others f32.
    ///
    /// # Errors
    /// As [`Executable::forward`]; a limitation on the CPU, which launches nothing.
    #[cfg(any(feature = "cuda", feature = "sim"))]
    pub fn prepare<'a>(&self, like: impl Bind<'a>, queue: &mut Queue) -> Result<Prepared> {
        let (like, options) = (like.bind(), &self.options);
        match (&self.runner, &mut queue.0) {
            #[cfg(feature = "cuda")]
            (Runner::Cuda(gpu), QueueKind::Cuda(queue)) => {
                Ok(Prepared(PreparedKind::Cuda(gpu.prepare(&like, options, queue)?)))
            }
            #[cfg(feature = "sim")]
            (Runner::Sim(gpu), QueueKind::Sim(queue)) => {
                Ok(Prepared(PreparedKind::Sim(gpu.prepare(&like, options, queue)?)))
            }
            (Runner::Null(gpu), QueueKind::Null(queue)) => {
                Ok(Prepared(PreparedKind::Null(gpu.prepare(&like, options, queue)?)))
            }
            (Runner::Cpu(_), _) => Err(no_launches()),
            _ => Err(other_device()),
        }
    }

    /// Times the kernel of the forward pass on a GPU, by its own clock: `repeats` launches one after the other, each on
    /// the next of `copies` copies of the tensors, so that enough copies make them come from memory and not from a
    /// cache. Milliseconds of each launch, uploads and compilation left out. The first ones warm up.
    ///
    /// # Errors
    /// As [`Executable::forward`]; a limitation where the device is no GPU.
    #[cfg(any(feature = "cuda", feature = "sim"))]
    pub fn time<'a>(&self, inputs: impl Bind<'a>, copies: usize, repeats: usize) -> Result<Vec<f64>> {
        match &self.runner {
            Runner::Cpu(_) => Err(Error::limitation(
                "the device `cpu` runs no kernels, so it has none to time",
                "time kernels on a GPU, and whole runs on the CPU by a clock of your own",
            )),
            #[cfg(feature = "cuda")]
            Runner::Cuda(gpu) => gpu.time(&inputs.bind(), &self.options, copies, repeats),
            #[cfg(feature = "sim")]
            Runner::Sim(gpu) => gpu.time(&inputs.bind(), &self.options, copies, repeats),
            Runner::Null(gpu) => gpu.time(&inputs.bind(), &self.options, copies, repeats),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_plans_parse_as_they_print() {
        for name in ["cpu", "cuda:0", "cuda:7", "sim:sm_80", "sim:sm_90"] {
            assert_eq!(Device::parse(name).unwrap().to_string(), name);
        }
        for name in ["gpu", "cuda:", "cuda:-1", "cuda:x", "", "sim:", "sim:90", "cpu:0"] {
            assert_eq!(Device::parse(name).unwrap_err().exit_code(), 2);
        }
        assert_eq!(Device::parse("sim").unwrap(), Device::sim(Arch::Sm80));
        for plan in PlanChoice::ALL {
            assert_eq!(plan.to_string().parse::<PlanChoice>().unwrap(), plan);
        }
        assert!("fast".parse::<PlanChoice>().is_err());
    }
}
