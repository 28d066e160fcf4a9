//! Runs the real binary in a folder of its own, with a cache of its own.

use chunkwise::{Tensor, Tensors, io};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A folder for one test.
pub(crate) struct Folder(TempDir);

/// What a run of the binary left.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Folder {
    /// A new folder.
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    /// The path of a file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Writes a safetensors file.
    pub(crate) fn tensors(&self, name: &str, tensors: &Tensors) {
        io::write(&self.path(name), tensors).unwrap();
    }

    /// Reads a safetensors file.
    pub(crate) fn read(&self, name: &str) -> Tensors {
        io::read(&self.path(name)).unwrap()
    }

    /// The binary, to be run in this folder, without colours and without the user's settings; only which NVRTC to take
    /// (`CHUNKWISE_NVRTC`) may come from outside.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chunkwise"));
        command.args(arguments).current_dir(self.0.path());
        command.env("CHUNKWISE_CACHE_DIR", self.path("cache")).env("NO_COLOR", "1");
        command.env_remove("COLUMNS").env_remove("RUST_BACKTRACE");
        command
    }

    /// Runs the binary; whatever it is given, it must not panic, die by a signal, or find a bug of ours.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ended = Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) };
        let ours = ["panicked", "this is a bug in chunkwise"].iter().any(|text| ended.stderr.contains(text));
        assert!(ended.code.is_some() && !ours, "{arguments:?}: {ended:?}");
        ended
    }

    /// Runs a command line that must succeed, and returns standard output.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended.stdout
    }
}

/// A tensor of f64.
pub(crate) fn tensor(shape: &[usize], numbers: Vec<f64>) -> Tensor {
    Tensor::new(shape, numbers).unwrap()
}

/// Numbers between -1 and 1 without a pattern, the same every time: the fractional parts of multiples of an irrational.
pub(crate) fn numbers(count: usize, salt: usize) -> Vec<f64> {
    (0..count)
        .map(|i| 2.0 * (((i + 1) * (2 * salt + 3)) as f64 * 0.618_033_988_749_894_9).fract() - 1.0)
        .collect()
}
