//! Fetches NVRTC, the CUDA compiler library, into a folder: `cargo run -p chunkwise-runtime --example install_nvrtc -- DIR`.
//!
//! ```text
//! NVRTC 13.5 fetched: target/nvrtc/nvidia/cu13/lib/libnvrtc.so.13
//! ```
//!
//! Where the folder has one already, nothing is fetched. `chunkwise doctor --install` does the same for the user's own
//! data folder.

use chunkwise_runtime::install;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [folder] = arguments.as_slice() else {
        eprintln!("error: one folder is expected\nhelp: install_nvrtc target/nvrtc");
        return ExitCode::from(2);
    };
    match install::nvrtc(folder) {
        Ok(installed) => {
            let how = if installed.fetched { "fetched" } else { "is there already" };
            println!("NVRTC {} {how}: {}", installed.nvrtc.version(), installed.nvrtc.path().display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}
