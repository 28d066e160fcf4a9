//! What a machine that runs kernels has to offer: memory, copies and launches. A GPU and the simulator offer the same.
//!
//! ```text
//! Driver -- load(binary) --> Function        once for each kernel
//!    |
//!  session --> upload .. allocate .. launch .. download        once for each run
//! ```
//!
//! Everything above this (checking tensors, choosing types, laying out arguments, reading results) is one path for both,
//! so that what the simulator proves is what a GPU runs.
//!
//! Invariant: what [`Session::allocate`] gives is poisoned, not zeroed. A kernel that leaves a part of its result
//! unwritten shows: as an error in the simulator, as NaNs on a GPU.

use crate::error::Result;
use crate::nvrtc::Binary;
use chunkwise_codegen::{Arch, Kernel, Strides};
use std::fmt;

/// A machine that runs kernels.
pub(crate) trait Driver: fmt::Debug + Send + Sync {
    /// A kernel, loaded.
    type Function: fmt::Debug + Send + Sync;

    /// One run.
    type Session<'a>: Session<Function = Self::Function>
    where
        Self: 'a;

    /// What kernels are compiled for.
    fn arch(&self) -> Arch;

    /// How many blocks run at one time, if each fills a multiprocessor.
    fn multiprocessors(&self) -> usize;

    /// Options of the compiler beyond ours.
    fn compiler_options(&self) -> &'static [&'static str];

    /// Makes a compiled kernel ready to be launched.
    ///
    /// # Errors
    /// A bug where the binary and the kernel do not belong together.
    fn load(&self, binary: &Binary, kernel: &Kernel) -> Result<Self::Function>;

    /// Begins a run, with no memory in use.
    ///
    /// # Errors
    /// A bug where the machine does not answer.
    fn session(&self) -> Result<Self::Session<'_>>;
}

/// One run: its memory lives until the session ends, and launches see each other's results in order.
pub(crate) trait Session {
    /// A kernel, loaded.
    type Function;

    /// Memory of the machine. One of no bytes has an address too, since null means "absent" to a kernel.
    type Buffer;

    /// A copy of the bytes. `name` is what messages call it.
    ///
    /// # Errors
    /// A limitation where the memory is not there.
    fn upload(&mut self, name: &str, bytes: &[u8]) -> Result<Self::Buffer>;

    /// Poisoned room for `bytes` bytes, each of which a launch has to write.
    ///
    /// # Errors
    /// A limitation where the memory is not there.
    fn allocate(&mut self, name: &str, bytes: usize) -> Result<Self::Buffer>;

    /// Runs a kernel on a line of blocks to its end.
    ///
    /// # Errors
    /// What the machine found wrong with the kernel.
    fn launch(&mut self, call: &Call<'_, Self::Function, Self::Buffer>) -> Result<()>;

    /// Times kernels by the machine's own clock: `repeats` times, one after the other, the next of `sets` of calls. Milliseconds
    /// of each.
    ///
    /// # Errors
    /// A limitation where the machine has no clock, else what the machine found wrong.
    fn time(
        &mut self,
        sets: &[Vec<Call<'_, Self::Function, Self::Buffer>>],
        repeats: usize,
    ) -> Result<Vec<f64>>;

    /// The first byte of a buffer that nothing was ever written to, where the machine can tell.
    fn unwritten(&self, buffer: &Self::Buffer) -> Option<usize>;

    /// The bytes of a buffer.
    ///
    /// # Errors
    /// A bug where the machine does not answer.
    fn download(&mut self, buffer: &Self::Buffer) -> Result<Vec<u8>>;
}

/// Which kernel runs, and on how many blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch<'a> {
    /// The kernel, which says its threads and shared memory.
    pub(crate) kernel: &'a Kernel,
    /// Blocks, in one dimension; at least 1.
    pub(crate) blocks: u32,
}

/// A launch with its arguments.
#[derive(Debug)]
pub(crate) struct Call<'a, F, B> {
    /// The kernel, loaded.
    pub(crate) function: &'a F,
    /// The kernel, and on how many blocks.
    pub(crate) launch: Launch<'a>,
    /// Every argument, in the kernel's order.
    pub(crate) values: Vec<Value<'a, B>>,
}

/// One argument of a kernel, as it is passed.
#[derive(Debug)]
pub(crate) enum Value<'a, B> {
    /// The address of a buffer.
    Buffer(&'a B),
    /// An absent tensor.
    Null,
    /// A count of tokens or sequences.
    Count(i64),
    /// A count of heads.
    Heads(u32),
    /// Where an input's numbers lie, as kernels take it.
    Strides([u8; Strides::BYTES]),
}
