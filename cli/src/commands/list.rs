//! `chunkwise list`: the catalogue, with each rule's class and what works; nothing in it is written down by hand.
//!
//! ```text
//! name            family  decay   rank  feedback  cpu                   cuda
//! gated_deltanet  delta   scalar     1  linear    recurrent, chunkwise  recurrent
//! ```
//!
//! The class is what the compiler finds; "works" is found by trying: the CPU by running one token of every rule forward
//! and backward, CUDA by generating its kernel.

use crate::args::List;
use crate::check::cases::Case;
use crate::check::draw;
use crate::failure::Outcome;
use crate::output::Output;
use crate::table::{Align, table};
use chunkwise::catalogue::Entry;
use chunkwise::{Device, Element, Options, PlanChoice, Rule, RuleExt};
use chunkwise_codegen::dtype::DType;
use chunkwise_codegen::kernel::Spec;
use chunkwise_codegen::{Arch, Plan};
use chunkwise_dsl::class::classify;

/// Runs the command.
///
/// # Errors
/// Those of standard output alone.
pub fn list(_: &List, output: &mut Output) -> Outcome {
    let entries = chunkwise::catalogue();
    output.text(working(entries))?;
    output.line(
        "\ncpu: plans that run here, forward and backward. cuda: plans whose forward kernel `chunkwise emit` generates: \
         recurrent\nis the token loop; on tensor cores, fused walks chunks, split runs their phases side by side, segmented \
         pieces\nof a sequence. Backward kernels are not built yet.",
    )?;
    output.line("\nWaiting:")?;
    output.text(waiting(entries))
}

/// The table of rules that work.
fn working(entries: &[Entry]) -> String {
    const HEADER: [&str; 7] = ["name", "family", "decay", "rank", "feedback", "cpu", "cuda"];
    let rows = entries.iter().filter_map(|entry| {
        let rule = entry.rule?();
        let [decay, rank, feedback] = class(rule);
        let name = entry.name.to_owned();
        Some(vec![name, entry.family.label().to_owned(), decay, rank, feedback, cpu(rule), cuda(rule)])
    });
    let header = HEADER.map(String::from).to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
    use Align::{Left, Right};
    table(&[Left, Left, Left, Right, Left, Left, Left], &rows)
}

/// The table of systems that wait, with their reasons.
fn waiting(entries: &[Entry]) -> String {
    let rows = entries.iter().filter_map(|entry| Some((entry, entry.waiting?)));
    let rows =
        rows.map(|(entry, reason)| vec![format!("  {}", entry.name), entry.title.into(), reason.into()]);
    table(&[Align::Left; 3], &rows.collect::<Vec<_>>())
}

/// Decay, rank and feedback.
fn class(rule: &Rule) -> [String; 3] {
    match &rule.timeline {
        Ok(timeline) => {
            let class = classify(timeline);
            let coupled = if class.coupled { ", coupled" } else { "" };
            [class.decay.to_string(), class.rank.to_string(), format!("{}{coupled}", class.feedback)]
        }
        Err(_) => ["-", "-", "recurrent only"].map(String::from),
    }
}

/// The plans that run one token forward and backward on the CPU.
fn cpu(rule: &Rule) -> String {
    let case =
        Case { name: "token", batch: 1, tokens: 1, heads: 1, grouped: false, initial: true, lengths: None };
    let sizes: Vec<usize> = (0..rule.signature.dims.len()).map(|index| 2 + index).collect();
    let runs = |plan: &PlanChoice| {
        let options = Options { plan: *plan, dtype: Some(Element::F32), ..Options::default() };
        let inputs = draw::inputs(rule, &case, &sizes, 1.0, 1)?;
        rule.on(&Device::cpu())?.with_options(options).backward(&inputs)
    };
    let plans = [PlanChoice::Recurrent, PlanChoice::Chunkwise].into_iter().filter(|plan| runs(plan).is_ok());
    plans.map(|plan| plan.to_string()).collect::<Vec<_>>().join(", ")
}

/// The plans that have a forward kernel, and the largest dims for which they have it where that is below 128.
fn cuda(rule: &Rule) -> String {
    let with = |plan: Plan| {
        let has_kernel = |size: &usize| {
            let sizes = vec![*size; rule.signature.dims.len()];
            let spec = Spec::new(sizes, DType::BF16);
            rule.timeline.as_ref().is_ok_and(|timeline| plan.has_kernels(timeline, &spec, Arch::Sm80))
        };
        match [128, 64, 32, 16].into_iter().find(has_kernel)? {
            128 => Some(plan.to_string()),
            size => Some(format!("{plan} (dims to {size})")),
        }
    };
    let plans: Vec<String> = Plan::ALL.into_iter().filter_map(with).collect();
    if plans.is_empty() { "-".to_owned() } else { plans.join(", ") }
}
