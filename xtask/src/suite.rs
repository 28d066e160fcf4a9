//! The steps of `cargo xtask test`, in the order they run: what is quick and often wrong comes first.
//!
//! Everything is built in one profile (`dev`, see the workspace's `Cargo.toml`), so that the steps share their builds.

use crate::command::{cargo, example, root, run_on, said};
use crate::quickstart;
use crate::steps::Step;

/// Fetching the CUDA compiler library, which the tests compile every generated kernel with. No GPU is needed.
pub(crate) const NVRTC: Step = Step {
    name: "nvrtc",
    purpose: "install NVRTC into target/nvrtc with pip, where it is not there yet",
    run: nvrtc,
};

/// The whole test.
pub(crate) const ALL: [Step; 6] = [
    Step { name: "format", purpose: "rustfmt changes nothing", run: format },
    NVRTC,
    Step { name: "lints", purpose: "clippy on every target, warnings are errors", run: lints },
    Step { name: "docs", purpose: "the documentation builds without warnings", run: docs },
    Step { name: "tests", purpose: "all tests of all crates, doc tests too", run: tests },
    Step { name: "quickstart", purpose: "the quickstart on small and on bad input", run: quickstart::check },
];

fn format() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"], &[]).map_err(|e| format!("{e}; `cargo fmt --all` mends it"))
}

/// Always into the repository's own `target`, where every test finds it, whatever folder cargo builds in.
fn nvrtc() -> Result<(), String> {
    let folder = root().join("target").join("nvrtc");
    let installed = run_on(&example("install_nvrtc")?, &folder)?;
    match installed.status.success() {
        true => println!("      {}", said(&installed).trim_end()),
        false => return Err(said(&installed)),
    }
    Ok(())
}

fn lints() -> Result<(), String> {
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])
}

fn docs() -> Result<(), String> {
    cargo(&["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])
}

/// `INSTA_UPDATE=no`: a snapshot that differs fails its test and leaves no file behind.
fn tests() -> Result<(), String> {
    cargo(&["test", "--workspace", "--no-fail-fast"], &[("INSTA_UPDATE", "no")])
}
