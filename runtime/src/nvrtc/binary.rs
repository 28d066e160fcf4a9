//! What a compilation gives: the machine code, the PTX it came from, the compiler's log and what each kernel uses.

/// How far a text is compiled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Code {
    /// To machine code, which a GPU runs.
    #[default]
    Machine,
    /// To PTX, which the simulator runs: about two thirds of the time. The binary has no machine code and no resources.
    Ptx,
}

/// A compiled module: one text, one architecture, one or more kernels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binary {
    /// The machine code (an ELF image), as the driver loads it; empty where only PTX was asked for.
    pub cubin: Vec<u8>,
    /// The PTX text; what the simulator runs and `chunkwise emit --ptx` prints.
    pub ptx: String,
    /// The compiler's log: warnings, then ptxas's report. Without its timings, so that it is the same every time.
    pub log: String,
    /// One entry a kernel, in ptxas's order. Read from the log; a kernel that the log does not mention has none, and so
    /// has every kernel where only PTX was asked for.
    pub resources: Vec<KernelResources>,
}

/// What ptxas reports of one kernel. Spills of functions it calls are counted to it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KernelResources {
    /// The kernel's name, as in the text when declared `extern "C"`.
    pub kernel: String,
    /// 32-bit registers per thread.
    pub registers: u32,
    /// Bytes stored to local memory because registers ran out, summed over the instructions (not over loops).
    pub spill_store_bytes: u32,
    /// Bytes loaded back, counted in the same way.
    pub spill_load_bytes: u32,
    /// Bytes of stack per thread; more than the spills when an array is indexed by a variable.
    pub stack_bytes: u32,
    /// Bytes of static shared memory per block (dynamic shared memory is chosen at launch).
    pub shared_bytes: u32,
    /// Named barriers per block.
    pub barriers: u32,
}

impl Binary {
    /// What a kernel uses; `None` where the log does not mention it.
    pub fn resources_of(&self, kernel: &str) -> Option<&KernelResources> {
        self.resources.iter().find(|resources| resources.kernel == kernel)
    }
}
