//! `chunkwise bench`: what kernels cost, counted, predicted and measured; see [`crate::bench`].

use crate::args::{Bench as Arguments, Dims};
use crate::bench::beside::Beside;
use crate::bench::{Bench, Problem, Setup, bench as bench_one, first, json, text};
use crate::dims;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::source::{self, Source};
use chunkwise::{Device, Error, PlanChoice, Rule};
use chunkwise_codegen::model::Gpu;
use chunkwise_codegen::{Arch, Plan};
use chunkwise_runtime::jit::Jit;
use chunkwise_runtime::nvrtc::Nvrtc;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Arc;
use std::time::Instant;

/// Runs the command.
///
/// # Errors
/// Mistakes in rules, dims or flags; a limitation where nothing that was asked for has a kernel; an absent compiler or GPU.
pub fn bench(arguments: &Arguments, output: &mut Output) -> Outcome {
    if arguments.first {
        return first(arguments, output);
    }
    let rules = rules(arguments)?;
    let setup = setup(arguments)?;
    let plans = plans(arguments);
    let sized = sized(&rules, &arguments.dims)?;
    if let Some(beside) = &setup.beside {
        beside.check(&sized, setup.problem, setup.dtype)?;
    }
    let bar = progress(rules.len() * plans.len());
    let (mut benches, mut refused): (Vec<Bench>, Vec<(String, Error)>) = (Vec::new(), Vec::new());
    for (rule, sizes) in sized {
        for &plan in plans {
            bar.set_message(format!("{}, {plan}", rule.signature.name));
            match bench_one(&setup, rule, plan, &sizes) {
                Ok(bench) => benches.push(bench),
                Err(Failure::Error(Error::Limitation(why))) => {
                    refused.push((format!("{}, {plan}", rule.signature.name), Error::Limitation(why)));
                }
                Err(other) => return Err(other),
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    if benches.is_empty() {
        // Something was asked for, so that something was refused.
        let first = refused.into_iter().next().map(|(_, error)| error);
        return Err(first.unwrap_or_else(|| Error::bug("nothing was benched, for no reason")).into());
    }
    print(arguments, &setup, &benches, &refused, output)?;
    // The table is there already where the file cannot be written.
    output.flush()?;
    if let Some(path) = &arguments.json {
        let document = format!("{:#}\n", json::document(&setup, &benches));
        std::fs::write(path, document).map_err(|error| {
            Failure::mistake(format!("cannot write {}: {error}", path.display()), "write it elsewhere")
        })?;
    }
    Ok(())
}

/// The plans asked for, or all.
fn plans(arguments: &Arguments) -> &'static [Plan] {
    arguments.plan.map_or(&Plan::ALL, PlanChoice::kernels)
}

/// How long first results take.
fn first(arguments: &Arguments, output: &mut Output) -> Outcome {
    let (rules, plans) = (rules(arguments)?, plans(arguments));
    let (arch, _) = target(arguments)?;
    let begin = Instant::now();
    let nvrtc = Nvrtc::find()?;
    let opened = begin.elapsed();
    let given = &arguments.dims;
    let usual: &[usize] = if given.k.is_some() || given.v.is_some() { &[128] } else { &[64, 128] };
    let bar = progress(rules.len() * plans.len() * usual.len());
    let (mut all, mut refused) = (Vec::new(), Vec::<(String, Error)>::new());
    for found in &rules {
        let rule = found.rule();
        for &size in usual {
            let sizes = dims::sizes(&rule.signature, &of_rule(rule, &rules, given), |_| size)?;
            let of = (arch, arguments.dtype);
            let run = match first::first_run(rule, &sizes, of, &nvrtc) {
                Ok(run) => run,
                Err(Failure::Error(why @ Error::Limitation(_))) => {
                    refused.push((rule.signature.name.clone(), why));
                    bar.inc(plans.len() as u64);
                    continue;
                }
                Err(other) => return Err(other),
            };
            for &plan in plans {
                let name = format!("{}, {plan}", rule.signature.name);
                bar.set_message(name.clone());
                match first::first(rule, plan, &sizes, of, &nvrtc, run) {
                    Ok(one) => all.push(one),
                    // One of a rule and plan is enough: no size mends it, but in rare cases.
                    Err(Failure::Error(why @ Error::Limitation(_))) => {
                        if refused.iter().all(|(other, _)| *other != name) {
                            refused.push((name, why));
                        }
                    }
                    Err(other) => return Err(other),
                }
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    let (version, dtype) = (nvrtc.version(), arguments.dtype);
    let opened = opened.as_secs_f64() * 1e3;
    output.line(format!(
        "{arch}, {dtype}; NVRTC {version}, found and opened in {opened:.1} ms. Milliseconds:"
    ))?;
    output.line("")?;
    output.text(first::rows(&all))?;
    output.text(text::refused(&refused))
}

fn print(
    arguments: &Arguments,
    setup: &Setup,
    benches: &[Bench],
    refused: &[(String, Error)],
    output: &mut Output,
) -> Outcome {
    output.text(text::header(setup))?;
    output.line("")?;
    output.text(text::rows(benches))?;
    if arguments.targets {
        output.text(text::targets(benches))?;
    }
    if arguments.detail {
        benches.iter().try_for_each(|bench| output.text(text::detail(bench)))?;
    }
    output.text(text::refused(refused))
}

/// The rules that were named, or all that have a kernel.
fn rules(arguments: &Arguments) -> Outcome<Vec<Source>> {
    if !arguments.all {
        return arguments.rules.iter().map(|rule| source::find(rule)).collect();
    }
    Ok(chunkwise::catalogue().iter().filter_map(|entry| Some(Source::Catalogue(entry.rule?()))).collect())
}

/// Each rule with the sizes of its dims.
fn sized<'a>(rules: &'a [Source], given: &Dims) -> Outcome<Vec<(&'a Rule, Vec<usize>)>> {
    let of =
        |rule: &'a Rule| Ok((rule, dims::sizes(&rule.signature, &of_rule(rule, rules, given), |_| 128)?));
    rules.iter().map(|found| of(found.rule())).collect()
}

/// The sizes that concern a rule: one that some other rule takes is left out here, one that no rule takes stays a mistake.
fn of_rule(rule: &Rule, rules: &[Source], given: &Dims) -> Dims {
    let has = |rule: &Rule, name: &str| rule.signature.dims.iter().any(|dim| dim == name);
    let here = |name: &str| has(rule, name) || !rules.iter().any(|other| has(other.rule(), name));
    Dims {
        k: given.k.filter(|_| here("K")),
        v: given.v.filter(|_| here("V")),
        named: given.named.iter().filter(|(name, _)| here(name)).cloned().collect(),
    }
}

fn setup(arguments: &Arguments) -> Outcome<Setup> {
    let device = Device::parse(&arguments.device)?;
    let (simulated, cpu) = (arguments.device.starts_with("sim"), device == Device::cpu());
    if cpu {
        let help = "`sim` counts, and `cuda:0` also measures";
        return Err(Failure::mistake(
            "the cpu device runs no kernels, so there is nothing to bench on it",
            help,
        ));
    }
    let (arch, gpu) = target(arguments)?;
    if simulated && arguments.device != "sim" && device != Device::sim(arch) {
        return Err(Failure::mistake(
            format!("--device {device} is another architecture than {arch}"),
            format!("`--device sim` follows --arch and --gpu; or add `--arch` to mean {device}"),
        ));
    }
    Ok(Setup {
        arch,
        gpu,
        device: (!simulated).then_some(device),
        dtype: arguments.dtype,
        precision: arguments.precision.into(),
        problem: Problem { batch: arguments.batch, tokens: arguments.tokens, heads: arguments.heads },
        // The targets are those of blocks that hold a head's whole state.
        columns: arguments.columns.or(arguments.targets.then_some(128)),
        beside: arguments.beside.as_deref().map(Beside::read).transpose()?,
        jit: Arc::new(Jit::user()),
    })
}

/// The architecture and the GPU of the model: either gives the other.
fn target(arguments: &Arguments) -> Outcome<(Arch, &'static Gpu)> {
    let listed = || Gpu::ALL.map(|gpu| format!("{} ({})", gpu.name, gpu.arch)).join(", ");
    match (arguments.arch, arguments.gpu) {
        (None, None) => target_of_arch(Arch::Sm90, &listed()),
        (Some(arch), None) => target_of_arch(arch, &listed()),
        (None, Some(gpu)) => Ok((gpu.arch, gpu)),
        (Some(arch), Some(gpu)) if arch == gpu.arch => Ok((arch, gpu)),
        (Some(arch), Some(gpu)) => Err(Failure::mistake(
            format!("--arch {arch} is not the architecture of --gpu {}, which is {}", gpu.name, gpu.arch),
            format!("leave one of them out; the GPUs are {}", listed()),
        )),
    }
}

fn target_of_arch(arch: Arch, listed: &str) -> Outcome<(Arch, &'static Gpu)> {
    let gpu = Gpu::of_arch(arch).ok_or_else(|| {
        Failure::limitation(format!("the model knows no GPU of {arch}"), format!("the GPUs are {listed}"))
    })?;
    Ok((arch, gpu))
}

/// A bar on standard error; nothing where that is no terminal.
fn progress(steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {elapsed}");
    let bar = ProgressBar::new(steps as u64);
    style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
}
