//! How long a rule takes to be ready: its first result, then each of its plans, never seen or in the cache on disk.
//!
//! ```text
//! rule            plan   sizes             kernels  derive, print  NVRTC  ready  from disk  first run
//! gated_deltanet  fused  K = 128, V = 128        1            2.1  412.0  414.1        2.9      188.6
//!
//! target of the first run       1000 ms  met by 1 of 1
//! target of ready kernels       1000 ms  met by 1 of 1
//! target of what lies on disk      5 ms  met by 1 of 1
//! ```
//!
//! Kernels of a plan are compiled side by side. What lies on disk is known by its text, so that the text is derived and printed
//! in both cases. The first run is a run of a rule that was never seen, on a machine that does nothing, and does not wait for the
//! plan that suits it: another stands in ([`Cold::StandIn`]). NVRTC is opened before, once a process; on a GPU the driver's own
//! loading comes on top.

use super::{inputs, text};
use crate::check::element;
use crate::failure::{Failure, Outcome};
use crate::table::{Align, table};
use chunkwise::{Arch, Cold, Device, Error, Options, Rule, RuleExt};
use chunkwise_codegen::kernel::Spec;
use chunkwise_codegen::{DType, Kernel, Plan};
use chunkwise_runtime::cache::Cache;
use chunkwise_runtime::jit::{Jit, Source};
use chunkwise_runtime::nvrtc::{Code, Nvrtc};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How often what takes little is repeated; the least counts, since others use the machine too.
const REPEATS: usize = 5;

/// What the first result of one plan of a rule costs.
#[derive(Clone, PartialEq, Debug)]
pub struct First {
    /// The rule's name.
    pub rule: String,
    /// The plan.
    pub plan: Plan,
    /// The dims with their sizes: `K = 64, V = 64`.
    pub sizes: String,
    /// Kernels of the plan.
    pub kernels: usize,
    /// From the timeline to the kernels' texts.
    pub emit: Duration,
    /// From the texts to binaries, which are then on disk too.
    pub compile: Duration,
    /// From the texts to binaries that lie on disk.
    pub read: Duration,
    /// The rule's first run, under whichever plan is ready first.
    pub run: Duration,
}

impl First {
    /// A rule never seen before.
    pub fn cold(&self) -> Duration {
        self.emit + self.compile
    }

    /// A rule whose kernels lie on disk.
    pub fn from_disk(&self) -> Duration {
        self.emit + self.read
    }
}

/// Milliseconds until a rule that was never seen has its kernels, and its first result.
const COLD: f64 = 1000.0;

/// Milliseconds until a rule has kernels that lie on disk.
const DISK: f64 = 5.0;

/// Times one plan of a rule, with a cache of its own. `run` is the time of the rule's first run.
///
/// # Errors
/// A limitation where the plan has no kernel for it; what NVRTC says of the kernels, which is our bug; a cache folder that
/// cannot be made.
pub fn first(
    rule: &Rule,
    plan: Plan,
    sizes: &[usize],
    (arch, dtype): (Arch, DType),
    nvrtc: &Nvrtc,
    run: Duration,
) -> Outcome<First> {
    let timeline = rule.timeline.as_ref().map_err(|why| {
        Error::limitation(
            format!("`{}` has no kernel: {}", rule.signature.name, why.message),
            why.hint.clone(),
        )
    })?;
    let spec = Spec::new(sizes.to_vec(), dtype);
    let emitted = least(|| plan.emit(timeline, &spec, arch));
    let (emit, schedule) = (emitted.0, emitted.1.map_err(Error::from)?);
    let source = |kernel: &Kernel| Source {
        name: kernel.name.clone(),
        text: kernel.source.clone(),
        options: Vec::new(),
        code: Code::Machine,
    };
    let sources: Vec<Source> = schedule.kernels.iter().map(source).collect();
    let folder = folder()?;
    let compiled = |_| {
        let jit = Jit::new(nvrtc.clone(), Cache::at(folder.path()));
        let begin = Instant::now();
        let binaries: Result<Vec<_>, Error> = jit.compile_all(&sources, arch).into_iter().collect();
        binaries.map(|_| (begin.elapsed(), jit.compilations()))
    };
    let (compile, _) = compiled(0)?;
    let reads: Vec<(Duration, u64)> = (0..REPEATS).map(compiled).collect::<Result<_, Error>>()?;
    if reads.iter().any(|(_, compilations)| *compilations > 0) {
        return Err(Error::bug("a kernel that was compiled is not on disk").into());
    }
    let read = reads.into_iter().map(|(time, _)| time).min().unwrap_or_default();
    Ok(First {
        rule: rule.signature.name.clone(),
        plan,
        sizes: text::sizes(&rule.signature.dims, sizes),
        kernels: sources.len(),
        emit,
        compile,
        read,
        run,
    })
}

/// Tokens of the run: chunks pay.
const TOKENS: usize = 256;

/// Times the first run of a rule, with a cache of its own.
///
/// # Errors
/// As [`first`].
pub fn first_run(
    rule: &Rule,
    sizes: &[usize],
    (arch, dtype): (Arch, DType),
    nvrtc: &Nvrtc,
) -> Outcome<Duration> {
    let (folder, inputs) = (folder()?, inputs::drawn(rule, sizes, TOKENS)?);
    let jit = Arc::new(Jit::new(nvrtc.clone(), Cache::at(folder.path())));
    let with = |cold| Options { dtype: Some(element(dtype)), cold, ..Options::default() };
    let begin = Instant::now();
    let executable = rule.on(&Device::null(arch))?.with_jit(jit).with_options(with(Cold::StandIn));
    executable.forward(&inputs)?;
    let time = begin.elapsed();
    // What compiles behind would take time from the next measurement.
    executable.with_options(with(Cold::Wait)).forward(&inputs)?;
    Ok(time)
}

/// A folder for a cache.
fn folder() -> Outcome<TempDir> {
    tempfile::tempdir().map_err(|error| {
        Failure::mistake(
            format!("no folder for temporary files can be made: {error}"),
            "see whether the disk is full",
        )
    })
}

/// The least time of the work, and what it made.
fn least<T>(work: impl Fn() -> T) -> (Duration, T) {
    let timed = || {
        let begin = Instant::now();
        let made = work();
        (begin.elapsed(), made)
    };
    let (mut best, made) = timed();
    for _ in 1..REPEATS {
        best = best.min(timed().0);
    }
    (best, made)
}

/// The table, in milliseconds.
pub fn rows(all: &[First]) -> String {
    use Align::{Left, Right};
    let head =
        ["rule", "plan", "sizes", "kernels", "derive, print", "NVRTC", "ready", "from disk", "first run"];
    let cells = |first: &First| {
        let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
        let [plan, kernels] = [first.plan.to_string(), first.kernels.to_string()];
        let times = [first.emit, first.compile, first.cold(), first.from_disk(), first.run].map(ms);
        [vec![first.rule.clone(), plan, first.sizes.clone(), kernels], times.to_vec()].concat()
    };
    let head = head.map(String::from).to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(all.iter().map(cells)).collect();
    let times = table(&[Left, Left, Left, Right, Right, Right, Right, Right, Right], &rows);
    format!("{times}\n{}", targets(all))
}

/// How many rows meet each target, and which takes the longest where some do not.
fn targets(all: &[First]) -> String {
    let of = |what: &str, target: f64, time: fn(&First) -> Duration| {
        let ms = |first: &First| time(first).as_secs_f64() * 1e3;
        let met = all.iter().filter(|first| ms(first) <= target).count();
        let worst = all.iter().max_by(|x, y| ms(x).total_cmp(&ms(y))).filter(|_| met < all.len());
        let worst = worst.map(|first| format!("; {:.1} ms for {}, {}", ms(first), first.rule, first.plan));
        let met = format!("met by {met} of {}{}", all.len(), worst.unwrap_or_default());
        vec![format!("target of {what}"), format!("{target} ms"), met]
    };
    let rows = [
        of("the first run", COLD, |first| first.run),
        of("ready kernels", COLD, First::cold),
        of("what lies on disk", DISK, First::from_disk),
    ];
    table(&[Align::Left, Align::Right, Align::Left], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_adds_up() {
        let ms = Duration::from_millis;
        let first = First {
            rule: "gla".to_owned(),
            plan: Plan::Fused,
            sizes: "K = 64, V = 64".to_owned(),
            kernels: 1,
            emit: ms(2),
            compile: ms(300),
            read: ms(1),
            run: ms(90),
        };
        let expected = "\
rule  plan   sizes           kernels  derive, print  NVRTC  ready  from disk  first run
gla   fused  K = 64, V = 64        1            2.0  300.0  302.0        3.0       90.0

target of the first run      1000 ms  met by 1 of 1
target of ready kernels      1000 ms  met by 1 of 1
target of what lies on disk     5 ms  met by 1 of 1
";
        assert_eq!(rows(std::slice::from_ref(&first)), expected);
        let late = First { plan: Plan::Split, read: ms(7), ..first.clone() };
        let text = rows(&[first, late]);
        assert!(text.ends_with("5 ms  met by 1 of 2; 9.0 ms for gla, split\n"), "{text}");
    }
}
