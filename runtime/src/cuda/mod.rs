//! The CUDA device: the recurrent plan's kernel, compiled when a shape is first seen, launched through the driver.
//!
//! ```text
//! validate -> emit -> compile (memory, disk, NVRTC) -> load -> upload -> launch -> download
//! ```
//!
//! The driver is opened at run time ([`driver`]); without one, [`Cuda::new`] says what was looked for, and nothing else
//! here runs. Tensors live on the host between runs. Every result of the driver is checked: memory that is not there is
//! a limitation, everything else that fails after the checks is our bug.

mod driver;
mod launch;

use crate::bind::{Bindings, Tensors};
use crate::device::{Options, PlanChoice};
use crate::error::{Error, Result};
use crate::jit::{Jit, Source};
use crate::precision::{precision, token_vectors};
use crate::tensor::Element;
use crate::validate::{Pass, validate};
use chunkwise_codegen::recurrent::{self, Spec};
use chunkwise_codegen::{DType, Kernel};
use chunkwise_dsl::rule::Rule;
use chunkwise_dsl::timeline::Timeline;
use cudarc::driver::CudaFunction;
use driver::Gpu;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A rule on a GPU.
#[derive(Clone, Debug)]
pub(crate) struct Cuda {
    gpu: Arc<Gpu>,
    timeline: Arc<Timeline>,
    /// Which parameters are token vectors other than decays.
    vectors: Arc<[bool]>,
    /// Kernels that were loaded, one for each set of sizes and types seen so far.
    loaded: Arc<Mutex<LoadedKernels>>,
}

/// Kernels by what they were made for; few, so a list will do.
type LoadedKernels = Vec<(Spec, Arc<Loaded>)>;

/// A kernel in the GPU's memory.
#[derive(Debug)]
struct Loaded {
    kernel: Kernel,
    function: CudaFunction,
}

impl Cuda {
    /// Opens GPU number `ordinal` for a rule.
    pub(crate) fn new(rule: &Rule, ordinal: usize) -> Result<Cuda> {
        let timeline = rule.timeline.as_ref().map_err(|why| {
            Error::limitation(
                format!("`{}` has no kernel: {}", rule.signature.name, why.message),
                format!("run it on `cpu`; {}", why.hint),
            )
        })?;
        Ok(Cuda {
            timeline: Arc::new(timeline.clone()),
            gpu: Arc::new(Gpu::open(ordinal)?),
            vectors: token_vectors(rule).into(),
            loaded: Arc::default(),
        })
    }

    /// Checks the tensors, chooses types, and runs.
    pub(crate) fn run(&self, bindings: &Bindings<'_>, options: &Options, pass: Pass) -> Result<Tensors> {
        supported(options, pass)?;
        let problem = validate(&self.timeline.signature, bindings, pass)?;
        let precision = precision(&problem, &self.vectors, options)?;
        let spec = Spec { sizes: problem.layout.sizes.clone(), dtype: dtype(precision.tokens)? };
        let loaded = self.load(spec)?;
        launch::launch(&self.gpu, &loaded, &self.timeline.signature, &problem)
    }

    /// The kernel for these sizes and types, compiled and loaded where it is not yet.
    fn load(&self, spec: Spec) -> Result<Arc<Loaded>> {
        // A panic elsewhere leaves the list whole: entries are only ever pushed.
        let mut all = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = all.iter().find(|(s, _)| *s == spec) {
            return Ok(found.clone());
        }
        let kernel = recurrent::emit(&self.timeline, &spec)?;
        let source = Source { name: kernel.name.clone(), text: kernel.source.clone(), options: Vec::new() };
        let binary = jit().compile(&source, self.gpu.arch)?;
        let function = self.gpu.load(&binary.cubin, &kernel)?;
        let loaded = Arc::new(Loaded { kernel, function });
        all.push((spec, loaded.clone()));
        Ok(loaded)
    }
}

/// The compiler and cache that all devices of this process share.
fn jit() -> &'static Jit {
    static JIT: OnceLock<Jit> = OnceLock::new();
    JIT.get_or_init(Jit::user)
}

/// What has a kernel so far: the recurrent plan, forward.
fn supported(options: &Options, pass: Pass) -> Result<()> {
    let here = "on `cuda` there is the forward pass of the plan `recurrent`";
    if pass == Pass::Backward {
        return Err(Error::limitation(
            "the backward pass has no kernel yet",
            format!("run it on `cpu`; {here}"),
        ));
    }
    match options.plan {
        PlanChoice::Auto | PlanChoice::Recurrent => Ok(()),
        plan => Err(Error::limitation(format!("the plan `{plan}` has no kernel yet"), here)),
    }
}

/// The generator's name of an element type.
fn dtype(element: Element) -> Result<DType> {
    match element {
        Element::F64 => Ok(DType::F64),
        Element::F32 => Ok(DType::F32),
        Element::F16 => Ok(DType::F16),
        Element::BF16 => Ok(DType::BF16),
        Element::I32 | Element::I64 => Err(Error::bug(format!("a run in {element} was let through"))),
    }
}
