//! Modules and kernels, ready to run.
//!
//! ```text
//! let module = Module::parse(ptx)?;
//! let kernel = module.kernel("saxpy")?;
//! let mut memory = Global::new();
//! let x = memory.alloc_named(4 * n, 256, "x")?;
//! memory.write(x, &bytes)?;
//! let launch = Launch::linear(n.div_ceil(256), 256);
//! let report = kernel.run(&launch, &Arguments::new().pointer(x).u32(n), &mut memory, &Options::default())?;
//! ```
//!
//! A kernel is decoded once and may be launched from many threads, each with a memory of its own. A module's `.global`
//! variables are allocated and initialised in a memory by the first launch of one of its kernels there, and keep what
//! kernels write to them; its `.const` variables are part of the module.

use super::grid::{self, Run};
use super::launch::{self, Arguments, Error, Launch, Options};
use crate::count::Report;
use crate::decode::{self, Parameter};
use crate::flow::{Flow, Next};
use crate::memory::constant::Constant;
use crate::memory::global::Global;
use crate::syntax;
use crate::syntax::ast::{self, Space};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A module of PTX, parsed and verified.
#[derive(Clone, Debug)]
pub struct Module {
    loaded: Arc<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    /// Tells modules apart in a memory.
    id: u64,
    tree: ast::Module,
    constants: Constant,
    /// Offsets of constant variables; what the launch finds out of global ones is 0 here.
    variables: Vec<u64>,
}

/// A kernel, decoded.
#[derive(Clone, Debug)]
pub struct Kernel {
    program: Arc<Program>,
}

/// What the machine runs.
#[derive(Debug)]
pub(crate) struct Program {
    loaded: Arc<Loaded>,
    pub(crate) kernel: decode::Kernel,
    /// For each branch, the instruction where its lanes meet again.
    pub(crate) meets: Vec<u32>,
    pub(crate) constants: Constant,
}

impl Module {
    /// Reads a module.
    pub fn parse(text: &str) -> Result<Module, Error> {
        Module::from_tree(syntax::parse(text)?)
    }

    /// A module from its tree, which is verified.
    pub fn from_tree(tree: ast::Module) -> Result<Module, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        syntax::verify(&tree)?;
        let (constants, variables) = constants(&tree.variables);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Module { loaded: Arc::new(Loaded { id, tree, constants, variables }) })
    }

    /// Decodes one of its kernels.
    pub fn kernel(&self, name: &str) -> Result<Kernel, Error> {
        let loaded = &self.loaded;
        if loaded.tree.kernel(name).is_none() {
            let names: Vec<String> = self.kernels().map(|name| format!("`{name}`")).collect();
            return Err(Error::Launch(format!(
                "no kernel `{name}` in the module; it has {}",
                names.join(", ")
            )));
        }
        let kernel = decode::kernel(&loaded.tree, name)?;
        let meets = meets(&kernel);
        let constants = loaded.constants.clone();
        Ok(Kernel { program: Arc::new(Program { loaded: loaded.clone(), kernel, meets, constants }) })
    }

    /// The names of its kernels.
    pub fn kernels(&self) -> impl Iterator<Item = &str> {
        let functions = self.loaded.tree.functions.iter();
        functions
            .filter(|function| function.is_entry && function.has_body)
            .map(|function| function.name.as_str())
    }

    /// Its `.target`, such as `sm_90a`.
    pub fn target(&self) -> &str {
        &self.loaded.tree.target
    }

    /// The tree.
    pub fn tree(&self) -> &ast::Module {
        &self.loaded.tree
    }

    /// The address of a `.global` variable in a memory, allocated and initialised if it is not there yet.
    pub fn variable(&self, name: &str, memory: &mut Global) -> Result<u64, Error> {
        let variables = &self.loaded.tree.variables;
        let index = variables.iter().position(|v| v.name == name && v.space == Space::Global);
        let Some(index) = index else {
            return Err(Error::Launch(format!("no global variable `{name}` in the module")));
        };
        Ok(self.loaded.place(memory)?[index])
    }
}

impl Loaded {
    /// Where the variables lie; global ones are allocated when a memory is seen for the first time.
    fn place(&self, memory: &mut Global) -> Result<Vec<u64>, Error> {
        if !self.tree.variables.iter().any(|variable| variable.space == Space::Global) {
            return Ok(self.variables.clone());
        }
        if let Some(places) = memory.modules.get(&self.id) {
            return Ok(places.clone());
        }
        let refuse = |e: crate::memory::global::HostError| Error::Launch(e.to_string());
        let mut places = self.variables.clone();
        for (place, variable) in places.iter_mut().zip(&self.tree.variables) {
            if variable.space == Space::Global {
                let bytes = variable.bytes();
                let align = u64::from(variable.align.max(1));
                *place = memory.alloc_named(bytes, align, &variable.name).map_err(refuse)?;
                memory.fill(*place, bytes, 0).map_err(refuse)?;
                memory.write(*place, &variable.initial).map_err(refuse)?;
            }
        }
        memory.modules.insert(self.id, places.clone());
        Ok(places)
    }
}

/// Constant memory, and where each variable lies in it. What no initial value is given for is zero; that all is small, the
/// verifier has seen to.
fn constants(variables: &[ast::Variable]) -> (Constant, Vec<u64>) {
    let mut bytes = Vec::new();
    let mut places = vec![0; variables.len()];
    for (place, variable) in places.iter_mut().zip(variables) {
        if variable.space == Space::Const {
            let start = bytes.len().next_multiple_of(variable.align.max(1) as usize);
            *place = start as u64;
            bytes.resize(start, 0);
            bytes.extend(&variable.initial);
            bytes.resize(start + variable.bytes() as usize, 0);
        }
    }
    (Constant::new("const", &bytes), places)
}

fn meets(kernel: &decode::Kernel) -> Vec<u32> {
    let steps: Vec<Next> = kernel.code.iter().map(decode::Instruction::next).collect();
    let flow = Flow::of(&steps);
    (0..steps.len() as u32).map(|pc| flow.meet(pc)).collect()
}

impl Program {
    /// An instruction in words: `line 42 of gemm.cu (PTX line 310: ld.shared.f32 %f1, [%r2];)`.
    pub(crate) fn place(&self, pc: u32) -> String {
        let Some(instruction) = self.kernel.code.get(pc as usize) else {
            return "the end of the kernel".into();
        };
        let text = self.kernel.texts.get(instruction.text as usize).map_or("", String::as_str);
        let ptx = format!("PTX line {}: {text}", instruction.line);
        match instruction.source {
            None => ptx,
            Some(source) => {
                let files = &self.loaded.tree.files;
                let file = files.iter().find(|(number, _)| *number == source.file);
                let file = file.map_or("the source", |(_, name)| name.rsplit('/').next().unwrap_or(name));
                format!("line {} of {file} ({ptx})", source.line)
            }
        }
    }
}

impl Kernel {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.program.kernel.name
    }

    /// Its parameters, in order.
    pub fn params(&self) -> &[Parameter] {
        &self.program.kernel.params
    }

    /// Bytes of shared memory that it declares.
    pub fn shared_bytes(&self) -> u32 {
        self.program.kernel.shared_bytes
    }

    /// Bytes of local memory of each thread.
    pub fn local_bytes(&self) -> u32 {
        self.program.kernel.local_bytes
    }

    /// The most threads of a block, where it says.
    pub fn max_threads(&self) -> Option<u32> {
        self.program.kernel.max_threads
    }

    /// Its instructions.
    pub fn decoded(&self) -> &decode::Kernel {
        &self.program.kernel
    }

    /// Runs it. The counts of what it did, or the violation in the lowest block that has one; the memory then holds
    /// whatever was written until then.
    pub fn run(
        &self,
        launch: &Launch,
        arguments: &Arguments,
        memory: &mut Global,
        options: &Options,
    ) -> Result<Report, Error> {
        let program = &*self.program;
        launch::check(&program.kernel, &program.loaded.tree.target, launch)?;
        let params = Constant::new("param", &arguments.pack(&program.kernel)?);
        let variables = program.loaded.place(memory)?;
        let memory = memory.launch(options.checks);
        let threads = grid::threads(launch, options);
        let memory = if threads == 1 { memory.by_one_thread() } else { memory };
        grid::run(&Run { program, launch: *launch, options: *options, params, memory, variables, threads })
    }
}
