//! `chunkwise doctor`: what this machine has, where it was looked for, and what to install.
//!
//! ```text
//! GPU: none
//!   no GPU was found for `cuda:0`
//!   help: run on `cpu`, or install an NVIDIA driver
//! NVRTC: 13.0 at /home/a/.local/share/chunkwise/nvrtc/..
//!   CHUNKWISE_NVRTC: not set
//!   ..
//! ```
//!
//! What is missing is a finding, not an error: the exit code is 0.

use crate::args::Doctor;
use crate::commands::cache::{counted, size};
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use chunkwise::{Device, Error, RuleExt};
use chunkwise_runtime::cache::Cache;
use chunkwise_runtime::install;
use chunkwise_runtime::nvrtc::{self, Nvrtc};
use indicatif::ProgressBar;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Runs the command.
///
/// # Errors
/// Those of the installation, and of standard output.
pub fn doctor(arguments: &Doctor, output: &mut Output) -> Outcome {
    if arguments.install {
        return install_nvrtc(output);
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    output.line(format!("chunkwise {}, {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH))?;
    output.line(format!("\nCPU: {threads} threads; every rule runs here, forward and backward"))?;
    gpu(output)?;
    let compiles = compiler(output)?;
    simulator(compiles, output)?;
    cache(output)
}

/// The GPU and its driver, found by asking for them.
fn gpu(output: &mut Output) -> Outcome {
    let driver = std::fs::read_to_string("/proc/driver/nvidia/version").ok();
    let driver = driver.as_deref().and_then(|text| text.lines().next()).map(str::trim);
    let rule = chunkwise::catalogue().iter().find_map(|entry| entry.rule);
    let device = Device::parse("cuda:0")?;
    match rule.map(|rule| rule().on(&device)) {
        Some(Ok(_)) => output.line(format!("\nGPU: {device} is there"))?,
        Some(Err(error)) => {
            output.line("\nGPU: none that can be used")?;
            findings(&error, output)?;
        }
        None => output.line("\nGPU: not asked for, the catalogue is empty")?,
    }
    output
        .line(format!("  NVIDIA driver: {}", driver.unwrap_or("not found (no /proc/driver/nvidia/version)")))
}

/// The CUDA compiler: what was found, and every place that was searched. Whether it is there.
fn compiler(output: &mut Output) -> Outcome<bool> {
    let (found, searched) = Nvrtc::search();
    let summary = match &found {
        Ok(nvrtc) => format!("{} at {}", nvrtc.version(), nvrtc.path().display()),
        Err(_) => "not found; `emit --ptx`, `emit --log`, GPUs and the simulator need it, nothing else does"
            .to_owned(),
    };
    output.line(format!("\nNVRTC, the CUDA compiler: {summary}"))?;
    for place in &searched {
        output.line(format!("  {place}"))?;
    }
    match found {
        Ok(_) => Ok(true),
        Err(error) => helps(&error, output).map(|()| false),
    }
}

/// The simulator, which needs the compiler and nothing else.
fn simulator(compiles: bool, output: &mut Output) -> Outcome {
    let ready = if compiles { "ready" } else { "waits for NVRTC" };
    output.line(format!(
        "\nSimulator: {ready}; `--device sim` runs a GPU's kernels on this CPU and says what they do wrong"
    ))
}

/// The disk cache of compiled kernels.
fn cache(output: &mut Output) -> Outcome {
    let cache = Cache::user();
    let Some(folder) = cache.folder() else {
        output.line("\nKernel cache: in memory only, there is no home folder")?;
        return output.line("  help: set CHUNKWISE_CACHE_DIR to a folder that can be written");
    };
    output.line(format!("\nKernel cache: {}", folder.display()))?;
    let entries = cache.list();
    let bytes = entries.iter().map(|entry| entry.bytes).sum();
    let damaged = entries.iter().filter(|entry| entry.kernel.is_none()).count();
    output.line(format!("  {}, {}, {damaged} damaged", counted(entries.len()), size(bytes)))?;
    match writable(folder) {
        Ok(()) => output.line("  writable"),
        Err(error) => {
            output.line(format!("  not writable ({error}): kernels are kept in memory only"))?;
            output.line("  help: set CHUNKWISE_CACHE_DIR to a folder that can be written")
        }
    }
}

/// Whether files can be made in a folder, or in what is nearest above it where it does not exist yet; nothing is left
/// behind.
fn writable(folder: &Path) -> io::Result<()> {
    let exists = |above: &&Path| !above.as_os_str().is_empty() && above.exists();
    let nearest = folder.ancestors().find(exists).unwrap_or(Path::new("."));
    if !nearest.is_dir() {
        return Err(io::Error::other(format!("{} is no folder", nearest.display())));
    }
    tempfile::tempfile_in(nearest).map(drop)
}

/// What an error says, as findings.
fn findings(error: &Error, output: &mut Output) -> Outcome {
    for message in error.messages() {
        output.line(format!("  {}", message.what))?;
    }
    helps(error, output)
}

/// The help of an error, as advice.
fn helps(error: &Error, output: &mut Output) -> Outcome {
    let helps = error.messages().iter().map(|message| &message.help).filter(|help| !help.is_empty());
    helps.into_iter().try_for_each(|help| output.line(format!("  help: {help}")))
}

/// Fetches NVRTC into the user's data folder.
fn install_nvrtc(output: &mut Output) -> Outcome {
    let folder = nvrtc::data_folder().ok_or_else(|| {
        Failure::mistake(
            "there is no folder to install NVRTC into: this user has no home folder",
            "set HOME, or install NVRTC yourself and set CHUNKWISE_NVRTC to its folder",
        )
    })?;
    let bar = ProgressBar::new_spinner().with_message(format!("fetching NVRTC into {}", folder.display()));
    bar.enable_steady_tick(Duration::from_millis(100));
    let installed = install::nvrtc(&folder);
    bar.finish_and_clear();
    let installed = installed?;
    let how = if installed.fetched { "installed" } else { "was there already" };
    output.line(format!("NVRTC {} {how}: {}", installed.nvrtc.version(), installed.nvrtc.path().display()))
}
