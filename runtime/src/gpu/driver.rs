//! What a machine that runs kernels has to offer: memory, copies and launches. A GPU, the simulator and a machine that does
//! nothing ([`super::null`]) offer the same.
//!
//! ```text
//! Driver -- load(binary) --> Function        once for each kernel
//!    |
//!  queue --> upload .. allocate .. launch .. wait .. download        in order
//! ```
//!
//! Everything above this (checking tensors, choosing types, laying out arguments, reading results) is one path for all,
//! so that what the simulator proves is what a GPU runs.
//!
//! Invariants: what [`Queue::allocate`] gives is poisoned, not zeroed, so that a kernel that leaves a part of its result
//! unwritten shows: as an error in the simulator, as NaNs on a GPU. And [`Queue::launch`] does nothing but launch: it takes no
//! memory, copies nothing and waits for nothing, so that a stream that is being captured takes it.

use crate::error::Result;
use crate::nvrtc::{Binary, Code};
use chunkwise_codegen::{Arch, Kernel};
use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;

/// A machine that runs kernels.
pub(crate) trait Driver: fmt::Debug + Send + Sync {
    /// A kernel, loaded.
    type Function: fmt::Debug + Send + Sync;

    /// Memory, copies and launches, in order.
    type Queue: Queue<Function = Self::Function>;

    /// What kernels are compiled for.
    fn arch(&self) -> Arch;

    /// How many blocks run at one time, if each fills a multiprocessor.
    fn multiprocessors(&self) -> usize;

    /// What of a kernel it loads.
    fn code(&self) -> Code;

    /// Options of the compiler beyond ours.
    fn compiler_options(&self) -> &'static [&'static str];

    /// Whether runs are in a hurry, so that other kernels stand in for those that are not compiled yet ([`super::kernels`]).
    fn stands_in(&self) -> bool;

    /// Makes a compiled kernel ready to be launched.
    ///
    /// # Errors
    /// A bug where the binary and the kernel do not belong together.
    fn load(&self, binary: &Binary, kernel: &Kernel) -> Result<Self::Function>;

    /// A queue with no memory in use.
    ///
    /// # Errors
    /// A bug where the machine does not answer.
    fn queue(self: &Arc<Self>) -> Result<Self::Queue>;

    /// A queue that launches into a stream of the caller's.
    ///
    /// # Safety
    /// The stream is one of this machine's, and outlives the queue.
    ///
    /// # Errors
    /// A limitation where the machine has no streams.
    unsafe fn queue_on(self: &Arc<Self>, stream: *mut c_void) -> Result<Self::Queue>;
}

/// Its memory lives as long as the queue, and whatever is asked of it sees the results of what was asked before.
pub(crate) trait Queue {
    /// A kernel, loaded.
    type Function;

    /// The address of a copy of the bytes: never 0, which means "absent" to a kernel. `name` is what messages call it.
    ///
    /// # Errors
    /// A limitation where the memory is not there.
    fn upload(&mut self, name: &str, bytes: &[u8]) -> Result<u64>;

    /// The address of poisoned room for `bytes` bytes, each of which a launch has to write.
    ///
    /// # Errors
    /// A limitation where the memory is not there.
    fn allocate(&mut self, name: &str, bytes: usize) -> Result<u64>;

    /// Begins to run a kernel. The machine may go on with it after this returns.
    ///
    /// # Errors
    /// Why the kernel cannot be launched, or, where the machine is done with it by then, what it found wrong.
    fn launch(&mut self, call: Call<'_, Self::Function>) -> Result<()>;

    /// Waits for all that was asked for.
    ///
    /// # Errors
    /// What the machine found wrong with a kernel.
    fn wait(&mut self) -> Result<()>;

    /// Times kernels by the machine's own clock: `repeats` times, one after the other, the next of `sets` of calls. Milliseconds
    /// of each.
    ///
    /// # Errors
    /// A limitation where the machine has no clock, else what the machine found wrong.
    fn time(&mut self, sets: &[Vec<Call<'_, Self::Function>>], repeats: usize) -> Result<Vec<f64>>;

    /// The first of so many bytes that nothing was ever written to, where the machine can tell.
    fn unwritten(&self, address: u64, bytes: usize) -> Option<usize>;

    /// So many bytes, after all that was asked for before.
    ///
    /// # Errors
    /// A bug where the machine does not answer.
    fn download(&mut self, address: u64, bytes: usize) -> Result<Vec<u8>>;
}

/// A launch.
#[derive(Debug)]
pub(crate) struct Call<'a, F> {
    /// The kernel, loaded.
    pub(crate) function: &'a F,
    /// The kernel, which says its threads and shared memory.
    pub(crate) kernel: &'a Kernel,
    /// Blocks, in one dimension; at least 1.
    pub(crate) blocks: u32,
    /// Every argument, each at a multiple of its alignment, as kernels find them.
    pub(crate) arguments: &'a [u8],
}

/// Derived, this would ask for functions that can be copied.
impl<F> Clone for Call<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Call<'_, F> {}
