//! The CUDA compiler, found and loaded at run time: CUDA C++ text in, machine code, PTX and a report of registers and
//! spills out. Nothing of CUDA is needed to build; no GPU and no driver are needed to compile.
//!
//! ```no_run
//! use chunkwise_codegen::arch::Arch;
//! use chunkwise_runtime::nvrtc::Nvrtc;
//!
//! let nvrtc = Nvrtc::find()?;
//! let text = r#"extern "C" __global__ void fill(float* x) { x[threadIdx.x] = 1.0f; }"#;
//! let binary = nvrtc.compile(text, "fill", Arch::Sm90, &[])?;
//! assert_eq!(binary.resources[0].spill_store_bytes, 0);
//! # Ok::<(), chunkwise_runtime::Error>(())
//! ```
//!
//! Invariants: the library is opened by absolute path and stays loaded; the same text, options and library give the
//! same binary, log included.

mod binary;
mod error;
mod exit;
mod files;
mod library;
mod log;
mod search;

use std::fmt;
use std::path::{Path, PathBuf};

use chunkwise_codegen::arch::Arch;

pub use binary::{Binary, Code, KernelResources};
pub use exit::Busy;
pub use search::{Outcome, Searched, data_folder};

use crate::Error;
use library::{Api, Program};
use search::{Opened, Surroundings};

/// A loaded NVRTC. Cheap to clone; may be used from several threads at once.
#[derive(Clone)]
pub struct Nvrtc {
    api: Api,
    version: (u32, u32),
    path: PathBuf,
}

impl Nvrtc {
    /// Finds the library: see [`Searched`] for the order of places.
    ///
    /// # Errors
    /// [`Error::Absent`] with every place searched; [`Error::Mistake`] where `CHUNKWISE_NVRTC` is set and names no usable
    /// library.
    pub fn find() -> Result<Self, Error> {
        Self::search().0
    }

    /// Finds the library and reports each place that was searched, for `chunkwise doctor`.
    ///
    /// # Errors
    /// As [`Nvrtc::find`].
    pub fn search() -> (Result<Self, Error>, Vec<Searched>) {
        let around = Surroundings {
            variable: &|name| std::env::var_os(name),
            working_folder: std::env::current_dir().ok(),
            program: std::env::current_exe().ok(),
        };
        if let Some(path) = around.asked() {
            let place = "CHUNKWISE_NVRTC";
            let opened = Self::open(&path);
            let outcome = match &opened {
                Ok(nvrtc) => Outcome::Found(nvrtc.version()),
                Err(reason) => Outcome::Unusable(reason.clone()),
            };
            let searched = vec![Searched { place, path: Some(path.clone()), outcome }];
            return (opened.map_err(|reason| error::asked(&path, &reason)), searched);
        }
        let (opened, searched) = search::search(&around);
        match opened {
            Some(opened) => (Ok(Self::of(opened)), searched),
            None => (Err(error::not_found(&searched)), searched),
        }
    }

    /// Opens a library file, or the newest one in a folder (a toolkit's, pip's, or its own).
    ///
    /// # Errors
    /// A sentence that says why it cannot be used.
    pub fn open(path: &Path) -> Result<Self, String> {
        search::open(path).map(Self::of)
    }

    fn of(opened: Opened) -> Self {
        Self { api: opened.api, version: opened.version, path: opened.path }
    }

    /// The library's version: `13.5`.
    pub fn version(&self) -> String {
        format!("{}.{}", self.version.0, self.version.1)
    }

    /// The library's file; a bare name where the system's loader found it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The options that a text is compiled with: ours, then the caller's.
    ///
    /// `-v` puts registers and spills into the log. The rest fixes what would otherwise follow NVRTC's defaults.
    pub fn command_line(arch: Arch, code: Code, options: &[String]) -> Vec<String> {
        let target = match code {
            Code::Machine => arch.nvrtc_flag(),
            Code::Ptx => arch.nvrtc_ptx_flag(),
        };
        let ours = [&target, "--std=c++17", "--ptxas-options=-v"].map(String::from);
        ours.into_iter().chain(options.iter().cloned()).collect()
    }

    /// Compiles a text without includes to machine code. `name` is what messages call it; `options` are further options
    /// of NVRTC (`-lineinfo`), which must not name an architecture.
    ///
    /// # Errors
    /// [`Error::Limitation`] where this NVRTC does not know the architecture; [`Error::Bug`] where the text does not
    /// compile, with the log and the lines it names, or where the library itself fails.
    pub fn compile(&self, text: &str, name: &str, arch: Arch, options: &[String]) -> Result<Binary, Error> {
        self.compile_to(Code::Machine, text, name, arch, options)
    }

    /// The same, as far as `code` says.
    ///
    /// # Errors
    /// As [`Nvrtc::compile`].
    pub fn compile_to(
        &self,
        code: Code,
        text: &str,
        name: &str,
        arch: Arch,
        options: &[String],
    ) -> Result<Binary, Error> {
        self.check_arch(arch)?;
        let file = format!("{name}.cu");
        // Before the program, so that exit waits until the library has let go of that too.
        let _busy = Busy::begin()?;
        let program = Program::new(&self.api, text, &file)?;
        let verdict = program.compile(&Self::command_line(arch, code, options))?;
        exit::register();
        let log = log::without_timings(&program.log()?);
        if let Err(error) = verdict {
            // Without a log there is nothing that speaks of the text: the library itself failed.
            if log.trim().is_empty() {
                return Err(error);
            }
            let excerpts = log::excerpts(&log, &file, text);
            return Err(error::rejected(name, arch, &log, &excerpts));
        }
        let resources = log::resources(&log);
        let cubin = match code {
            Code::Machine => program.cubin()?,
            Code::Ptx => Vec::new(),
        };
        Ok(Binary { cubin, ptx: program.ptx()?, log, resources })
    }

    /// Has exit wait for another thread, which compiles. Exit waits from the first compilation of a process on, so that this is one
    /// of nothing where there was none yet.
    ///
    /// # Errors
    /// As [`Nvrtc::compile`].
    pub fn hold_exit(&self, arch: Arch) -> Result<Busy, Error> {
        if !exit::waits() {
            self.compile("extern \"C\" __global__ void nothing() {}", "nothing", arch, &[])?;
        }
        Busy::begin()
    }

    fn check_arch(&self, arch: Arch) -> Result<(), Error> {
        let known = self.api.archs()?;
        if known.contains(&arch.number()) {
            return Ok(());
        }
        Err(error::unsupported(arch, &format!("{self:?}"), &known))
    }
}

impl fmt::Debug for Nvrtc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NVRTC {} at {}", self.version(), self.path.display())
    }
}
