//! Rules on machines that run kernels: a GPU through the driver, or the simulator.
//!
//! ```text
//! validate -> emit -> compile (memory, disk, NVRTC) -> load -> upload -> launch -> download
//! ```
//!
//! A kernel is made when a shape is first seen. Tensors live on the host between runs, or on the machine, in the caller's
//! hands ([`prepared`]). What a machine has to offer is said in [`driver`]; `cuda`, `sim` and `null` offer it, and nothing
//! else here knows which of them it has.

#[cfg(feature = "cuda")]
pub(crate) mod cuda;
pub(crate) mod driver;
mod inputs;
mod launch;
mod launches;
pub(crate) mod null;
pub(crate) mod prepared;
#[cfg(feature = "sim")]
pub(crate) mod sim;

use crate::bind::{Bindings, Tensors};
use crate::error::{Error, Result};
use crate::jit::{Jit, Source};
use crate::nvrtc::Binary;
use crate::options::Options;
use crate::precision::{precision, token_vectors};
use crate::tensor::Element;
use crate::validate::{Pass, Problem, validate};
use chunkwise_codegen::choice::{Choice, Costs, Shape};
use chunkwise_codegen::kernel::Spec;
use chunkwise_codegen::{DType, Kernel, Plan, Precision, Schedule};
use chunkwise_dsl::rule::Rule;
use chunkwise_dsl::timeline::Timeline;
use driver::Driver;
use launch::Run;
use launches::Loaded;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A rule on a machine that runs kernels.
#[derive(Debug)]
pub(crate) struct Gpu<D: Driver> {
    driver: Arc<D>,
    timeline: Arc<Timeline>,
    /// Which parameters are token vectors other than decays.
    vectors: Arc<[bool]>,
    /// A text to run in place of the generated ones.
    edited: Option<Arc<Edited>>,
    /// The compiler and its cache, where not the process's own.
    jit: Option<Arc<Jit>>,
    /// Kernels that were loaded, those of a plan for each set of sizes and types seen so far.
    loaded: Arc<Mutex<LoadedKernels<D>>>,
    /// What plans cost, for each set of sizes, types and plans seen so far.
    costs: Arc<Mutex<KnownCosts>>,
}

/// Costs by what they were derived for; few as well.
type KnownCosts = Vec<(Spec, &'static [Plan], Arc<Costs>)>;

/// Kernels by what they were made for; few, so a list will do.
type LoadedKernels<D> = Vec<(Plan, Spec, Arc<Loaded<D>>)>;

/// A kernel that somebody changed by hand.
#[derive(Debug)]
struct Edited {
    /// The file's name, for messages.
    file: String,
    text: String,
}

/// Derived, this would ask for a driver that can be cloned.
impl<D: Driver> Clone for Gpu<D> {
    fn clone(&self) -> Self {
        Gpu {
            driver: self.driver.clone(),
            timeline: self.timeline.clone(),
            vectors: self.vectors.clone(),
            edited: self.edited.clone(),
            jit: self.jit.clone(),
            loaded: self.loaded.clone(),
            costs: self.costs.clone(),
        }
    }
}

impl<D: Driver> Gpu<D> {
    /// Prepares a rule for a machine, which is opened only where the rule has kernels.
    pub(crate) fn new(rule: &Rule, open: impl FnOnce() -> Result<D>) -> Result<Gpu<D>> {
        let timeline = rule.timeline.as_ref().map_err(|why| {
            Error::limitation(
                format!("`{}` has no kernel: {}", rule.signature.name, why.message),
                format!("run it on `cpu`; {}", why.hint),
            )
        })?;
        Ok(Gpu {
            timeline: Arc::new(timeline.clone()),
            driver: Arc::new(open()?),
            vectors: token_vectors(rule).into(),
            edited: None,
            jit: None,
            loaded: Arc::default(),
            costs: Arc::default(),
        })
    }

    /// The machine.
    pub(crate) fn driver(&self) -> &Arc<D> {
        &self.driver
    }

    /// The same on a machine made from this one, with what is loaded, which must fit it.
    #[cfg(feature = "sim")]
    pub(crate) fn with_driver(self, change: impl FnOnce(&D) -> D) -> Gpu<D> {
        Gpu { driver: Arc::new(change(&self.driver)), ..self }
    }

    /// The same with another compiler and cache.
    pub(crate) fn with_jit(mut self, jit: Arc<Jit>) -> Gpu<D> {
        self.jit = Some(jit);
        self.loaded = Arc::default();
        self
    }

    /// The same, but with a text to run in place of the generated ones.
    pub(crate) fn with_kernel(mut self, file: &str, text: &str) -> Gpu<D> {
        self.edited = Some(Arc::new(Edited { file: file.to_owned(), text: text.to_owned() }));
        // What is loaded so far was made from other texts.
        self.loaded = Arc::default();
        self
    }

    /// Checks the tensors, chooses types, and runs.
    pub(crate) fn run(&self, bindings: &Bindings<'_>, options: &Options, pass: Pass) -> Result<Tensors> {
        let (problem, loaded, piece) = self.checked(bindings, options, pass)?;
        let run = Run { signature: &self.timeline.signature, problem: &problem, piece };
        let result = run.launch(&self.driver, &loaded);
        result.map_err(|error| self.blamed(error))
    }

    /// The same, but for the times of launches, each on the next copy of the tensors. Milliseconds.
    pub(crate) fn time(
        &self,
        bindings: &Bindings<'_>,
        options: &Options,
        copies: usize,
        repeats: usize,
    ) -> Result<Vec<f64>> {
        let (problem, loaded, piece) = self.checked(bindings, options, Pass::Forward)?;
        let run = Run { signature: &self.timeline.signature, problem: &problem, piece };
        let result = run.time(&self.driver, &loaded, copies, repeats);
        result.map_err(|error| self.blamed(error))
    }

    /// The checked tensors, the kernels for them, and the tokens of a piece where they are open.
    fn checked<'a>(
        &self,
        bindings: &'a Bindings<'_>,
        options: &Options,
        pass: Pass,
    ) -> Result<(Problem<'a>, Arc<Loaded<D>>, Option<usize>)> {
        if pass == Pass::Backward {
            return Err(Error::limitation("the backward pass has no kernel yet", "run it on `cpu`"));
        }
        let problem = validate(&self.timeline.signature, bindings, pass)?;
        let precision = precision(&problem, &self.vectors, options)?;
        let mut spec = Spec::new(problem.layout.sizes.clone(), dtype(precision.tokens)?);
        let choice = match options.plan.kernels() {
            [plan @ Plan::Recurrent] => {
                options.rounds_no_operand()?;
                Choice { plan: *plan, columns: spec.columns, piece: None }
            }
            plans => {
                (spec.precision, spec.chunk) = (options.precision, options.chunk);
                // A plan that rounds no operand must not stand in for one that was asked to round little.
                let all = spec.precision == Precision::High && plans.contains(&Plan::Recurrent);
                let plans = if all { &Plan::CHUNKWISE } else { plans };
                self.costs(&spec, plans).choose(shape(&problem, self.driver.multiprocessors()))
            }
        };
        spec.columns = options.columns.unwrap_or(choice.columns);
        let loaded = self.load(choice.plan, spec)?;
        Ok((problem, loaded, options.piece.or(choice.piece)))
    }

    /// What plans cost at these sizes and types, derived once.
    fn costs(&self, spec: &Spec, plans: &'static [Plan]) -> Arc<Costs> {
        let mut all = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., found)) = all.iter().find(|(known, among, _)| (known, *among) == (spec, plans)) {
            return found.clone();
        }
        let costs = Arc::new(Costs::of(&self.timeline, spec, self.driver.arch(), plans));
        all.push((spec.clone(), plans, costs.clone()));
        costs
    }

    /// A plan's kernels for these sizes and types, compiled and loaded where they are not yet.
    fn load(&self, plan: Plan, spec: Spec) -> Result<Arc<Loaded<D>>> {
        // A panic elsewhere leaves the list whole: entries are only ever pushed.
        let mut all = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, found)) = all.iter().find(|(p, s, _)| (*p, s) == (plan, &spec)) {
            return Ok(found.clone());
        }
        let mut schedule = plan.emit(&self.timeline, &spec, self.driver.arch())?;
        if let Some(edited) = &self.edited {
            edited.replace(&mut schedule)?;
        }
        let binaries = self.compile(&schedule);
        let load = |(kernel, binary): (&Kernel, Result<Arc<Binary>>)| self.driver.load(&*binary?, kernel);
        let functions = schedule.kernels.iter().zip(binaries).map(load).collect::<Result<_>>();
        let functions = functions.map_err(|error| self.blamed(error))?;
        let loaded = Arc::new(Loaded { schedule, functions });
        all.push((plan, spec, loaded.clone()));
        Ok(loaded)
    }

    /// The kernels' binaries, all compiled at one time.
    fn compile(&self, schedule: &Schedule) -> Vec<Result<Arc<Binary>>> {
        let options: Vec<String> =
            self.driver.compiler_options().iter().map(|&option| option.to_owned()).collect();
        let source = |kernel: &Kernel| {
            let stem = |edited: &Arc<Edited>| {
                Path::new(&edited.file).file_stem().map(|s| s.to_string_lossy().into())
            };
            let name = self.edited.as_ref().filter(|e| e.text == kernel.source).and_then(stem);
            let name = name.unwrap_or_else(|| kernel.name.clone());
            Source { name, text: kernel.source.clone(), options: options.clone() }
        };
        let sources: Vec<Source> = schedule.kernels.iter().map(source).collect();
        self.jit.as_deref().unwrap_or_else(|| shared_jit()).compile_all(&sources, self.driver.arch())
    }

    /// A text that somebody changed is theirs, and so are its faults.
    fn blamed(&self, error: Error) -> Error {
        match (&self.edited, error) {
            (Some(edited), Error::Bug(messages)) => Error::of_kernel(&edited.file, messages),
            (_, error) => error,
        }
    }
}

impl Edited {
    /// Takes the place of the kernel of its name, or of the one that there is.
    fn replace(&self, schedule: &mut Schedule) -> Result<()> {
        let named = |kernel: &Kernel| parameters(&self.text, &kernel.name).is_some();
        let at = schedule.kernels.iter().position(named).unwrap_or(0);
        let Some(kernel) = schedule.kernels.get_mut(at) else { return Ok(()) };
        self.check(kernel)?;
        kernel.source = self.text.clone();
        Ok(())
    }

    /// What has to be as it was generated, since arguments are passed by it: the name and the parameters.
    fn check(&self, kernel: &Kernel) -> Result<()> {
        let wanted = parameters(&kernel.source, &kernel.name);
        let what = match parameters(&self.text, &kernel.name) {
            Some(given) if Some(&given) == wanted.as_ref() => return Ok(()),
            Some(_) => format!("{} has other parameters than the kernel generated here", self.file),
            None => format!("{} has no kernel `{}`", self.file, kernel.name),
        };
        let help = "begin from what `chunkwise emit` prints for this rule, these sizes and this type, and keep the \
                    kernel's name and parameters";
        Err(Error::mistake(what, help))
    }
}

/// The words of a kernel's parameters, without comments; `None` where the text has no such kernel.
fn parameters(text: &str, kernel: &str) -> Option<Vec<String>> {
    let bare: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or(line)).collect();
    let bare = bare.join("\n");
    let (_, after) = bare.split_once(&format!("{kernel}("))?;
    let (inside, _) = after.split_once(')')?;
    Some(inside.split_whitespace().map(str::to_owned).collect())
}

/// The compiler and cache that all devices of this process share.
fn shared_jit() -> &'static Jit {
    static JIT: OnceLock<Jit> = OnceLock::new();
    JIT.get_or_init(Jit::user)
}

/// How large a launch is.
fn shape(problem: &Problem<'_>, multiprocessors: usize) -> Shape {
    let layout = &problem.layout;
    let (sequences, heads) = (layout.sequences.len(), layout.heads);
    Shape { sequences, tokens: mean_tokens(problem), heads, multiprocessors }
}

/// The mean length of the sequences that have a token.
fn mean_tokens(problem: &Problem<'_>) -> usize {
    let lengths = problem.layout.sequences.iter().map(|tokens| tokens.len()).filter(|tokens| *tokens > 0);
    let (count, sum) = lengths.fold((0, 0), |(count, sum), tokens| (count + 1, sum + tokens));
    sum / count.max(1)
}

/// The generator's name of an element type.
fn dtype(element: Element) -> Result<DType> {
    match element {
        Element::F64 => Ok(DType::F64),
        Element::F32 => Ok(DType::F32),
        Element::F16 => Ok(DType::F16),
        Element::BF16 => Ok(DType::BF16),
        Element::I32 | Element::I64 => Err(Error::bug(format!("a run in {element} was let through"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_compared_without_comments_and_spaces() {
        let generated = "__global__ void f(\n    const f32 *q, // q [B, T]\n    unsigned heads)\n{ g(1); }";
        let edited = "void f(const f32 *q,  unsigned heads) { h(2); }";
        assert!(parameters(generated, "f").is_some());
        assert_eq!(parameters(generated, "f"), parameters(edited, "f"));
        assert_ne!(parameters(generated, "f"), parameters("f(const bf16 *q, unsigned heads)", "f"));
        assert_eq!(parameters(generated, "other"), None);
    }
}
