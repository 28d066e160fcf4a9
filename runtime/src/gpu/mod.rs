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
mod edited;
mod inputs;
mod kernels;
mod launch;
mod launches;
pub(crate) mod null;
pub(crate) mod prepared;
#[cfg(feature = "sim")]
pub(crate) mod sim;

use crate::bind::{Bindings, Tensors};
use crate::error::{Error, Result};
use crate::jit::Jit;
use crate::options::Options;
use crate::precision::{precision, token_vectors};
use crate::tensor::Element;
use crate::validate::{Pass, Problem, validate};
use chunkwise_codegen::choice::{Choice, Costs, Shape};
use chunkwise_codegen::kernel::Spec;
use chunkwise_codegen::{DType, Plan, Precision};
use chunkwise_dsl::rule::Rule;
use chunkwise_dsl::timeline::Timeline;
use driver::Driver;
use edited::Edited;
use kernels::Known;
use launch::Run;
use launches::Loaded;
use std::sync::{Arc, Mutex, PoisonError};

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
    /// Kernels, those of a plan for each set of sizes and types seen so far.
    known: Arc<Mutex<Known<D>>>,
    /// What plans cost, for each set of sizes, types and plans seen so far.
    costs: Arc<Mutex<KnownCosts>>,
}

/// Costs by what they were derived for; few as well.
type KnownCosts = Vec<(Spec, &'static [Plan], Arc<Costs>)>;

/// Derived, this would ask for a driver that can be cloned.
impl<D: Driver> Clone for Gpu<D> {
    fn clone(&self) -> Self {
        Gpu {
            driver: self.driver.clone(),
            timeline: self.timeline.clone(),
            vectors: self.vectors.clone(),
            edited: self.edited.clone(),
            jit: self.jit.clone(),
            known: self.known.clone(),
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
            known: Arc::default(),
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
        self.known = Arc::default();
        self
    }

    /// The same, but with a text to run in place of the generated ones.
    pub(crate) fn with_kernel(mut self, file: &str, text: &str) -> Gpu<D> {
        self.edited = Some(Arc::new(Edited { file: file.to_owned(), text: text.to_owned() }));
        // What is loaded so far was made from other texts.
        self.known = Arc::default();
        self
    }

    /// Checks the tensors, chooses types, and runs.
    pub(crate) fn run(&self, bindings: &Bindings<'_>, options: &Options, pass: Pass) -> Result<Tensors> {
        let waits = self.edited.is_some() || options.cold.waits(self.driver.stands_in());
        let (problem, loaded, piece) = self.checked(bindings, options, pass, waits)?;
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
        let (problem, loaded, piece) = self.checked(bindings, options, Pass::Forward, true)?;
        let run = Run { signature: &self.timeline.signature, problem: &problem, piece };
        let result = run.time(&self.driver, &loaded, copies, repeats);
        result.map_err(|error| self.blamed(error))
    }

    /// The checked tensors, the kernels for them, and the tokens of a piece where they are open. Who does not wait for the compiler
    /// may get other kernels than the chosen ones.
    fn checked<'a>(
        &self,
        bindings: &'a Bindings<'_>,
        options: &Options,
        pass: Pass,
        waits: bool,
    ) -> Result<(Problem<'a>, Arc<Loaded<D>>, Option<usize>)> {
        if pass == Pass::Backward {
            return Err(Error::limitation("the backward pass has no kernel yet", "run it on `cpu`"));
        }
        let problem = validate(&self.timeline.signature, bindings, pass)?;
        let precision = precision(&problem, &self.vectors, options)?;
        let mut spec = Spec::new(problem.layout.sizes.clone(), dtype(precision.tokens)?);
        let plans = match options.plan.kernels() {
            // A plan that rounds no operand must not stand in for one that was asked to round little.
            plans if plans.len() > 1 && options.precision == Precision::High => &Plan::CHUNKWISE,
            plans => plans,
        };
        let choice = if *plans == [Plan::Recurrent] {
            options.rounds_no_operand()?;
            Choice { plan: Plan::Recurrent, columns: spec.columns, piece: None }
        } else {
            (spec.precision, spec.chunk) = (options.precision, options.chunk);
            self.costs(&spec, plans).choose(shape(&problem, self.driver.multiprocessors()))
        };
        spec.columns = options.columns.unwrap_or(choice.columns);
        let loaded = match waits {
            true => self.load(choice.plan, &spec),
            false => self.load_or_stand_in(choice.plan, &spec, plans, options.columns.is_none()),
        }?;
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
