//! A real GPU: finding the driver, memory, launches, and what the driver's refusals mean.
//!
//! The driver is opened at run time; without one, [`Cuda::open`] says what was looked for, and nothing else here runs.
//! Every result of the driver is checked: memory that is not there is a limitation, everything else that fails after the
//! tensors were checked is our bug.
//!
//! `cudarc` opens the driver's library when it is first used and panics where there is none, so its presence is asked
//! for first, under the same names. (`cudarc` has such a question itself, but not in a build where another crate makes it
//! link the driver directly; this one is right in both.)

use super::driver::{Call, Driver, Queue};
use crate::error::{Error, Result};
use crate::nvrtc::{Binary, Code};
use chunkwise_codegen::{Arch, Kernel};
use cudarc::driver::sys::{self, CUdevice_attribute, CUevent_flags, CUfunction_attribute_enum, CUresult};
use cudarc::driver::{
    CudaContext, CudaEvent, CudaFunction, CudaSlice, CudaStream, DevicePtr, DevicePtrMut, DriverError, result,
};
use cudarc::nvrtc::Ptx;
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

/// One GPU, opened.
#[derive(Debug)]
pub(crate) struct Cuda {
    stream: Arc<CudaStream>,
    arch: Arch,
    multiprocessors: usize,
    context: Arc<CudaContext>,
}

/// What fresh memory is filled with: a NaN in every float type.
const POISON: u8 = 0xff;

/// The driver's library by the names that it has.
const LIBRARIES: &[&str] =
    if cfg!(windows) { &["nvcuda.dll"] } else { &["libcuda.so", "libcuda.so.1", "libcuda.dylib"] };

impl Cuda {
    /// Opens GPU number `ordinal`.
    ///
    /// # Errors
    /// Absent, where there is no driver or no such GPU; a limitation, where it is of a kind that has no kernels.
    pub(crate) fn open(ordinal: usize) -> Result<Cuda> {
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
        let count = context.attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
        let count = count.map_err(|e| failed("asking for its multiprocessors", e))?;
        let multiprocessors = usize::try_from(count).unwrap_or(1);
        Ok(Cuda { stream: context.default_stream(), arch, multiprocessors, context })
    }
}

impl Driver for Cuda {
    type Function = CudaFunction;
    type Queue = CudaQueue;

    fn arch(&self) -> Arch {
        self.arch
    }

    fn multiprocessors(&self) -> usize {
        self.multiprocessors
    }

    fn code(&self) -> Code {
        Code::Machine
    }

    fn compiler_options(&self) -> &'static [&'static str] {
        &[]
    }

    fn stands_in(&self) -> bool {
        true
    }

    /// Loads the machine code and asks for the shared memory that it needs.
    fn load(&self, binary: &Binary, kernel: &Kernel) -> Result<CudaFunction> {
        let module = self.context.load_module(Ptx::from_binary(binary.cubin.clone()));
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
    fn queue(self: &Arc<Self>) -> Result<CudaQueue> {
        self.context.bind_to_thread().map_err(|e| failed("choosing the GPU", e))?;
        Ok(CudaQueue { stream: self.stream.clone(), memory: Vec::new() })
    }

    unsafe fn queue_on(self: &Arc<Self>, stream: *mut c_void) -> Result<CudaQueue> {
        self.context.bind_to_thread().map_err(|e| failed("choosing the GPU", e))?;
        // SAFETY: the caller's promise: a stream of this GPU's, which outlives the queue, and so this.
        let stream = unsafe { self.context.wrap_borrowed_stream(stream.cast()) };
        Ok(CudaQueue { stream, memory: Vec::new() })
    }
}

/// A stream, and the memory that was taken for it. Its order is that of the stream.
#[derive(Debug)]
pub(crate) struct CudaQueue {
    stream: Arc<CudaStream>,
    memory: Vec<CudaSlice<u8>>,
}

impl Queue for CudaQueue {
    type Function = CudaFunction;

    fn upload(&mut self, name: &str, bytes: &[u8]) -> Result<u64> {
        if bytes.is_empty() {
            return self.allocate(name, 0);
        }
        let slice = self.stream.clone_htod(bytes).map_err(|e| failed("copying to the GPU", e))?;
        let (address, used) = slice.device_ptr(&self.stream);
        drop(used);
        self.memory.push(slice);
        Ok(address)
    }

    /// At least one byte is taken, so that there is an address.
    fn allocate(&mut self, _: &str, bytes: usize) -> Result<u64> {
        let stream = &self.stream;
        // SAFETY: the numbers are bytes, for which any pattern is valid, and they are filled before they are used.
        let slice = unsafe { stream.alloc::<u8>(bytes.max(1)) };
        let mut slice = slice.map_err(|e| failed("asking for memory", e))?;
        let (address, used) = slice.device_ptr_mut(stream);
        // SAFETY: the allocation at this address has this many bytes, and the stream is the one it was made on.
        unsafe { result::memset_d8_async(address, POISON, bytes.max(1), stream.cu_stream()) }
            .map_err(|e| failed("filling memory", e))?;
        drop(used);
        self.memory.push(slice);
        Ok(address)
    }

    /// One call of the driver's, but for asking which GPU is the thread's current one: a stream that is being captured takes
    /// both.
    fn launch(&mut self, call: Call<'_, CudaFunction>) -> Result<()> {
        let Call { function, kernel, blocks, arguments } = call;
        self.stream.context().bind_to_thread().map_err(|e| failed("choosing the GPU", e))?;
        let mut bytes = arguments.len();
        let key = |key: u32| ptr::without_provenance_mut::<c_void>(key as usize);
        let mut packed = [
            key(sys::CU_LAUNCH_PARAM_BUFFER_POINTER_AS_INT),
            arguments.as_ptr().cast_mut().cast(),
            key(sys::CU_LAUNCH_PARAM_BUFFER_SIZE_AS_INT),
            (&raw mut bytes).cast(),
            key(sys::CU_LAUNCH_PARAM_END_AS_INT),
        ];
        // SAFETY: the bytes were laid out by the kernel's own list of arguments, each with the size and at the alignment that
        // its parameter has; the driver copies them before it returns. What they point to has the sizes that the kernel
        // reads and writes: a run's own buffers, made for it, which it waits for, or those of a caller who promised so
        // (`Prepared::launch`).
        let launched = unsafe {
            sys::cuLaunchKernel(
                function.cu_function(),
                blocks,
                1,
                1,
                kernel.threads,
                1,
                1,
                kernel.shared,
                self.stream.cu_stream(),
                ptr::null_mut(),
                packed.as_mut_ptr(),
            )
        };
        launched.result().map_err(|e| failed("launching a kernel", e))
    }

    fn wait(&mut self) -> Result<()> {
        self.stream.synchronize().map_err(|e| failed("running a kernel", e))
    }

    /// An event before each set of calls and one after it; nothing waits until all are enqueued.
    fn time(&mut self, sets: &[Vec<Call<'_, CudaFunction>>], repeats: usize) -> Result<Vec<f64>> {
        let timed = Some(CUevent_flags::CU_EVENT_DEFAULT);
        let stream = self.stream.clone();
        let event = || stream.record_event(timed).map_err(|e| failed("recording an event", e));
        let mut events = Vec::with_capacity(repeats);
        for calls in sets.iter().cycle().take(repeats) {
            let begin = event()?;
            calls.iter().try_for_each(|call| self.launch(*call))?;
            events.push((begin, event()?));
        }
        self.wait()?;
        let elapsed = |(begin, end): &(CudaEvent, CudaEvent)| begin.elapsed_ms(end).map(f64::from);
        events.iter().map(|pair| elapsed(pair).map_err(|e| failed("reading an event", e))).collect()
    }

    /// A GPU does not know; what was not written shows as NaNs.
    fn unwritten(&self, _: u64, _: usize) -> Option<usize> {
        None
    }

    fn download(&mut self, address: u64, bytes: usize) -> Result<Vec<u8>> {
        let mut found = vec![0u8; bytes];
        if bytes > 0 {
            // SAFETY: the target has this many bytes and lives until the stream is waited for, below; the driver refuses
            // what is no memory of the GPU's.
            unsafe { result::memcpy_dtoh_async(&mut found, address, self.stream.cu_stream()) }
                .map_err(|e| failed("copying from the GPU", e))?;
        }
        self.stream.synchronize().map_err(|e| failed("copying from the GPU", e))?;
        Ok(found)
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
fn failed(doing: &str, e: DriverError) -> Error {
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
