//! Running named steps one after the other, each with its time, up to the first that fails.
//!
//! ```text
//! [2/7] lints: clippy on every target, warnings are errors
//!       cargo clippy --workspace --all-targets -- -D warnings
//! ..what the command prints..
//!       lints: 12.3 s
//! ```
//!
//! The commands write straight to the terminal, so nothing they say is lost or late.

use std::process::ExitCode;
use std::time::{Duration, Instant};

/// One thing to do.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    /// One word, also on the command line.
    pub(crate) name: &'static str,
    /// One line for people.
    pub(crate) purpose: &'static str,
    /// Does it; `Err` says what went wrong and what to do about it.
    pub(crate) run: fn() -> Result<(), String>,
}

/// Runs the steps in order, stops at the first failure, and ends with a table of times.
pub(crate) fn run(steps: &[Step]) -> ExitCode {
    let mut times: Vec<(&str, Duration)> = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        println!("[{}/{}] {}: {}", i + 1, steps.len(), step.name, step.purpose);
        let begun = Instant::now();
        let result = (step.run)();
        let time = begun.elapsed();
        if let Err(message) = result {
            eprintln!("\nFAILED at `{}` after {}: {message}", step.name, seconds(time));
            return ExitCode::FAILURE;
        }
        println!("      {}: {}\n", step.name, seconds(time));
        times.push((step.name, time));
    }
    if times.len() > 1 {
        for (name, time) in &times {
            println!("  {name:<12} {:>8}", seconds(*time));
        }
        println!("  {:<12} {:>8}", "all", seconds(times.iter().map(|(_, t)| *t).sum()));
        println!("\nAll {} steps passed.", times.len());
    }
    ExitCode::SUCCESS
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
