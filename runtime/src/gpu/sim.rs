//! The simulator as a machine that runs kernels: the PTX that NVRTC made of a kernel, lane by lane on the CPU.
//!
//! Every check is on: an access out of bounds, a read of what nobody wrote, two accesses that nothing orders, a collective
//! that some lanes miss. What it finds in a generated kernel is our bug, and the message says which line of the kernel
//! did what. Inputs are as they are; results are not written at first, and a kernel that leaves a byte of one so is found
//! out afterwards.
//!
//! Decoding is done once for each kernel and kept for the process, as binaries are: a decoded kernel is a few times the
//! size of its PTX, so only the [`KEPT`] newest are held.

use super::driver::{Call, Driver, Queue};
use crate::counters::Launched;
use crate::error::{Error, Result};
use crate::nvrtc::{Binary, Code};
use chunkwise_codegen::model::Gpu;
use chunkwise_codegen::{Arch, Kernel};
use chunkwise_sim::machine::{self, Arguments, Module};
use chunkwise_sim::memory::global::{Global, HostError};
use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

/// How many decoded kernels are kept.
const KEPT: usize = 64;

/// Allocations begin at multiples of this, as on a GPU (CUDA C++ Programming Guide, "Device Memory Accesses").
const ALIGN: u64 = 256;

/// A simulated GPU.
#[derive(Debug)]
pub(crate) struct Simulator {
    arch: Arch,
    lines: bool,
    /// The launches of the queue that launched last; each has a list of its own, since several may run at a time.
    counted: Mutex<Vec<Launched>>,
}

impl Simulator {
    /// The simulator of a GPU of this architecture.
    pub(crate) fn new(arch: Arch) -> Simulator {
        Simulator { arch, lines: false, counted: Mutex::default() }
    }

    /// The same, counting by line too.
    pub(crate) fn counting_lines(&self) -> Simulator {
        Simulator { lines: true, ..Simulator::new(self.arch) }
    }

    /// What the launches of the last run did.
    pub(crate) fn counters(&self) -> Vec<Launched> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Driver for Simulator {
    type Function = machine::Kernel;
    type Queue = Simulated;

    fn arch(&self) -> Arch {
        self.arch
    }

    /// Those of the first GPU of the architecture that the model knows.
    fn multiprocessors(&self) -> usize {
        let of_arch = Gpu::ALL.iter().find(|gpu| gpu.arch == self.arch);
        of_arch.map_or(1, |gpu| gpu.multiprocessors as usize)
    }

    fn code(&self) -> Code {
        Code::Ptx
    }

    /// With the lines of the source, which change no instruction, so that messages and counts can name them.
    fn compiler_options(&self) -> &'static [&'static str] {
        &["-lineinfo"]
    }

    fn stands_in(&self) -> bool {
        false
    }

    fn load(&self, binary: &Binary, kernel: &Kernel) -> Result<machine::Kernel> {
        decoded(&binary.ptx, &kernel.name)
    }

    fn queue(self: &Arc<Self>) -> Result<Simulated> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(Simulated { simulator: self.clone(), memory: Global::new(), launched: Vec::new() })
    }

    unsafe fn queue_on(self: &Arc<Self>, _: *mut c_void) -> Result<Simulated> {
        Err(Error::limitation("the simulator has no streams", "use `Executable::queue`"))
    }
}

/// Simulated memory, and what was launched on it. Every launch is run to its end at once.
#[derive(Debug)]
pub(crate) struct Simulated {
    simulator: Arc<Simulator>,
    memory: Global,
    launched: Vec<Launched>,
}

impl Queue for Simulated {
    type Function = machine::Kernel;

    fn upload(&mut self, name: &str, bytes: &[u8]) -> Result<u64> {
        let address = self.allocate(name, bytes.len())?;
        self.memory.write(address, bytes).map_err(host)?;
        Ok(address)
    }

    fn allocate(&mut self, name: &str, bytes: usize) -> Result<u64> {
        self.memory.alloc_named(bytes as u64, ALIGN, name).map_err(host)
    }

    fn launch(&mut self, call: Call<'_, machine::Kernel>) -> Result<()> {
        let Call { kernel, blocks, .. } = call;
        let grid = machine::Launch::linear(blocks, kernel.threads).dynamic_shared(kernel.shared);
        let arguments = Arguments::packed(call.arguments);
        let options = machine::Options { lines: self.simulator.lines, ..machine::Options::default() };
        let report = call.function.run(&grid, &arguments, &mut self.memory, &options).map_err(refused)?;
        self.launched.push(Launched {
            kernel: kernel.name.clone(),
            source: kernel.source.as_str().into(),
            blocks,
            threads: kernel.threads,
            report,
        });
        *self.simulator.counted.lock().unwrap_or_else(PoisonError::into_inner) = self.launched.clone();
        Ok(())
    }

    /// Every launch ran to its end.
    fn wait(&mut self) -> Result<()> {
        Ok(())
    }

    /// There is no clock that would mean anything.
    fn time(&mut self, _: &[Vec<Call<'_, machine::Kernel>>], _: usize) -> Result<Vec<f64>> {
        Err(Error::limitation(
            "the simulator counts, but it has no clock",
            "time kernels on a GPU; what the simulator counts is in its counters",
        ))
    }

    /// By halves: a range is written when all of its bytes are.
    fn unwritten(&self, address: u64, bytes: usize) -> Option<usize> {
        let is_written = |end: usize| self.memory.written(address, end as u64) == Ok(true);
        let (mut written, mut beyond) = (0, bytes + 1);
        while beyond - written > 1 {
            let middle = written + (beyond - written) / 2;
            if is_written(middle) {
                written = middle;
            } else {
                beyond = middle;
            }
        }
        (written < bytes).then_some(written)
    }

    fn download(&mut self, address: u64, bytes: usize) -> Result<Vec<u8>> {
        let mut found = vec![0; bytes];
        self.memory.read(address, &mut found).map_err(host)?;
        Ok(found)
    }
}

/// Decoded kernels by the hash of their PTX and their name, the newest last.
type Decoded = VecDeque<((blake3::Hash, String), machine::Kernel)>;

/// A kernel of a PTX text, decoded where it is not yet.
fn decoded(ptx: &str, name: &str) -> Result<machine::Kernel> {
    static ALL: Mutex<Decoded> = Mutex::new(VecDeque::new());
    let key = (blake3::hash(ptx.as_bytes()), name.to_owned());
    let held = || ALL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, kernel)) = held().iter().find(|(known, _)| *known == key) {
        return Ok(kernel.clone());
    }
    // Not under the lock, which others wait for; two threads that decode one kernel come to the same.
    let kernel = Module::parse(ptx).and_then(|module| module.kernel(name)).map_err(refused)?;
    let mut all = held();
    if all.len() >= KEPT {
        all.pop_front();
    }
    all.push_back((key, kernel.clone()));
    Ok(kernel)
}

/// What the simulator says about a kernel, or about itself.
fn refused(error: machine::Error) -> Error {
    use machine::Error as E;
    match error {
        E::Syntax(_) | E::Decode(_) => Error::limitation(
            format!("the simulator does not understand this kernel: {error}"),
            "run it on `cpu` or on a GPU, and please report the instruction",
        ),
        E::Launch(what) => Error::bug(what),
        E::Violation(violation) => Error::bug(format!("{violation}")),
    }
}

/// What simulated memory says.
fn host(error: HostError) -> Error {
    match error {
        HostError::TooLarge(_) => {
            Error::limitation(error.to_string(), "use smaller tensors, or run on `cpu`")
        }
        other => Error::bug(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_nobody_wrote_is_found() {
        let mut queue = Arc::new(Simulator::new(Arch::Sm80)).queue().unwrap();
        for (bytes, first) in [(64, 0), (64, 1), (64, 40), (64, 63), (1, 0)] {
            let room = queue.allocate("o", bytes).unwrap();
            queue.memory.write(room, &vec![7; first]).unwrap();
            assert_eq!(queue.unwritten(room, bytes), Some(first));
            queue.memory.write(room, &vec![7; bytes]).unwrap();
            assert_eq!(queue.unwritten(room, bytes), None);
            assert_eq!(queue.download(room, bytes).unwrap(), vec![7; bytes]);
        }
        let nothing = queue.allocate("o", 0).unwrap();
        assert_ne!(nothing, 0);
        assert_eq!(queue.unwritten(nothing, 0), None);
    }

    #[test]
    fn a_text_that_is_no_ptx_is_a_limitation() {
        assert_eq!(decoded("nonsense", "f").unwrap_err().exit_code(), 3);
    }
}
