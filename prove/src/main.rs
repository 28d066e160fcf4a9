//! `chunkwise-prove`: kernels against the token loop, micro-kernels against the simulator, times.
//!
//! ```text
//! chunkwise-prove kernels                          a sample of all kernels in the simulator
//! chunkwise-prove kernels --device cuda:0 --all    every kernel on a GPU
//! chunkwise-prove micro --device cuda:0            one instruction a kernel, simulator against GPU, bit by bit
//! chunkwise-prove time --shapes published          times of what others publish times of
//! chunkwise-prove all --out results                everything on the GPU: what the bundle's `run.sh` calls
//! ```
//!
//! Exit codes: 0 everything agrees; 1 something does not; 2 a mistake in what was asked; 3 no GPU.

use chunkwise::{Device, Error};
use chunkwise_prove::gpu::Gpu;
use chunkwise_prove::kernels::case::{Case, Way};
use chunkwise_prove::kernels::{Asked, prove, report, unexpected_refusals};
use chunkwise_prove::micro;
use chunkwise_prove::micro::run::{Simulator, compare};
use chunkwise_prove::results;
use chunkwise_prove::time::{self, Shapes};
use chunkwise_runtime::nvrtc::Nvrtc;
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Proves Chunkwise's kernels in the simulator and on a GPU, and times them there.
#[derive(Parser, Debug)]
#[command(name = "chunkwise-prove", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Generated kernels against the token loop in f64
    Kernels {
        /// Where they run: sim, sim:sm_90, cuda:0
        #[arg(long, default_value = "sim")]
        device: String,
        #[command(flatten)]
        which: Which,
        /// Folder for kernels.json
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// One instruction a kernel: the simulator against a GPU, bit by bit
    Micro {
        /// The GPU
        #[arg(long, default_value = "cuda:0")]
        device: String,
        /// Seed of the words
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Folder for micro.json
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Times of kernels on a GPU
    Time {
        /// The GPU
        #[arg(long, default_value = "cuda:0")]
        device: String,
        /// Folder for times.json
        #[arg(long)]
        out: Option<PathBuf>,
        /// Folder to leave inputs and results in, for others to be timed on
        #[arg(long)]
        inputs: Option<PathBuf>,
        /// These shapes alone
        #[arg(long)]
        shapes: Option<Shapes>,
        /// This rule alone
        #[arg(long)]
        rule: Option<String>,
    },
    /// All of it on a GPU, with a summary
    All {
        /// The GPU
        #[arg(long, default_value = "cuda:0")]
        device: String,
        #[command(flatten)]
        which: Which,
        /// Folder for the results
        #[arg(long)]
        out: PathBuf,
        /// Folder to leave inputs and results of timed kernels in
        #[arg(long)]
        inputs: Option<PathBuf>,
        /// This part alone
        #[arg(long)]
        only: Option<Step>,
    },
}

/// A part of everything, for machines that are there for minutes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Step {
    /// Kernels against the token loop
    Kernels,
    /// One instruction a kernel
    Micro,
    /// Times of shapes that others publish times for
    Published,
    /// Times of all kinds of rules
    Kinds,
}

#[derive(Args, Debug, Clone)]
struct Which {
    /// Every rule, plan, element type and size, not a sample
    #[arg(long, conflicts_with_all = ["few", "case"])]
    all: bool,
    /// One small kernel of each rule and plan
    #[arg(long)]
    few: bool,
    /// Which kernels and numbers are drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// This rule alone
    #[arg(long)]
    rule: Option<String>,
    /// Of all, this plan alone: recurrent, fused, fused-high, split, segmented
    #[arg(long, requires = "all")]
    plan: Option<Way>,
    /// Of all, those with dims of these sizes alone
    #[arg(long, value_delimiter = ',', requires = "all", value_parser = clap::value_parser!(u16).range(1..=256))]
    sizes: Vec<u16>,
    /// This kernel alone, as failures name it: gla/bf16/K=64,V=100/7, gla/fused/bf16/K=64,V=100/7
    #[arg(long)]
    case: Option<Case>,
}

/// Whether everything agreed; or what stopped it.
type Outcome = Result<bool, Error>;

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Kernels { device, which, out } => {
            open(&device).and_then(|device| kernels(&device, which, out.as_deref()))
        }
        Command::Micro { device, seed, out } => {
            open(&device).and_then(|device| micro_kernels(&device, seed, out.as_deref()))
        }
        Command::Time { device, out, inputs, shapes, rule } => open(&device).and_then(|device| {
            let shapes = shapes.map_or(Shapes::value_variants().to_vec(), |one| vec![one]);
            times(&device, &shapes, rule.as_deref(), (out.as_deref(), inputs.as_deref()))
        }),
        Command::All { device, which, out, inputs, only } => {
            open(&device).and_then(|device| all(&device, which, only, (&out, inputs.as_deref())))
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// The device, if it is there: asked for by putting a rule on it.
fn open(name: &str) -> Result<Device, Error> {
    use chunkwise::RuleExt;
    let device = Device::parse(name)?;
    chunkwise::rules::linear_attention().on(&device)?;
    Ok(device)
}

fn all(device: &Device, which: Which, only: Option<Step>, (out, inputs): (&Path, Option<&Path>)) -> Outcome {
    results::folder(out)?;
    let seed = which.seed;
    let about = json!({
        "device": device.to_string(), "gpu": ordinal(device).and_then(|n| Gpu::open(n).and_then(|gpu| gpu.name()).map_err(Error::bug)).ok(),
        "driver": results::driver(), "nvrtc": Nvrtc::find().ok().map(|n| n.version().to_string()), "version": env!("CARGO_PKG_VERSION"),
        "commit": option_env!("CHUNKWISE_COMMIT"), "date": results::date(), "seed": seed,
    });
    results::write(out, "about.json", &about)?;
    let has = |step: Step| only.is_none_or(|only| only == step);
    let shapes = [(Step::Published, Shapes::Published), (Step::Kinds, Shapes::Kinds)];
    let shapes: Vec<Shapes> = shapes.into_iter().filter(|(step, _)| has(*step)).map(|(_, s)| s).collect();
    let mut steps = Vec::new();
    if has(Step::Kernels) {
        steps.push(("kernels", kernels(device, which, Some(out))));
    }
    if has(Step::Micro) {
        steps.push(("micro", micro_kernels(device, seed, Some(out))));
    }
    if !shapes.is_empty() {
        steps.push(("times", times(device, &shapes, None, (Some(out), inputs))));
    }
    let mut summary = format!("{}\n", results::line(&about));
    let mut agreed = true;
    for (name, outcome) in steps {
        let word = match outcome {
            Ok(true) => "agrees".to_owned(),
            Ok(false) => "FAILED".to_owned(),
            Err(error) => format!("FAILED: {error}"),
        };
        agreed &= word == "agrees";
        summary += &format!("{name:<8} {word}\n");
    }
    results::text(out, "summary.txt", &summary)?;
    Ok(agreed)
}

fn kernels(device: &Device, which: Which, out: Option<&Path>) -> Outcome {
    let nvrtc = Nvrtc::find()?;
    let Which { all, few, seed, rule, plan, sizes, case } = which;
    let sizes = sizes.into_iter().map(usize::from).collect();
    let asked = Asked { device: device.clone(), all, few, seed, rule, plan, sizes, case };
    let cases = asked.cases().map_err(|what| Error::mistake(what, "`chunkwise list` names the rules"))?;
    let bar = report::bar(cases.len());
    let verdicts = prove(&asked, &cases, &nvrtc, |case| {
        bar.set_message(case.to_string());
        bar.inc(1);
    });
    bar.finish_and_clear();
    println!("{}", report::table(&verdicts));
    for (reason, count) in report::refusals(&verdicts) {
        println!("no kernel for {count}: {reason}");
    }
    let failures = [report::failures(&verdicts), unexpected_refusals(&verdicts).join("\n")].concat();
    if let Some(out) = out {
        results::write(out, "kernels.json", &report::json(&verdicts))?;
    }
    if !failures.is_empty() {
        eprintln!("\n{failures}");
    }
    Ok(failures.is_empty())
}

/// Which GPU.
fn ordinal(device: &Device) -> Result<usize, Error> {
    let name = device.to_string();
    let ordinal = name.strip_prefix("cuda:").and_then(|n| n.parse().ok());
    ordinal.ok_or_else(|| Error::mistake(format!("`{name}` is no GPU"), "use --device cuda:0"))
}

fn micro_kernels(device: &Device, seed: u64, out: Option<&Path>) -> Outcome {
    let gpu = Gpu::open(ordinal(device)?).map_err(Error::bug)?;
    let (mut rows, mut agreed) = (Vec::<Value>::new(), true);
    for (group, forms) in micro::all() {
        let (mut same, mut close, mut wrong) = (0, 0, 0);
        for form in &forms {
            let mut row = json!({ "group": group, "form": form.name });
            match compare(form, &Simulator, &gpu, seed) {
                Ok(o) => {
                    (same, close, wrong) = match (o.wrong, o.different) {
                        (0, 0) => (same + 1, close, wrong),
                        (0, _) => (same, close + 1, wrong),
                        _ => (same, close, wrong + 1),
                    };
                    if o.wrong > 0 {
                        println!("  {}: {} of {} words: {}", form.name, o.wrong, o.words, o.example);
                    }
                    row["words"] = o.words.into();
                    row["different"] = o.different.into();
                    row["wrong"] = o.wrong.into();
                    row["distance"] = o.distance.into();
                    row["example"] = o.example.into();
                }
                Err(error) => {
                    wrong += 1;
                    println!("  {}: {error}", form.name);
                    row["error"] = error.into();
                }
            }
            rows.push(row);
        }
        agreed &= wrong == 0;
        println!("{group}: {same} forms the same in every bit, {close} within their bounds, {wrong} wrong");
    }
    if let Some(out) = out {
        results::write(out, "micro.json", &json!({ "seed": seed, "forms": rows }))?;
    }
    Ok(agreed)
}

fn times(
    device: &Device,
    shapes: &[Shapes],
    rule: Option<&str>,
    (out, inputs): (Option<&Path>, Option<&Path>),
) -> Outcome {
    ordinal(device)?;
    if let Some(folder) = inputs {
        results::folder(folder)?;
    }
    let cases = time::cases(shapes, rule);
    if let (true, Some(rule)) = (cases.is_empty(), rule) {
        return Err(Error::mistake(
            format!("`{rule}` is not timed"),
            "`time` without `--rule` shows which are",
        ));
    }
    let bar = report::bar(cases.len());
    let timed = cases.iter().map(|case| {
        bar.set_message(case.name());
        let row = case.run(device, inputs);
        bar.inc(1);
        row.unwrap_or_else(|e| json!({ "name": case.name(), "rule": case.rule, "error": e.to_string() }))
    });
    let timed: Vec<Value> = timed.collect();
    bar.finish_and_clear();
    print!("{}", time::text(&timed));
    if let Some(out) = out {
        let (good, bad): (Vec<&Value>, Vec<&Value>) = timed.iter().partition(|row| row["error"].is_null());
        results::write(out, "times.json", &json!({ "cases": good, "failed": bad }))?;
        results::text(out, "times.txt", &time::text(&timed))?;
    }
    Ok(timed.iter().all(|row| row["error"].is_null()))
}
