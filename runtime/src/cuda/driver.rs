//! Finding the driver and a GPU, loading kernels, and what the driver's refusals mean.
//!
//! `cudarc` opens the driver's library when it is first used and panics where there is none, so its presence is asked
//! for first, under the same names. (`cudarc` has such a question itself, but not in a build where another crate makes it
//! link the driver directly; this one is right in both.)

use crate::error::{Error, Result};
use chunkwise_codegen::{Arch, Kernel};
use cudarc::driver::sys::{CUfunction_attribute_enum, CUresult};
use cudarc::driver::{CudaContext, CudaFunction, CudaStream, DriverError};
use cudarc::nvrtc::Ptx;
use std::sync::Arc;

/// One GPU, opened.
#[derive(Debug)]
pub(super) struct Gpu {
    pub(super) stream: Arc<CudaStream>,
    pub(super) arch: Arch,
    context: Arc<CudaContext>,
}

/// The driver's library by the names that it has.
const LIBRARIES: &[&str] =
    if cfg!(windows) { &["nvcuda.dll"] } else { &["libcuda.so", "libcuda.so.1", "libcuda.dylib"] };

impl Gpu {
    /// Opens GPU number `ordinal`.
    pub(super) fn open(ordinal: usize) -> Result<Gpu> {
        if !driver_is_present() {
            return Err(Error::absent(
                format!(
                    "no NVIDIA driver was found for `cuda:{ordinal}`; looked for {}",
                    LIBRARIES.join(", ")
                ),
                "run on `cpu`, or install the NVIDIA driver; a container needs to be started with its GPUs",
            ));
        }
        let count = CudaContext::device_count().map_err(|e| unusable(ordinal, e))?;
        if usize::try_from(count).is_ok_and(|n| ordinal >= n) {
            return Err(Error::absent(
                format!("there is no `cuda:{ordinal}`: this machine has {count} GPUs that CUDA can see"),
                "run on `cpu`, or choose one from `cuda:0` on; CUDA_VISIBLE_DEVICES hides GPUs",
            ));
        }
        let context = CudaContext::new(ordinal).map_err(|e| unusable(ordinal, e))?;
        let (major, minor) =
            context.compute_capability().map_err(|e| failed("asking for its capability", e))?;
        let arch = u32::try_from(major).ok().zip(u32::try_from(minor).ok());
        let arch = arch.and_then(|(major, minor)| Arch::of_capability(major, minor)).ok_or_else(|| {
            let known = Arch::ALL.map(Arch::name).join(", ");
            Error::limitation(
                format!("`cuda:{ordinal}` has compute capability {major}.{minor}, which has no kernels"),
                format!("run on `cpu`; kernels are made for {known}"),
            )
        })?;
        Ok(Gpu { stream: context.default_stream(), arch, context })
    }

    /// Loads a compiled kernel and asks for the shared memory that it needs.
    pub(super) fn load(&self, cubin: &[u8], kernel: &Kernel) -> Result<CudaFunction> {
        let module = self.context.load_module(Ptx::from_binary(cubin.to_vec()));
        let module = module.map_err(|e| failed("loading a kernel", e))?;
        let function = module.load_function(&kernel.name).map_err(|e| failed("finding a kernel", e))?;
        // More than 48 KB has to be asked for (CUDA C++ Programming Guide, "Shared Memory").
        if kernel.shared > 48 * 1024 {
            let attribute = CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            let bytes = i32::try_from(kernel.shared).map_err(|_| Error::bug("shared memory past 2 GB"))?;
            function.set_attribute(attribute, bytes).map_err(|e| failed("asking for shared memory", e))?;
        }
        Ok(function)
    }

    /// Makes this GPU the calling thread's current one.
    pub(super) fn bind(&self) -> Result<()> {
        self.context.bind_to_thread().map_err(|e| failed("choosing the GPU", e))
    }
}

/// Whether the driver's library can be opened.
fn driver_is_present() -> bool {
    // SAFETY: opening a library runs its initialisers; these names are the NVIDIA driver's own, which does nothing but
    // set itself up until it is called.
    LIBRARIES.iter().any(|&name| unsafe { libloading::Library::new(name) }.is_ok())
}

/// The driver is there, but gives us no GPU.
fn unusable(ordinal: usize, e: DriverError) -> Error {
    Error::absent(
        format!("the NVIDIA driver gives no access to `cuda:{ordinal}`: {}", text(e)),
        "run on `cpu`, or see whether `nvidia-smi` lists the GPU; a driver and its kernel module must be of one version",
    )
}

/// What a failed call means once a GPU is open.
pub(super) fn failed(doing: &str, e: DriverError) -> Error {
    match e.0 {
        CUresult::CUDA_ERROR_OUT_OF_MEMORY => Error::limitation(
            "the tensors do not fit in the GPU's memory",
            "use smaller tensors, or run on `cpu`; `nvidia-smi` shows what else uses the memory",
        ),
        _ => Error::bug(format!("{doing} failed: {}", text(e))),
    }
}

/// `CUDA_ERROR_NO_DEVICE`, in the driver's own words where it has some.
fn text(e: DriverError) -> String {
    let words = e.error_string().ok().map(|s| s.to_string_lossy().into_owned());
    words.map_or_else(|| format!("{:?}", e.0), |words| format!("{:?}, {words}", e.0))
}
