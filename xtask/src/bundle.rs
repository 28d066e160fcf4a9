//! The GPU bundle: one folder that proves and times the kernels on a machine with an NVIDIA driver, NVRTC and Python with
//! torch, but no Rust and no network.
//!
//! ```text
//! cargo xtask gpu-bundle [--wheels DIR]  ->  target/gpu/
//!     chunkwise-prove    release build; kernels, micro-kernels, times
//!     run.sh peers.py    ./gpu/run.sh OUT runs everything
//!     wheels/            of peers to time beside, where given
//! ```

use crate::command::{cargo, root, target};
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

/// The most that the folder may hold.
const LIMIT: u64 = 60 << 20;

/// Builds the bundle.
pub(crate) fn run(options: &[&str]) -> ExitCode {
    let wheels = match options {
        [] => None,
        ["--wheels", folder] => Some(Path::new(*folder)),
        _ => {
            eprintln!("error: `gpu-bundle` takes `--wheels DIR` and nothing else");
            return ExitCode::from(2);
        }
    };
    match build(wheels) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("\nFAILED: {message}");
            ExitCode::FAILURE
        }
    }
}

fn build(wheels: Option<&Path>) -> Result<(), String> {
    let commit = commit();
    cargo(&["build", "--release", "--package", "chunkwise-prove"], &[("CHUNKWISE_COMMIT", &commit)])?;
    let folder = target().join("gpu");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| format!("cannot empty {}: {e}", folder.display()))?;
    }
    make(&folder)?;
    copy(&target().join("release/chunkwise-prove"), &folder)?;
    for name in ["run.sh", "peers.py"] {
        copy(&root().join("prove/bundle").join(name), &folder)?;
    }
    if let Some(wheels) = wheels {
        let into = folder.join("wheels");
        make(&into)?;
        let entries = fs::read_dir(wheels).map_err(|e| format!("cannot read {}: {e}", wheels.display()))?;
        let paths = entries.flatten().map(|entry| entry.path());
        for wheel in paths.filter(|path| path.extension().is_some_and(|extension| extension == "whl")) {
            copy(&wheel, &into)?;
        }
    }
    let bytes = size(&folder)?;
    println!("      {}: {:.1} MiB, commit {commit}", folder.display(), bytes as f64 / f64::from(1 << 20));
    println!("      take it to a machine with a GPU and run ./run.sh OUT");
    match bytes <= LIMIT {
        true => Ok(()),
        false => Err(format!("the bundle holds {bytes} bytes, and {LIMIT} is the most")),
    }
}

/// The commit, marked where files differ from it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(root()).output().ok()?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
    };
    let hash = git(&["rev-parse", "--short=12", "HEAD"]).filter(|text| !text.is_empty());
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_none_or(|text| !text.is_empty());
    hash.map_or_else(|| "unknown".into(), |hash| if changed { hash + "+changes" } else { hash })
}

fn make(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))
}

/// Copies a file into a folder; its mode goes with it.
fn copy(file: &Path, folder: &Path) -> Result<(), String> {
    let name = file.file_name().ok_or_else(|| format!("{} is no file", file.display()))?;
    fs::copy(file, folder.join(name)).map(|_| ()).map_err(|e| format!("cannot copy {}: {e}", file.display()))
}

/// Bytes of everything below a folder.
fn size(folder: &Path) -> Result<u64, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
    let mut bytes = 0;
    for entry in entries.flatten() {
        let data = entry.metadata().map_err(|e| format!("cannot read {}: {e}", entry.path().display()))?;
        bytes += if data.is_dir() { size(&entry.path())? } else { data.len() };
    }
    Ok(bytes)
}
