//! Running kernels in the simulator against the token loop in f64: the share that a test run takes, or all of them.
//!
//! ```text
//! cargo xtask prove                                   some kernels of each rule
//! cargo xtask prove --all                             every rule, plan, element type and size; half a day
//! cargo xtask prove --all --plan split --sizes 64,128 those of one plan, with dims of these sizes alone
//! cargo xtask prove --rule gla --seed 7
//! cargo xtask prove --case gla/bf16/K=64,V=100/7      one kernel, as a failure names it: of the token loop, or of
//! cargo xtask prove --case gla/fused/bf16/K=64,V=100/7   another plan
//! ```
//!
//! The program is `chunkwise-prove kernels`, which checks the options; this is the short way to it.

use crate::command::{cargo_status, shown};
use std::process::ExitCode;

/// Runs the proof with these options. Its exit codes: 0 everything agrees, 1 something does not, 2 a mistake in the
/// options, 3 a device that is not there.
pub(crate) fn run(options: &[&str]) -> ExitCode {
    let program = ["run", "--quiet", "--package", "chunkwise-prove", "--", "kernels"];
    let arguments = [program.as_slice(), options].concat();
    match cargo_status(&arguments, &[]) {
        Ok(status) => {
            status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => {
            eprintln!("error: `{}` did not start: {error}", shown(&arguments, &[]));
            ExitCode::FAILURE
        }
    }
}
