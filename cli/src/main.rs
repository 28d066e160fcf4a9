//! The `chunkwise` binary; everything is in the library beside it, so that it is documented and tested as one.

use std::process::ExitCode;

fn main() -> ExitCode {
    chunkwise_cli::run(std::env::args_os())
}
