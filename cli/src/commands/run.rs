//! `chunkwise run`: tensors from a safetensors file through a rule, and the results to another.
//!
//! Everything that can be known to fail is checked before the work: the rule, the device, the output's path. The output
//! appears whole or not at all (`runtime::io`).

use crate::args::Run;
use crate::check::element;
use crate::commands::note_chunk_without_chunks;
use crate::failure::Outcome;
use crate::output::Output;
use crate::{counters, source};
use chunkwise::{Cold, Device, Options, PlanChoice, RuleExt, Tensors, io};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;
use std::time::Duration;

/// Runs the command.
///
/// # Errors
/// Mistakes in the rule, the tensors or the paths; limitations of the device.
pub fn run(arguments: &Run, output: &mut Output) -> Outcome {
    let found = source::find(&arguments.rule)?;
    let rule = found.rule();
    let mut executable = rule.on(&Device::parse(&arguments.device)?)?.with_options(options(arguments)?);
    if arguments.counters {
        executable = executable.counting_lines()?;
    }
    let read: Vec<&Path> = [arguments.input.as_path()].into_iter().chain(found.path()).collect();
    io::check_output(&arguments.output, &read)?;
    let inputs = waiting("reading", || io::read(&arguments.input))?;
    let results: Tensors = match arguments.backward {
        true => waiting("forward and backward", || executable.backward(&inputs))?,
        false => waiting("forward", || executable.forward(&inputs))?,
    };
    waiting("writing", || io::write(&arguments.output, &results))?;
    match arguments.counters {
        true => output.text(counters::text(&executable.counters())),
        false => Ok(()),
    }
}

/// The options of the device.
fn options(arguments: &Run) -> Outcome<Options> {
    let plan = arguments.plan.unwrap_or(PlanChoice::Auto);
    note_chunk_without_chunks(arguments.plan, arguments.chunk);
    Ok(Options {
        plan,
        chunk: arguments.chunk.unwrap_or(Options::default().chunk),
        dtype: arguments.dtype.map(element),
        precision: arguments.precision.into(),
        columns: arguments.columns,
        // A process of one run gives the same bits whatever is compiled already.
        cold: Cold::Wait,
        ..Options::default()
    })
}

/// Does one long thing, with its name and the time so far on standard error where that is a terminal. The device takes
/// all heads in one call, so that there is no count to show.
fn waiting<T>(what: &'static str, work: impl FnOnce() -> T) -> T {
    let bar = ProgressBar::new_spinner().with_message(what);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    let result = work();
    bar.finish_and_clear();
    result
}
