//! The `chunkwise` command line: `list`, `explain`, `emit`, `run`, `check`, `bench`, `cache`, `doctor`.
//!
//! ```text
//! arguments -- args --> Command -- commands::* --> text on standard output, or a Failure with its exit code
//! ```
//!
//! Each command is one function in one file: it takes its arguments and an [`Output`], and returns an
//! [`Outcome`]. Nothing here computes: rules come from the catalogue or from `dsl`, text from `algebra` and `codegen`,
//! numbers from `runtime`.
//!
//! Exit codes: 0 success, 1 a check failed or our bug, 2 the user's mistake, 3 a limitation or an absent device.

pub mod args;
pub mod bench;
pub mod check;
pub mod commands;
pub mod counters;
pub mod diagnostics;
pub mod dims;
pub mod failure;
pub mod nearest;
pub mod output;
pub mod panic;
pub mod source;
pub mod table;

use args::{Arguments, Command};
use clap::Parser;
use clap::error::ErrorKind;
use failure::{Failure, Outcome};
use output::Output;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// The whole program: parses, runs, reports. Never panics.
pub fn run(arguments: impl Iterator<Item = OsString> + std::panic::UnwindSafe) -> ExitCode {
    panic::install_hook();
    show_warnings();
    match panic::catch(|| Arguments::try_parse_from(arguments).map(dispatch)) {
        Some(Ok(outcome)) => finish(outcome),
        Some(Err(usage)) => finish_usage(&usage),
        None => ExitCode::from(1),
    }
}

/// Warnings of the library (a cache that cannot be written) go to standard error.
fn show_warnings() {
    let layer = tracing_subscriber::fmt().with_writer(std::io::stderr).without_time().with_target(false);
    let layer = layer.with_max_level(tracing_subscriber::filter::LevelFilter::WARN);
    // A second initialisation, in a program that embeds this, keeps the first.
    let _ = layer.with_ansi(std::io::stderr().is_terminal()).try_init();
}

/// Runs one command.
fn dispatch(arguments: Arguments) -> Outcome {
    let mut output = Output::new();
    match arguments.command {
        Command::List(arguments) => commands::list(&arguments, &mut output)?,
        Command::Explain(arguments) => commands::explain(&arguments, &mut output)?,
        Command::Emit(arguments) => commands::emit(&arguments, &mut output)?,
        Command::Run(arguments) => commands::run(&arguments, &mut output)?,
        Command::Check(arguments) => commands::check(&arguments, &mut output)?,
        Command::Bench(arguments) => commands::bench(&arguments, &mut output)?,
        Command::Cache(arguments) => commands::cache(&arguments, &mut output)?,
        Command::Doctor(arguments) => commands::doctor(&arguments, &mut output)?,
    }
    output.flush()
}

/// Reports a failure on standard error.
fn finish(outcome: Outcome) -> ExitCode {
    let Err(failure) = outcome else { return ExitCode::SUCCESS };
    // Standard error may be closed; the exit code still tells.
    let _ = std::io::stderr().write_all(failure.text().as_bytes());
    ExitCode::from(failure.exit_code())
}

/// Help and version go to standard output with success; anything else is a usage error.
fn finish_usage(usage: &clap::Error) -> ExitCode {
    let printed = usage.print();
    match (usage.kind(), printed) {
        (ErrorKind::DisplayHelp | ErrorKind::DisplayVersion, Ok(())) => ExitCode::SUCCESS,
        (ErrorKind::DisplayHelp | ErrorKind::DisplayVersion, Err(error)) => finish(Err(Failure::from(error))),
        _ => ExitCode::from(2),
    }
}
