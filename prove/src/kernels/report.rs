//! What a proof shows while it runs and at its end.
//!
//! ```text
//! rule    kernels  none  failed  worst f32  worst f16  worst bf16  instructions
//! gla         300     0       0    3.1e-07    2.1e-04     1.7e-03   1,204,331,008
//! ```

use super::case::{Case, DTYPES};
use super::run::Verdict;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

/// A bar on standard error; nothing where that is no terminal.
pub fn bar(steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {elapsed}, about {eta} left");
    let bar = ProgressBar::new(steps as u64);
    style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
}

/// A row a rule, in the order in which they come.
pub fn table(verdicts: &[(Case, Verdict)]) -> String {
    let mut names: Vec<&str> = verdicts.iter().map(|(case, _)| case.rule.as_str()).collect();
    names.dedup();
    let header =
        ["rule", "kernels", "none", "failed", "worst f32", "worst f16", "worst bf16", "instructions"];
    let mut rows = vec![header.map(String::from)];
    rows.extend(names.iter().map(|name| row(name, verdicts)));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let numbers = row.iter().zip(&widths).skip(1).map(|(cell, width)| format!("  {cell:>width$}"));
        text += &format!("{:<width$}{}\n", row[0], numbers.collect::<String>(), width = widths[0]);
    }
    text
}

fn row(name: &str, verdicts: &[(Case, Verdict)]) -> [String; 8] {
    let of_rule: Vec<&(Case, Verdict)> = verdicts.iter().filter(|(case, _)| case.rule == name).collect();
    let count = |wanted: fn(&Verdict) -> bool| of_rule.iter().filter(|(_, v)| wanted(v)).count().to_string();
    let worst = |dtype| {
        let ratios = of_rule.iter().filter_map(|(case, verdict)| match verdict {
            Verdict::Proved { worst, .. } if case.dtype == dtype => Some(*worst),
            _ => None,
        });
        ratios.reduce(f64::max).map_or_else(String::new, |ratio| format!("{ratio:.1e}"))
    };
    let instructions = of_rule.iter().map(|(_, verdict)| match verdict {
        Verdict::Proved { instructions, .. } => *instructions,
        _ => 0,
    });
    let [f32, f16, bf16] = DTYPES.map(worst);
    [
        name.to_owned(),
        of_rule.len().to_string(),
        count(|v| matches!(v, Verdict::Refused(_))),
        count(|v| matches!(v, Verdict::Failed(_))),
        f32,
        f16,
        bf16,
        instructions.sum::<u64>().to_string(),
    ]
}

/// Every verdict, for programs.
pub fn json(verdicts: &[(Case, Verdict)]) -> Value {
    let one = |(case, verdict): &(Case, Verdict)| match verdict {
        Verdict::Proved { instructions, worst } => {
            json!({ "case": case.to_string(), "verdict": "proved", "worst": worst, "instructions": instructions })
        }
        Verdict::Refused(why) => json!({ "case": case.to_string(), "verdict": "refused", "why": why }),
        Verdict::Failed(what) => json!({ "case": case.to_string(), "verdict": "failed", "what": what }),
    };
    verdicts.iter().map(one).collect()
}

/// The reasons for which there are no kernels, each with how many it holds for, the most frequent first.
pub fn refusals(verdicts: &[(Case, Verdict)]) -> Vec<(String, usize)> {
    let mut reasons: Vec<(String, usize)> = Vec::new();
    for (_, verdict) in verdicts {
        let Verdict::Refused(why) = verdict else { continue };
        // Sizes make each message another one; the reason follows the colon after them.
        let first = why.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let reason = first.split_once(": ").map_or(first, |(_, reason)| reason);
        // Counts of registers differ too.
        let reason: String = reason.chars().filter(|c| !c.is_ascii_digit()).collect();
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => reasons.push((reason, 1)),
        }
    }
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    reasons
}

/// How many failures are told in full.
const TOLD: usize = 20;

/// The failures, each with the command that repeats it alone.
pub fn failures(verdicts: &[(Case, Verdict)]) -> String {
    let failed = verdicts.iter().filter_map(|(case, verdict)| match verdict {
        Verdict::Failed(what) => {
            Some(format!("{case}\n  {}\n  repeat: with --case {case}\n", what.join("\n  ")))
        }
        _ => None,
    });
    let failed: Vec<String> = failed.collect();
    let more = match failed.len().checked_sub(TOLD) {
        Some(more @ 1..) => format!("\nand {more} more\n"),
        _ => String::new(),
    };
    failed.iter().take(TOLD).cloned().collect::<Vec<_>>().join("\n") + &more
}
