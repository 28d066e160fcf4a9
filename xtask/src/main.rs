//! Developer tasks: `cargo xtask <task>`.
//!
//! ```text
//! cargo xtask test            the test command: fetches what the tests need, then format, lints, docs, tests, quickstart
//! cargo xtask test lints      one step of it
//! cargo xtask prove           kernels in the simulator against the token loop; --all for every one of them
//! cargo xtask gpu-bundle      a folder that proves and times the kernels on a machine with a GPU, without Rust
//! cargo xtask nvrtc           installs NVRTC, the CUDA compiler library, into target/nvrtc
//! ```
//!
//! Exit code 0 where all went well, 1 where a step failed, 2 for a mistake on the command line.

mod bundle;
mod command;
mod prove;
mod quickstart;
mod steps;
mod suite;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["help"] => print_help(),
        words if words.iter().any(|w| matches!(*w, "-h" | "--help")) => print_help(),
        ["prove", options @ ..] => prove::run(options),
        ["gpu-bundle", options @ ..] => bundle::run(options),
        ["nvrtc"] => steps::run(&[suite::NVRTC]),
        ["test"] => steps::run(&suite::ALL),
        ["test", names @ ..] => match select(names) {
            Ok(chosen) => steps::run(&chosen),
            Err(message) => mistake(&message),
        },
        ["nvrtc", extra, ..] => mistake(&format!("`nvrtc` takes no argument, but `{extra}` was given")),
        [other, ..] => mistake(&format!("there is no task `{other}`")),
    }
}

/// The steps of the names, in the order of the whole test rather than that of the command line.
fn select(names: &[&str]) -> Result<Vec<steps::Step>, String> {
    if let Some(unknown) = names.iter().find(|n| suite::ALL.iter().all(|s| s.name != **n)) {
        let known: Vec<&str> = suite::ALL.iter().map(|s| s.name).collect();
        return Err(format!("`test` has no step `{unknown}`; its steps are {}", known.join(", ")));
    }
    Ok(suite::ALL.into_iter().filter(|s| names.contains(&s.name)).collect())
}

fn print_help() -> ExitCode {
    println!("Developer tasks of Chunkwise.\n");
    println!("usage: cargo xtask <task>\n");
    println!(
        "  test [STEP]..   everything a change has to pass, stopping at the first failure; or the named steps alone:"
    );
    for step in suite::ALL {
        println!("                    {:<12} {}", step.name, step.purpose);
    }
    println!("  prove [--all [--plan NAME] [--sizes N,..]] [--seed N] [--rule NAME] [--case LABEL]");
    println!(
        "                  kernels in the simulator against the token loop in f64: some of each rule, or all"
    );
    println!("  gpu-bundle [--wheels DIR]");
    println!(
        "                  a folder that proves and times the kernels on a machine with a GPU, without Rust or network"
    );
    println!("  nvrtc           {}", suite::NVRTC.purpose);
    println!("  help            this text");
    ExitCode::SUCCESS
}

fn mistake(message: &str) -> ExitCode {
    eprintln!("error: {message}\nhelp: `cargo xtask --help` lists the tasks");
    ExitCode::from(2)
}
