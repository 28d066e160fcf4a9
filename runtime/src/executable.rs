//! A rule on a device: it takes tensors by name and returns tensors by name.
//!
//! ```text
//! rule.on(&device)?  .with_options(options)  .forward(&inputs)?  ->  o, s
//!                                            .prepare(&like, &mut queue)?  ->  launches on tensors of the device's
//! ```
//!
//! What runs is chosen by [`Options`].

use crate::bind::{Bind, Bindings, Tensors};
#[cfg(feature = "sim")]
use crate::counters::Launched;
use crate::cpu::Cpu;
#[cfg(any(feature = "cuda", feature = "sim"))]
use crate::error::Error;
use crate::error::Result;
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
use crate::options::Options;
#[cfg(any(feature = "cuda", feature = "sim"))]
use crate::prepared::{Prepared, PreparedKind, Queue, QueueKind, other_device};
use crate::validate::Pass;
#[cfg(any(feature = "cuda", feature = "sim"))]
use std::sync::Arc;

/// A rule on a device, ready to run any number of times.
#[derive(Clone, Debug)]
pub struct Executable {
    runner: Runner,
    options: Options,
}

#[derive(Clone, Debug)]
pub(crate) enum Runner {
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
    pub(crate) fn new(runner: Runner) -> Executable {
        Executable { runner, options: Options::default() }
    }

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

/// The CPU was asked for launches.
#[cfg(any(feature = "cuda", feature = "sim"))]
fn no_launches() -> Error {
    Error::limitation(
        "the device `cpu` launches nothing and has no memory of its own",
        "run on `cpu` by `Executable::forward`, or prepare launches on a GPU or in the simulator",
    )
}
