//! `chunkwise explain`: what was derived from a rule, as text from `algebra`; and what its fused kernel does, from the plan.

use crate::args::Explain;
use crate::counters::grouped;
use crate::failure::Outcome;
use crate::output::Output;
use crate::table::{Align, table};
use crate::{dims, source};
use chunkwise::Rule;
use chunkwise_algebra::explain::{self, Least, Setting};
use chunkwise_codegen::kernel::Spec;
use chunkwise_codegen::{Arch, fused};
use std::fmt::Write;

/// The architecture that `emit` takes by default too.
const ARCH: Arch = Arch::Sm90;

/// Columns of a page.
const WIDTH: usize = 98;

/// Runs the command.
///
/// # Errors
/// Mistakes in the rule or its dims.
pub fn explain(arguments: &Explain, output: &mut Output) -> Outcome {
    let found = source::find(&arguments.rule)?;
    let rule = found.rule();
    let sizes = dims::sizes(&rule.signature, &arguments.dims, |_| 128)?;
    let (element, element_bytes) = (arguments.dtype.to_string(), arguments.dtype.size());
    let setting = Setting { sizes: sizes.clone(), chunk: arguments.chunk, element, element_bytes };
    let spec = Spec { chunk: arguments.chunk, ..Spec::new(sizes, arguments.dtype) };
    output.text(explain::explain(rule, &setting) + &kernel(rule, &spec, &setting))
}

/// What the fused kernel does, where the rule has one.
fn kernel(rule: &Rule, spec: &Spec, setting: &Setting) -> String {
    let Ok(timeline) = rule.timeline.as_ref() else { return String::new() };
    let Ok(plan) = fused::choose(timeline, spec, ARCH) else { return String::new() };
    let (work, tokens) = (plan.work(), u64::from(plan.tokens));
    let least: Least = explain::least(timeline, setting);
    let row = |what: &str, of_chunk: u64, least: u64, unit: &str, than: &str| {
        let (count, ratio) = (of_chunk / tokens, of_chunk as f64 / (tokens * least) as f64);
        vec![format!("  {what}"), format!("{ratio:.2} of {than}"), grouped(count), unit.to_owned()]
    };
    let rows = [
        row("tensor cores", work.tensor_flops, least.chunkwise_flops, "flop", "the chunkwise form"),
        row("moved", work.bytes(), least.bytes(), "bytes", "each input and output once"),
    ];
    let title = "the fused kernel per token and state head";
    let remark = format!("counted from its plan: chunks of {tokens}, {ARCH}");
    let gap = WIDTH.saturating_sub(title.len() + remark.len()).max(2);
    let mut text = String::new();
    let rows = table(&[Align::Left, Align::Left, Align::Right, Align::Left], &rows);
    write!(text, "\n{title}{}{remark}\n{rows}", " ".repeat(gap)).expect("a string takes text");
    text
}
