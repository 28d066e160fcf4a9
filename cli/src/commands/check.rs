//! `chunkwise check`: random inputs through a rule, against the token loop in f64; see [`crate::check`].

use crate::args::Check;
use crate::check::cases::{Case, cases};
use crate::check::{Ratios, Setup, compare, run};
use crate::commands::note_chunk_without_chunks;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::table::{Align, table};
use crate::{dims, source};
use chunkwise::{Device, Error, PlanChoice, Rule};
use indicatif::{ProgressBar, ProgressStyle};

/// Sizes of dims that were not given, in order of appearance: small, all different, none a multiple of another.
const SIZES: [usize; 4] = [16, 24, 20, 28];

/// Runs the command.
///
/// # Errors
/// A failed check where a ratio is above its tolerance; mistakes and limitations of the rule and the device.
pub fn check(arguments: &Check, output: &mut Output) -> Outcome {
    let found = source::find(&arguments.rule)?;
    let rule = found.rule();
    note_chunk_without_chunks(arguments.plan, arguments.chunk);
    let setup = Setup {
        rule,
        device: Device::parse(&arguments.device)?,
        chunk: arguments.chunk.unwrap_or(16),
        dtype: arguments.dtype,
        precision: arguments.precision.into(),
        sizes: dims::sizes(&rule.signature, &arguments.dims, |index| SIZES[index % SIZES.len()])?,
        kernel: arguments.kernel.as_deref().map(source::kernel).transpose()?,
    };
    let cases = cases(arguments.tokens, arguments.heads, setup.chunk, &rule.signature);
    let plans = match (arguments.plan, &setup.kernel) {
        (Some(plan), _) => vec![plan],
        // A file holds one kernel, and `emit` prints that of the token loop where no plan is named.
        (None, Some(_)) => vec![PlanChoice::Recurrent],
        (None, None) => vec![PlanChoice::Recurrent, PlanChoice::Chunkwise],
    };
    let bar = progress(plans.len() * cases.len() * arguments.cases as usize);
    let mut verdict = Verdict::new(compare::tolerance(setup.dtype));
    let mut refused = None;
    for (index, &plan) in plans.iter().enumerate() {
        let text = match check_plan(&setup, plan, &cases, arguments, &bar, &mut verdict) {
            Ok(table) => table,
            // A plan that was asked for, or the last hope, fails; the others are passed over, with the reason.
            Err(Error::Limitation(why)) if arguments.plan.is_none() => {
                let text = format!("\n{plan}: not checked\n{why}\n");
                refused = Some(Error::Limitation(why));
                text
            }
            Err(other) => return Err(other.into()),
        };
        let header = if index == 0 { header(arguments, &setup) } else { String::new() };
        bar.suspend(|| output.text(header + &text).and_then(|()| output.flush()))?;
    }
    bar.finish_and_clear();
    match refused {
        Some(error) if verdict.compared == 0 => Err(error.into()),
        _ => verdict.report(rule, output),
    }
}

/// What is about to be checked, with all that is needed to repeat it.
fn header(arguments: &Check, setup: &Setup<'_>) -> String {
    let signature = &setup.rule.signature;
    let sizes = signature.dims.iter().zip(&setup.sizes).map(|(name, size)| format!("{name} = {size}"));
    format!(
        "{} on {}, {}, {}, chunk {}, seed {}\nRMS(error) / RMS(reference) against the token loop in f64\n",
        signature.name,
        setup.device,
        setup.dtype,
        sizes.collect::<Vec<_>>().join(", "),
        setup.chunk,
        arguments.seed
    )
}

/// Runs every case of one plan, and lays out its table.
fn check_plan(
    setup: &Setup<'_>,
    plan: PlanChoice,
    cases: &[Case],
    arguments: &Check,
    bar: &ProgressBar,
    verdict: &mut Verdict,
) -> Result<String, Error> {
    let mut columns = Vec::new();
    for case in cases {
        bar.set_message(format!("{plan}, {}", case.name));
        let ratios = worst_of_draws(setup, plan, case, arguments, bar)?;
        verdict.record(plan, case, &ratios);
        columns.push(ratios);
    }
    Ok(plan_table(plan, cases, &columns, verdict.tolerance))
}

/// The worst ratio of every tensor over all draws of one case.
fn worst_of_draws(
    setup: &Setup<'_>,
    plan: PlanChoice,
    case: &Case,
    arguments: &Check,
    bar: &ProgressBar,
) -> Result<Ratios, Error> {
    let mut worst = Ratios::new();
    for draw in 0..u64::from(arguments.cases) {
        let ratios = run(setup, plan, case, arguments.seed.wrapping_add(draw))?;
        bar.inc(1);
        if worst.is_empty() {
            worst = ratios;
        } else {
            worst.iter_mut().zip(ratios).for_each(|(most, ratio)| most.1 = most.1.max(ratio.1));
        }
    }
    Ok(worst)
}

/// A bar on standard error; nothing where that is no terminal.
fn progress(steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {elapsed}");
    let bar = ProgressBar::new(steps as u64);
    style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
}

/// The table of one plan: a row a tensor, a column a case; what fails has a mark.
fn plan_table(plan: PlanChoice, cases: &[Case], columns: &[Ratios], tolerance: f64) -> String {
    let mut rows =
        vec![[plan.to_string()].into_iter().chain(cases.iter().map(|c| c.name.to_owned())).collect()];
    for (row, (name, _)) in columns.first().into_iter().flatten().enumerate() {
        let cells = columns.iter().map(|ratios| match ratios.get(row) {
            Some(&(_, ratio)) if ratio > tolerance => format!("{ratio:.1e} !"),
            Some(&(_, ratio)) => format!("{ratio:.1e}"),
            None => String::new(),
        });
        rows.push([name.clone()].into_iter().chain(cells).collect::<Vec<String>>());
    }
    format!("\n{}", table(&vec![Align::Left; cases.len() + 1], &rows))
}

/// What the whole check comes to.
struct Verdict {
    tolerance: f64,
    compared: usize,
    worst: Option<(f64, String)>,
    failed: Vec<String>,
}

impl Verdict {
    fn new(tolerance: f64) -> Verdict {
        Verdict { tolerance, compared: 0, worst: None, failed: Vec::new() }
    }

    fn record(&mut self, plan: PlanChoice, case: &Case, ratios: &Ratios) {
        for (name, ratio) in ratios {
            let place = format!("`{name}` in {plan}, {}", case.name);
            self.compared += 1;
            if *ratio > self.tolerance {
                self.failed.push(place.clone());
            }
            if self.worst.as_ref().is_none_or(|(worst, _)| ratio > worst) {
                self.worst = Some((*ratio, place));
            }
        }
    }

    fn report(self, rule: &Rule, output: &mut Output) -> Outcome {
        let worst =
            self.worst.map(|(ratio, place)| format!("; worst {ratio:.1e}, {place}")).unwrap_or_default();
        output.line(format!("\n{} comparisons, tolerance {:.0e}{worst}", self.compared, self.tolerance))?;
        if self.failed.is_empty() {
            return output.line("pass");
        }
        output.line("FAIL")?;
        output.flush()?;
        // Not every rule forgives: feedback that overshoots makes of one rounding a different sequence.
        Err(Failure::Failed(format!(
            "rule `{}` differs from the token loop in {} of {} comparisons: {}\nhelp: try `--dtype f64`; where that passes, \
             the rule itself makes rounding grow from token to token, by long keys or large rates",
            rule.signature.name,
            self.failed.len(),
            self.compared,
            listed(&self.failed)
        )))
    }
}

/// The first few of a list.
fn listed(places: &[String]) -> String {
    let more = if places.len() > 5 { ", .." } else { "" };
    format!("{}{more}", places.iter().take(5).cloned().collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_above_the_tolerance_fails_the_check() {
        let rule = chunkwise::rules::gla();
        let case = &cases(5, 2, 16, &rule.signature)[0];
        let mut verdict = Verdict::new(1e-4);
        verdict.record(PlanChoice::Chunkwise, case, &vec![("o".to_owned(), 1e-5), ("dq".to_owned(), 2e-4)]);
        let Err(failure) = verdict.report(rule, &mut Output::new()) else { panic!("it passed") };
        assert_eq!(failure.exit_code(), 1);
        let text = failure.text();
        let expected =
            "error: rule `gla` differs from the token loop in 1 of 2 comparisons: `dq` in chunkwise, plain";
        assert_eq!(text.lines().next(), Some(expected));
        assert!(text.contains("\nhelp: try `--dtype f64`") && text.ends_with('\n'), "{text}");
    }

    #[test]
    fn what_fails_is_marked() {
        let rule = chunkwise::rules::gla();
        let cases = &cases(5, 2, 16, &rule.signature)[..1];
        let columns = [vec![("o".to_owned(), 1e-5), ("dq".to_owned(), f64::INFINITY)]];
        let text = plan_table(PlanChoice::Chunkwise, cases, &columns, 1e-4);
        assert_eq!(text, "\nchunkwise  plain\no          1.0e-5\ndq         inf !\n");
    }
}
