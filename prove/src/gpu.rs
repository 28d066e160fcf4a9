//! Micro-kernels on a real GPU, through the driver.

use crate::micro::BLOCKS;
use crate::micro::run::{Machine, bytes, words};
use cudarc::driver::{CudaContext, CudaStream, DriverError, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::Ptx;
use std::sync::Arc;

/// A GPU that runs micro-kernels. The driver compiles their PTX.
#[derive(Debug)]
pub struct Gpu {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
}

/// What fresh memory holds, so that a word that is never written shows.
const POISON: u32 = 0xdead_beef;

impl Gpu {
    /// Opens GPU number `ordinal`. Whether there is a driver at all has to be asked first (see
    /// [`chunkwise_runtime::RuleExt::on`]): without one this panics in the driver's own bindings.
    ///
    /// # Errors
    /// What the driver says.
    pub fn open(ordinal: usize) -> Result<Gpu, String> {
        let context = CudaContext::new(ordinal).map_err(text)?;
        let stream = context.default_stream();
        Ok(Gpu { context, stream })
    }

    /// Its name, as the driver gives it.
    ///
    /// # Errors
    /// What the driver says.
    pub fn name(&self) -> Result<String, String> {
        self.context.name().map_err(text)
    }
}

impl Machine for Gpu {
    fn run(&self, ptx: &str, reads: &[u32], writes: usize) -> Result<Vec<u32>, String> {
        let module = self.context.load_module(Ptx::from_src(ptx)).map_err(text)?;
        let function = module.load_function("micro").map_err(text)?;
        let from = self.stream.clone_htod(&bytes(reads)).map_err(text)?;
        let mut to = self.stream.clone_htod(&bytes(&vec![POISON; writes])).map_err(text)?;
        let geometry = LaunchConfig { grid_dim: (BLOCKS, 1, 1), block_dim: (32, 1, 1), shared_mem_bytes: 0 };
        let mut arguments = self.stream.launch_builder(&function);
        arguments.arg(&from).arg(&mut to);
        // SAFETY: a micro-kernel takes two addresses and reads and writes as many words for each of its threads as its
        // form says; the buffers were made from the same form, and live until the stream is waited for.
        unsafe { arguments.launch(geometry) }.map_err(text)?;
        let out = self.stream.clone_dtoh(&to).map_err(text)?;
        self.stream.synchronize().map_err(text)?;
        Ok(words(&out))
    }
}

fn text(e: DriverError) -> String {
    let words = e.error_string().ok().map(|s| s.to_string_lossy().into_owned());
    words.map_or_else(|| format!("{:?}", e.0), |words| format!("{:?}, {words}", e.0))
}
