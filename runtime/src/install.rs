//! Fetches NVRTC, the CUDA compiler library, through pip: for `chunkwise doctor --install` into the user's data folder
//! ([`data_folder`](crate::nvrtc::data_folder)), for the tests into `target/nvrtc`.
//!
//! ```text
//! python3 -m pip install --target DIR nvidia-cuda-nvrtc
//! ```
//!
//! Invariants: where a usable library is there already, nothing is run; of several processes at once one fetches and the
//! others wait for it; a library appears in the folder whole or not at all, since pip fills a folder beside it.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::nvrtc::Nvrtc;
use crate::{Error, Result};

/// What pip calls NVRTC.
const PACKAGE: &str = "nvidia-cuda-nvrtc";

/// An NVRTC that is in place.
#[derive(Clone, Debug)]
pub struct Installed {
    /// The library, loaded.
    pub nvrtc: Nvrtc,
    /// False where it was there already.
    pub fetched: bool,
}

/// One way to call pip.
struct Pip {
    program: &'static str,
    arguments: &'static [&'static str],
}

/// Tried in this order until one is there.
const PIPS: &[Pip] = &[
    Pip {
        program: "python3",
        arguments: &["-m", "pip", "install", "--disable-pip-version-check", "--no-input"],
    },
    Pip {
        program: "python",
        arguments: &["-m", "pip", "install", "--disable-pip-version-check", "--no-input"],
    },
    Pip { program: "pip3", arguments: &["install", "--disable-pip-version-check", "--no-input"] },
    Pip { program: "uv", arguments: &["pip", "install"] },
];

/// Makes sure that the folder holds a usable NVRTC, fetching the newest one through pip where it does not (some 60 MB).
///
/// # Errors
/// [`Error::Mistake`] where the folder cannot be written; [`Error::Absent`] where there is no pip or where pip fails,
/// with its words and the command to run by hand.
pub fn nvrtc(folder: &Path) -> Result<Installed> {
    install(folder, PIPS)
}

fn install(folder: &Path, pips: &[Pip]) -> Result<Installed> {
    let here = || Nvrtc::open(folder);
    if let Ok(nvrtc) = here() {
        return Ok(Installed { nvrtc, fetched: false });
    }
    let unwritable = |error: io::Error| {
        Error::mistake(
            format!("NVRTC cannot be installed into {}: {error}", folder.display()),
            "name a folder that can be written",
        )
    };
    fs::create_dir_all(folder).map_err(unwritable)?;
    let lock = File::create(folder.join(".lock")).map_err(unwritable)?;
    lock.lock().map_err(unwritable)?;
    if let Ok(nvrtc) = here() {
        return Ok(Installed { nvrtc, fetched: false });
    }
    let partial = folder.join(".partial");
    remove(&partial).map_err(unwritable)?;
    run_pip(&partial, folder, pips)?;
    move_all(&partial, folder).map_err(unwritable)?;
    match here() {
        Ok(nvrtc) => Ok(Installed { nvrtc, fetched: true }),
        Err(reason) => Err(Error::absent(
            format!("pip installed {PACKAGE} into {}, but it cannot be used: {reason}", folder.display()),
            "NVRTC exists for Linux and Windows only",
        )),
    }
}

/// Lets the first pip that is there fill `partial`; `folder` is what the message names.
fn run_pip(partial: &Path, folder: &Path, pips: &[Pip]) -> Result<()> {
    let by_hand = format!("python3 -m pip install --target '{}' {PACKAGE}", folder.display());
    for pip in pips {
        let Some(output) = call(pip, partial)? else { continue };
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::absent(
            format!("pip could not install {PACKAGE}: it ended with {}\n{words}", output.status),
            format!("when it is mended, run this again, or by hand: {by_hand}"),
        ));
    }
    Err(Error::absent(
        format!("pip, which fetches {PACKAGE}, was not found"),
        format!(
            "install Python 3 with pip (Debian, Ubuntu: `apt install python3-pip`), then run this again, or by hand: {by_hand}"
        ),
    ))
}

/// Runs one pip; `None` where it is not there (no such program, or a Python without pip).
fn call(pip: &Pip, partial: &Path) -> Result<Option<Output>> {
    let mut command = Command::new(pip.program);
    command.args(pip.arguments).arg("--target").arg(partial).arg(PACKAGE);
    // A user's configuration may ask for `--user`, which excludes `--target`.
    command.env("PIP_USER", "0").env("PIP_ROOT_USER_ACTION", "ignore");
    match command.stdin(Stdio::null()).output() {
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("No module named pip") => Ok(None),
        Ok(output) => Ok(Some(output)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::absent(
            format!("`{}` did not start: {error}", pip.program),
            format!("mend it, or run another pip by hand: pip install --target DIR {PACKAGE}"),
        )),
    }
}

/// Moves what is in one folder into another on the same file system, each entry at once, replacing what is there.
fn move_all(from: &Path, to: &Path) -> io::Result<()> {
    for entry in from.read_dir()? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        remove(&target)?;
        fs::rename(entry.path(), target)?;
    }
    fs::remove_dir(from)
}

/// Removes a file or a folder, if it is there.
fn remove(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A stand-in for pip: a script that notes that it ran, then does `body` with the folder to fill in `$target`.
    fn script(at: &Path, name: &str, body: &str) -> &'static str {
        let path = at.join(name);
        let text = format!(
            "#!/bin/sh\necho ran >> '{}/runs'\nwhile [ \"$1\" != --target ]; do shift; done\ntarget=$2\n{body}\n",
            at.display()
        );
        let draft = at.join("draft");
        fs::write(&draft, text).unwrap();
        // By another process: what this one writes, forks of other tests hold open, and then it cannot be run (ETXTBSY).
        let copied = Command::new("install").args([&draft, &path]).status().unwrap();
        assert!(copied.success());
        Box::leak(path.to_str().unwrap().to_owned().into_boxed_str())
    }

    fn runs(at: &Path) -> usize {
        fs::read_to_string(at.join("runs")).unwrap_or_default().lines().count()
    }

    /// A script's body that gives the folder a real NVRTC.
    fn fill() -> String {
        let nvrtc = Nvrtc::find().unwrap_or_else(|error| panic!("{error}\nrun `cargo xtask nvrtc`"));
        let library: PathBuf = nvrtc.path().canonicalize().unwrap();
        let libraries = library.parent().unwrap();
        format!(
            "mkdir -p $target/nvidia/cu13/lib && sleep 0.2 && ln -s '{}'/libnvrtc* $target/nvidia/cu13/lib",
            libraries.display()
        )
    }

    #[test]
    fn four_at_once_fetch_once_and_later_calls_do_nothing() {
        let here = tempfile::tempdir().unwrap();
        let folder = here.path().join("data/nvrtc");
        let program = script(here.path(), "pip", &fill());
        let install = || install(&folder, &[Pip { program, arguments: &["install"] }]).unwrap();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(install)).collect();
            let fetched = threads.into_iter().map(|thread| thread.join().unwrap().fetched);
            assert_eq!(fetched.filter(|fetched| *fetched).count(), 1);
        });
        assert!(!install().fetched);
        assert_eq!(runs(here.path()), 1);
        assert!(!folder.join(".partial").exists());
    }

    #[test]
    fn a_broken_installation_is_replaced() {
        let here = tempfile::tempdir().unwrap();
        let folder = here.path().join("nvrtc");
        fs::create_dir_all(folder.join("nvidia/cu13/lib")).unwrap();
        fs::write(folder.join("nvidia/cu13/lib/libnvrtc.so.13"), "cut off").unwrap();
        fs::create_dir_all(folder.join(".partial/nvidia")).unwrap();
        let program = script(here.path(), "pip", &fill());
        let installed = install(&folder, &[Pip { program, arguments: &[] }]).unwrap();
        assert!(installed.fetched);
        assert!(installed.nvrtc.path().starts_with(&folder));
    }

    #[test]
    fn a_failing_pip_is_quoted_and_the_command_named() {
        let here = tempfile::tempdir().unwrap();
        let program = script(here.path(), "pip", "echo 'ERROR: no network' >&2; exit 1");
        let error = install(&here.path().join("x"), &[Pip { program, arguments: &[] }]).unwrap_err();
        assert!(matches!(error, Error::Absent(_)), "{error:?}");
        let message = error.to_string();
        assert!(message.contains("ERROR: no network"), "{message}");
        assert!(message.contains("python3 -m pip install --target '"), "{message}");
        assert!(message.contains(PACKAGE), "{message}");
    }

    #[test]
    fn a_python_without_pip_is_passed_over() {
        let here = tempfile::tempdir().unwrap();
        let without =
            script(here.path(), "without", "echo '/usr/bin/python3: No module named pip' >&2; exit 1");
        let absent = Pip { program: "/nonexistent/python3", arguments: &[] };
        let pips = [absent, Pip { program: without, arguments: &[] }];
        let error = install(&here.path().join("x"), &pips).unwrap_err().to_string();
        assert!(error.contains("pip, which fetches nvidia-cuda-nvrtc, was not found"), "{error}");
        assert!(error.contains("python3-pip"), "{error}");
        assert_eq!(runs(here.path()), 1);
        let with = script(here.path(), "with", &fill());
        let pips = [Pip { program: without, arguments: &[] }, Pip { program: with, arguments: &[] }];
        assert!(install(&here.path().join("x"), &pips).unwrap().fetched);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let here = tempfile::tempdir().unwrap();
        fs::write(here.path().join("file"), "").unwrap();
        let error = install(&here.path().join("file/nvrtc"), &[]).unwrap_err();
        assert!(matches!(error, Error::Mistake(_)), "{error:?}");
        assert!(error.to_string().contains("file/nvrtc"), "{error}");
    }
}
