//! The CPU device: a thin driver over the evaluators of `algebra`.
//!
//! ```text
//! validate -> convert each tensor once -> evaluate every (sequence, state head) in parallel -> assemble
//! ```
//!
//! Each pair of a sequence and a state head is a run of its own, on views of the tensors: nothing is copied before it,
//! and a NaN in one never reaches another. Results do not depend on the number of threads, in any bit: every pair is
//! evaluated by one thread, and sums over grouped heads and sequences are taken in their order (see [`assemble`]).

mod assemble;

use crate::bind::{Bindings, Tensors};
use crate::error::{Error, Result};
use crate::layout::{Layout, output_axes, param_axes, state_axes};
use crate::options::{Options, PlanChoice};
use crate::precision::{Computed, Precision, precision, token_vectors};
use crate::tensor::Element;
use crate::validate::{Pass, Problem, validate};
use crate::view::View;
use assemble::{Piece, param_gradient, per_head_gradient, state_values, token_values};
use chunkwise_algebra::{Cotangents, Evaluator, Gradients, Inputs, Outputs, Plan, Unsupported};
use chunkwise_dsl::graph::Shape;
use chunkwise_dsl::rule::Rule;
use chunkwise_dsl::signature::Signature;
use rayon::prelude::*;
use std::borrow::Cow;
use std::sync::Arc;

/// A rule on the CPU.
#[derive(Clone, Debug)]
pub(crate) struct Cpu {
    rule: Arc<Rule>,
    evaluator: Arc<Evaluator>,
    /// Which parameters are token vectors other than decays.
    vectors: Arc<[bool]>,
}

impl Cpu {
    /// Prepares a rule.
    pub(crate) fn new(rule: &Rule) -> Cpu {
        Cpu {
            evaluator: Arc::new(Evaluator::new(rule)),
            vectors: token_vectors(rule).into(),
            rule: Arc::new(rule.clone()),
        }
    }

    /// Checks the tensors, chooses types and plan, and runs one pass.
    pub(crate) fn run(&self, bindings: &Bindings<'_>, options: &Options, pass: Pass) -> Result<Tensors> {
        options.rounds_no_operand()?;
        let plan = self.plan(options)?;
        let problem = validate(&self.rule.signature, bindings, pass)?;
        let precision = precision(&problem, &self.vectors, options)?;
        // A chunk longer than the longest sequence only costs memory.
        let longest = problem.layout.sequences.iter().map(|s| s.len()).max().unwrap_or(0);
        let plan = match plan {
            Plan::Chunkwise { chunk } => Plan::Chunkwise { chunk: chunk.min(longest).max(1) },
            Plan::Recurrent => plan,
        };
        match precision.compute {
            Element::F64 => Run::<f64>::new(self, &problem, precision)?.run(plan, pass),
            _ => Run::<f32>::new(self, &problem, precision)?.run(plan, pass),
        }
    }

    /// The plan that the options ask for.
    fn plan(&self, options: &Options) -> Result<Plan> {
        if options.chunk == 0 {
            return Err(Error::mistake(
                "a chunk of 0 tokens",
                "`chunk` is at least 1; 64 is the usual length",
            ));
        }
        match (options.plan, self.evaluator.chunkwise()) {
            (PlanChoice::Recurrent, _) | (PlanChoice::Auto, Err(_)) => Ok(Plan::Recurrent),
            (PlanChoice::Auto | PlanChoice::Chunkwise, Ok(())) => {
                Ok(Plan::Chunkwise { chunk: options.chunk })
            }
            (PlanChoice::Chunkwise, Err(why)) => Err(Error::limitation(why.to_string(), self.instead())),
            (plan, _) => Err(Error::limitation(
                format!("the plan `{plan}` is not built yet"),
                "`cpu` has the plans `recurrent` and `chunkwise`",
            )),
        }
    }

    /// What to do about a rule without a chunkwise form.
    fn instead(&self) -> String {
        let recurrent = "run it with the plan `recurrent`, which covers every rule";
        match &self.rule.timeline {
            Err(why) if !why.hint.is_empty() => format!("{recurrent}; {}", why.hint),
            _ => recurrent.to_string(),
        }
    }
}

/// One run in one type, its tensors converted.
struct Run<'a, R: Clone> {
    signature: &'a Signature,
    evaluator: &'a Evaluator,
    vectors: &'a [bool],
    layout: &'a Layout,
    precision: Precision,
    params: Vec<Cow<'a, [R]>>,
    initial: Vec<Option<Cow<'a, [R]>>>,
    output_cotangents: Vec<Option<Cow<'a, [R]>>>,
    state_cotangents: Vec<Option<Cow<'a, [R]>>>,
}

/// Each of some optional tensors in type `R`, rounded to `element` first.
fn read_all<'a, R: Computed>(
    tensors: &[Option<View<'a>>],
    element: Element,
) -> Result<Vec<Option<Cow<'a, [R]>>>> {
    tensors.iter().map(|t| t.as_ref().map(|t| read(t, element)).transpose()).collect()
}

/// A view's numbers in type `R`, rounded to `element` first; borrowed where nothing changes.
fn read<'a, R: Computed>(view: &View<'a>, element: Element) -> Result<Cow<'a, [R]>> {
    match view.numbers()? {
        Cow::Borrowed(tensor) => R::read(tensor, element),
        Cow::Owned(tensor) => Ok(Cow::Owned(R::read(&tensor, element)?.into_owned())),
    }
}

impl<'a, R: Computed> Run<'a, R> {
    fn new(cpu: &'a Cpu, problem: &'a Problem<'a>, precision: Precision) -> Result<Self> {
        let element = |vector: &bool| if *vector { precision.tokens } else { precision.compute };
        let params = problem.params.iter().zip(cpu.vectors.iter());
        Ok(Run {
            signature: &cpu.rule.signature,
            evaluator: &cpu.evaluator,
            vectors: &cpu.vectors,
            layout: &problem.layout,
            precision,
            params: params.map(|(t, vector)| read(t, element(vector))).collect::<Result<_>>()?,
            initial: read_all(&problem.initial, precision.compute)?,
            output_cotangents: read_all(&problem.output_cotangents, precision.tokens)?,
            state_cotangents: read_all(&problem.state_cotangents, precision.compute)?,
        })
    }

    fn run(&self, plan: Plan, pass: Pass) -> Result<Tensors> {
        match pass {
            Pass::Forward => self.forward(plan),
            Pass::Backward => self.backward(plan),
        }
    }

    fn forward(&self, plan: Plan) -> Result<Tensors> {
        let results = self.each(|piece| self.evaluator.forward(plan, &self.inputs(piece)))?;
        let mut tensors = Tensors::new();
        self.collect_outputs(&results.iter().collect::<Vec<_>>(), &mut tensors)?;
        Ok(tensors)
    }

    fn backward(&self, plan: Plan) -> Result<Tensors> {
        let results =
            self.each(|piece| self.evaluator.backward(plan, &self.inputs(piece), &self.cotangents(piece)))?;
        let (outputs, gradients): (Vec<_>, Vec<_>) = results.iter().map(|(o, g)| (o, g)).unzip();
        let mut tensors = Tensors::new();
        self.collect_outputs(&outputs, &mut tensors)?;
        self.collect_gradients(&gradients, &mut tensors)?;
        Ok(tensors)
    }

    /// Evaluates every pair of a sequence and a state head; results in order, heads fastest.
    fn each<O: Send>(&self, evaluate: impl Fn(Piece) -> Result<O, Unsupported> + Sync) -> Result<Vec<O>> {
        let heads = self.layout.heads;
        let pieces = self.pieces()?;
        let piece = |i: usize| Piece { sequence: i / heads, head: i % heads };
        let results: Result<Vec<O>, Unsupported> =
            (0..pieces).into_par_iter().map(|i| evaluate(piece(i))).collect();
        // The plan was asked for only where the rule has it.
        results.map_err(|why| Error::bug(why.to_string()))
    }

    /// Number of pairs of a sequence and a state head. Without tokens a small file can declare any number of them, so
    /// room for their states is asked for before the first is evaluated.
    fn pieces(&self) -> Result<usize> {
        let (sequences, heads) = (self.layout.sequences.len(), self.layout.heads);
        let numbers = self
            .signature
            .states
            .iter()
            .try_fold(1usize, |sum, s| sum.checked_add(self.layout.size(s.shape)));
        let pieces = sequences.checked_mul(heads);
        let total = pieces.zip(numbers).and_then(|(n, each)| n.checked_mul(each));
        match (pieces, total.map(|n| Vec::<R>::new().try_reserve_exact(n))) {
            (Some(pieces), Some(Ok(()))) => Ok(pieces),
            _ => Err(Error::mistake(
                format!("the states of {sequences} sequences and {heads} heads do not fit in memory"),
                "use smaller tensors",
            )),
        }
    }

    /// What one state head of one sequence starts from.
    fn inputs(&self, piece: Piece) -> Inputs<'_, R> {
        let params = self
            .signature
            .params
            .iter()
            .enumerate()
            .map(|(i, p)| self.layout.rows(p, i, &self.params[i], piece.sequence, piece.head));
        Inputs {
            sizes: &self.layout.sizes,
            tokens: self.layout.sequences[piece.sequence].len(),
            params: params.collect(),
            states: self.states_of(&self.initial, piece),
        }
    }

    /// What one state head's backward pass starts from.
    fn cotangents(&self, piece: Piece) -> Cotangents<R> {
        let rows = self.layout.sequences[piece.sequence].clone();
        let outputs = self.signature.outputs.iter().zip(&self.output_cotangents).map(|(o, given)| {
            let len = self.layout.size(o.shape);
            let Some(data) = given else { return vec![R::of(0.0); rows.len() * len] };
            let start = |row: usize| (row * self.layout.heads + piece.head) * len;
            rows.clone().flat_map(|row| data[start(row)..start(row) + len].iter().copied()).collect()
        });
        Outputs { outputs: outputs.collect(), states: self.states_of(&self.state_cotangents, piece) }
    }

    /// One head's part of tensors `[N, HV, ..]`, zero where absent.
    fn states_of(&self, tensors: &[Option<Cow<'_, [R]>>], piece: Piece) -> Vec<Vec<R>> {
        let part = |shape: Shape, data: &Option<Cow<'_, [R]>>| {
            let len = self.layout.size(shape);
            let start = (piece.sequence * self.layout.heads + piece.head) * len;
            data.as_ref().map_or_else(|| vec![R::of(0.0); len], |d| d[start..start + len].to_vec())
        };
        self.signature.states.iter().zip(tensors).map(|(s, data)| part(s.shape, data)).collect()
    }

    /// Outputs and final states.
    fn collect_outputs(&self, results: &[&Outputs<R>], tensors: &mut Tensors) -> Result<()> {
        for (i, output) in self.signature.outputs.iter().enumerate() {
            let shape = self.layout.shape(&output_axes(output.shape), self.layout.heads);
            let parts: Vec<&[R]> = results.iter().map(|r| r.outputs[i].as_slice()).collect();
            let data = token_values(self.layout, &shape, self.layout.size(output.shape), &parts)?;
            tensors.insert(&output.name, R::tensor(shape, data, self.precision.tokens)?);
        }
        let states = |i: usize| results.iter().map(move |r| r.states[i].as_slice());
        self.collect_states(|i| states(i).collect(), |name| name.to_string(), tensors)
    }

    /// Gradients of parameters and initial states.
    fn collect_gradients(&self, results: &[&Gradients<R>], tensors: &mut Tensors) -> Result<()> {
        for (i, param) in self.signature.params.iter().enumerate() {
            let shape = self.layout.shape(&param_axes(param), self.layout.param_heads[i]);
            let parts: Vec<&[R]> = results.iter().map(|r| r.params[i].as_slice()).collect();
            let sum = if param.per_head { per_head_gradient } else { param_gradient };
            let data = sum(self.layout, param, i, &shape, &parts)?;
            let element = if self.vectors[i] { self.precision.tokens } else { self.precision.compute };
            tensors.insert(format!("d{}", param.name), R::tensor(shape, data, element)?);
        }
        let states = |i: usize| results.iter().map(move |r| r.states[i].as_slice());
        self.collect_states(|i| states(i).collect(), |name| format!("d{name}0"), tensors)
    }

    /// Tensors `[N, HV, ..]`, one a state.
    fn collect_states<'r>(
        &self,
        parts: impl Fn(usize) -> Vec<&'r [R]>,
        name: impl Fn(&str) -> String,
        tensors: &mut Tensors,
    ) -> Result<()> {
        for (i, state) in self.signature.states.iter().enumerate() {
            let shape = self.layout.shape(&state_axes(state.shape), self.layout.heads);
            let data = state_values(&shape, &parts(i))?;
            tensors.insert(name(&state.name), R::tensor(shape, data, self.precision.compute)?);
        }
        Ok(())
    }
}
