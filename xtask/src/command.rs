//! Commands in the repository's root, shown before they run.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

/// The repository: the folder above this package.
pub(crate) fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// Where cargo builds: `CARGO_TARGET_DIR`, or `target`.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// Runs cargo with the arguments and more environment; its output goes to the terminal.
///
/// # Errors
/// The command line, where cargo does not start or ends with a code other than 0.
pub(crate) fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    let text = shown(arguments, environment);
    println!("      {text}");
    match cargo_status(arguments, environment) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{text}` ended with {status}; what it said is above")),
        Err(error) => Err(format!("`{text}` did not start: {error}")),
    }
}

/// Runs cargo with its output on the terminal, and says how it ended.
///
/// # Errors
/// Where cargo does not start.
pub(crate) fn cargo_status(arguments: &[&str], environment: &[(&str, &str)]) -> io::Result<ExitStatus> {
    command(arguments, environment).status()
}

/// Builds an example of any package, and says where it is.
///
/// It is built as one of the workspace's, and not by `cargo run`: a package by itself asks less of the libraries below it, and
/// they would all be built once more.
///
/// # Errors
/// Where it cannot be built.
pub(crate) fn example(name: &str) -> Result<PathBuf, String> {
    cargo(&["build", "--quiet", "--workspace", "--example", name], &[])?;
    Ok(target().join("debug/examples").join(name))
}

/// Runs a program on one path, and returns what it printed, whatever its exit code.
///
/// # Errors
/// Where it does not start.
pub(crate) fn run_on(program: &Path, path: &Path) -> Result<Output, String> {
    println!("      {} {}", program.display(), path.display());
    let output = Command::new(program).arg(path).current_dir(root()).stdin(Stdio::null()).output();
    output.map_err(|error| format!("`{}` did not start: {error}", program.display()))
}

/// What a program printed.
pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.args(arguments).envs(environment.iter().copied()).current_dir(root()).stdin(Stdio::null());
    command
}

/// The command as one would type it.
pub(crate) fn shown(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let quote = |word: &str| if word.contains(' ') { format!("'{word}'") } else { word.to_string() };
    let settings = environment.iter().map(|(name, value)| format!("{name}={} ", quote(value)));
    let words: Vec<String> = arguments.iter().map(|word| quote(word)).collect();
    format!("{}cargo {}", settings.collect::<String>(), words.join(" "))
}
