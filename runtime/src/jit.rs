//! From CUDA text to a binary, compiled once: by one thread of one process of all that want it, ever.
//!
//! ```no_run
//! use chunkwise_codegen::arch::Arch;
//! use chunkwise_runtime::jit::{Jit, Source};
//! use chunkwise_runtime::nvrtc::Code;
//!
//! let jit = Jit::user();
//! let text = r#"extern "C" __global__ void fill(float* x) { x[threadIdx.x] = 1.0f; }"#;
//! let source = Source { name: "fill".to_owned(), text: text.to_owned(), options: Vec::new(), code: Code::Machine };
//! let binary = jit.compile(&source, Arch::Sm90)?; // 40 ms the first time, then from disk, then from memory.
//! # Ok::<(), chunkwise_runtime::Error>(())
//! ```
//!
//! Invariants: the compiler is looked for only when the memory has no answer; where NVRTC is absent, a binary that *any*
//! NVRTC once made of the same text, options and architecture under the same version of Chunkwise is taken from the disk,
//! so that a machine with a filled cache needs no compiler.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use chunkwise_codegen::arch::Arch;

use crate::cache::{Cache, Recipe};
use crate::nvrtc::{Binary, Busy, Code, Nvrtc};
use crate::{Error, Result};

/// A text to compile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// What messages, line information and `chunkwise cache list` call it.
    pub name: String,
    /// CUDA C++ without includes.
    pub text: String,
    /// Options of NVRTC beyond ours, such as `-lineinfo`; no architecture.
    pub options: Vec<String>,
    /// How far.
    pub code: Code,
}

/// What turns texts into binaries: NVRTC; in tests, stand-ins that count and dawdle.
pub trait Compile: Send + Sync {
    /// The compiler's version; binaries of different versions are kept apart.
    ///
    /// # Errors
    /// [`Error::Absent`] where there is no compiler.
    fn version(&self) -> Result<String>;

    /// Compiles.
    ///
    /// # Errors
    /// As [`Nvrtc::compile`].
    fn compile(&self, source: &Source, arch: Arch) -> Result<Binary>;

    /// Has exit wait for another thread, which compiles, as long as what this gives lives; `None` where a process may end at
    /// any time.
    ///
    /// # Errors
    /// As [`Compile::compile`].
    fn hold_exit(&self, _arch: Arch) -> Result<Option<Busy>> {
        Ok(None)
    }
}

impl Compile for Nvrtc {
    fn version(&self) -> Result<String> {
        Ok(Nvrtc::version(self))
    }

    fn compile(&self, source: &Source, arch: Arch) -> Result<Binary> {
        self.compile_to(source.code, &source.text, &source.name, arch, &source.options)
    }

    fn hold_exit(&self, arch: Arch) -> Result<Option<Busy>> {
        Nvrtc::hold_exit(self, arch).map(Some)
    }
}

/// NVRTC, looked for when it is first needed; an absence is remembered too.
#[derive(Default)]
struct LazyNvrtc(OnceLock<Result<Nvrtc>>);

impl LazyNvrtc {
    fn get(&self) -> Result<&Nvrtc> {
        self.0.get_or_init(Nvrtc::find).as_ref().map_err(Error::clone)
    }
}

impl Compile for LazyNvrtc {
    fn version(&self) -> Result<String> {
        Ok(self.get()?.version())
    }

    fn compile(&self, source: &Source, arch: Arch) -> Result<Binary> {
        Compile::compile(self.get()?, source, arch)
    }

    fn hold_exit(&self, arch: Arch) -> Result<Option<Busy>> {
        self.get()?.hold_exit(arch).map(Some)
    }
}

/// A compiler with a cache before it. May be used from several threads at once.
pub struct Jit {
    compiler: Box<dyn Compile>,
    cache: Cache,
    compilations: AtomicU64,
}

impl Jit {
    /// NVRTC, found when first needed, and the user's cache ([`Cache::user`]).
    pub fn user() -> Self {
        Self::new(LazyNvrtc::default(), Cache::user())
    }

    /// A compiler and a cache of one's own.
    pub fn new(compiler: impl Compile + 'static, cache: Cache) -> Self {
        Self { compiler: Box::new(compiler), cache, compilations: AtomicU64::new(0) }
    }

    /// The binary of a text: from memory, from disk, or compiled. A cache that fails is never an error; it costs a
    /// compilation and one warning. Where PTX alone is asked for, a binary that has machine code too will do.
    ///
    /// # Errors
    /// Those of the compiler: [`Error::Absent`] without NVRTC, [`Error::Limitation`] for an architecture that it does
    /// not know, [`Error::Bug`] for a text that does not compile.
    pub fn compile(&self, source: &Source, arch: Arch) -> Result<Arc<Binary>> {
        let recipe = Recipe::of(source, arch);
        self.cache.remember(&recipe, || {
            if let Some(binary) = self.with_machine_code(source, arch) {
                return Ok(binary.as_ref().clone());
            }
            match self.compiler.version() {
                Ok(version) => self.cache.read_or_make(&recipe, &version, || {
                    self.compilations.fetch_add(1, Ordering::Relaxed);
                    self.compiler.compile(source, arch)
                }),
                Err(absent @ Error::Absent(_)) => self.cache.read_of_any_compiler(&recipe).ok_or(absent),
                Err(other) => Err(other),
            }
        })
    }

    /// What was compiled further than it is asked for.
    fn with_machine_code(&self, source: &Source, arch: Arch) -> Option<Arc<Binary>> {
        match source.code {
            Code::Machine => None,
            Code::Ptx => self.kept(&Source { code: Code::Machine, ..source.clone() }, arch),
        }
    }

    /// The same for several texts, all at one time.
    pub fn compile_all(&self, sources: &[Source], arch: Arch) -> Vec<Result<Arc<Binary>>> {
        std::thread::scope(|scope| {
            // Where no more threads are to be had, one text waits for another.
            let begin = |source| {
                let begun =
                    std::thread::Builder::new().spawn_scoped(scope, move || self.compile(source, arch));
                begun.map_err(|_| self.compile(source, arch))
            };
            let threads: Vec<_> = sources.iter().map(begin).collect();
            let join = |thread: std::result::Result<std::thread::ScopedJoinHandle<'_, _>, _>| match thread {
                Ok(thread) => thread.join().unwrap_or_else(|_| Err(panicked())),
                Err(compiled) => compiled,
            };
            threads.into_iter().map(join).collect()
        })
    }

    /// The same, but for a binary that nobody has to compile: from memory or from disk.
    pub fn kept(&self, source: &Source, arch: Arch) -> Option<Arc<Binary>> {
        let recipe = Recipe::of(source, arch);
        self.cache.kept(&recipe, || self.compiler.version().ok())
    }

    /// Compiles texts on a thread of their own. A process that exits meanwhile waits for the thread, so that what it compiles is on
    /// disk for the next.
    ///
    /// # Errors
    /// Those of the compiler, where it cannot begin. Those of the texts are in the result.
    pub fn compile_behind(self: &Arc<Self>, sources: Vec<Source>, arch: Arch) -> Result<Arc<Behind>> {
        let busy = self.compiler.hold_exit(arch)?;
        let (jit, behind) = (self.clone(), Arc::new(Behind::default()));
        let result = behind.clone();
        let work = move || {
            let _busy = busy;
            result.0.set(jit.compile_all(&sources, arch)).unwrap_or_default();
        };
        let thread = std::thread::Builder::new().name("compile".to_owned()).spawn(work);
        thread.map(|_detached| behind).map_err(|error| {
            Error::limitation(format!("no thread can be started: {error}"), "let runs wait for their kernels")
        })
    }

    /// How many texts this one has compiled, the failed ones included; what came from the cache does not count.
    pub fn compilations(&self) -> u64 {
        self.compilations.load(Ordering::Relaxed)
    }

    /// The cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }
}

fn panicked() -> Error {
    Error::bug("the compiler's thread panicked")
}

/// Binaries to come; see [`Jit::compile_behind`].
#[derive(Debug, Default)]
pub struct Behind(OnceLock<Vec<Result<Arc<Binary>>>>);

impl Behind {
    /// The binaries, in the order of their texts, once all are there.
    pub fn get(&self) -> Option<&[Result<Arc<Binary>>]> {
        self.0.get().map(Vec::as_slice)
    }

    /// Waits for them.
    pub fn wait(&self) -> &[Result<Arc<Binary>>] {
        self.0.wait()
    }
}

impl fmt::Debug for Jit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jit({:?}, {} compiled)", self.cache, self.compilations())
    }
}
