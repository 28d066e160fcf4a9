//! Results as files: JSON for programs, text for people.

use chunkwise::Error;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Makes a folder.
///
/// # Errors
/// Where it cannot be made.
pub fn folder(path: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(path).map_err(|e| cannot(path, e))
}

/// Writes JSON, indented.
///
/// # Errors
/// Where it cannot be written.
pub fn write(out: &Path, name: &str, value: &Value) -> Result<(), Error> {
    text(out, name, &format!("{value:#}\n"))
}

/// Writes text.
///
/// # Errors
/// Where it cannot be written.
pub fn text(out: &Path, name: &str, text: &str) -> Result<(), Error> {
    folder(out)?;
    let path = out.join(name);
    std::fs::write(&path, text).map_err(|e| cannot(&path, e))
}

fn cannot(path: &Path, error: std::io::Error) -> Error {
    Error::mistake(format!("cannot write {}: {error}", path.display()), "choose another folder with --out")
}

/// The NVIDIA driver's version, where it is loaded.
pub fn driver() -> Option<String> {
    let text = std::fs::read_to_string("/proc/driver/nvidia/version").ok()?;
    text.lines().next().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Today, as `2026-11-21`, in UTC; `None` where there is no `date` to ask.
pub fn date() -> Option<String> {
    let said = Command::new("date").args(["-u", "+%F"]).output().ok()?;
    String::from_utf8(said.stdout).ok().map(|text| text.trim().to_owned())
}

/// An object's members on one line.
pub fn line(about: &Value) -> String {
    let members = about.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let shown = members
        .map(|(key, value)| format!("{key} {}", value.as_str().map_or(value.to_string(), str::to_owned)));
    shown.collect::<Vec<_>>().join(", ")
}
