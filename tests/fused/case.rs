//! One kernel of the fused plan, the inputs that it runs on, and the token loop in f64 to compare with.
//!
//! ```text
//! gated_deltanet, bf16, K = 64, V = 100   one kernel; every frame (lengths, heads, states) is an argument of it
//! ```

use crate::own;
use chunkwise::{Arch, catalogue};
use chunkwise::{Device, Element, Error, Executable, Options, PlanChoice, Rule, RuleExt, Tensor, Tensors};
use chunkwise_cli::check::cases::Case as Frame;
use chunkwise_cli::check::{compare, draw, element};
use chunkwise_codegen::kernel::Spec;
use chunkwise_codegen::{DType, Kernel, Limitation, Plan, Precision, Schedule, fused};
use chunkwise_dsl::timeline::Timeline;
use chunkwise_runtime::cache::Cache;
use chunkwise_runtime::jit::Jit;
use chunkwise_runtime::nvrtc::Nvrtc;
use std::sync::{Arc, OnceLock};

/// Element types with precisions of operands; f32 has one.
pub(crate) const KINDS: [(DType, Precision); 5] = [
    (DType::BF16, Precision::Fast),
    (DType::F16, Precision::Fast),
    (DType::F32, Precision::Fast),
    (DType::BF16, Precision::High),
    (DType::F16, Precision::High),
];

/// What is made into a kernel.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) rule: Arc<Rule>,
    pub(crate) dtype: DType,
    pub(crate) precision: Precision,
    /// The most tokens in a chunk.
    pub(crate) chunk: usize,
    /// The most value columns of a block.
    pub(crate) columns: usize,
    /// What the simulator stands for.
    pub(crate) arch: Arch,
    /// By dim.
    pub(crate) sizes: Vec<usize>,
    /// The plan; [`Case::kernel`] is of the fused one.
    pub(crate) plan: Plan,
    /// Tokens of a piece, where the plan has pieces.
    pub(crate) piece: Option<usize>,
}

/// Every rule of the catalogue that works, and some that are in no catalogue.
pub(crate) fn rules() -> Vec<Arc<Rule>> {
    let entries = catalogue().iter().filter_map(|entry| entry.rule);
    let mut rules: Vec<_> = entries.map(|rule| Arc::new(rule().clone())).collect();
    assert!(rules.len() >= 30, "only {} rules", rules.len());
    rules.extend(own::rules());
    rules
}

/// The rule of a text.
pub(crate) fn parse(text: &str) -> Arc<Rule> {
    let rules = chunkwise_dsl::parse_file(text);
    let mut rules = rules.unwrap_or_else(|report| panic!("{text}\n{:?}", report.diagnostics));
    Arc::new(rules.remove(0))
}

pub(crate) fn timeline(rule: &Rule) -> &Timeline {
    rule.timeline.as_ref().unwrap_or_else(|why| panic!("{}: {why}", rule.signature.name))
}

/// The number in a variable of the environment.
pub(crate) fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// The compiler, found once.
pub(crate) fn nvrtc() -> &'static Nvrtc {
    static NVRTC: OnceLock<Nvrtc> = OnceLock::new();
    NVRTC.get_or_init(|| Nvrtc::find().unwrap_or_else(|error| panic!("{error}")))
}

/// Kernels that several tests run are compiled once.
fn jit() -> Arc<Jit> {
    static JIT: OnceLock<Arc<Jit>> = OnceLock::new();
    JIT.get_or_init(|| Arc::new(Jit::new(nvrtc().clone(), Cache::in_memory()))).clone()
}

/// Rules that have a fused kernel in bf16 for `sm_80`, with the sizes of their first and their other dims.
pub(crate) fn fused(first: usize, others: usize) -> Vec<Case> {
    let case = |rule: Arc<Rule>| {
        let sizes = (0..rule.signature.dims.len()).map(|dim| if dim == 0 { first } else { others }).collect();
        Case::new(rule, DType::BF16, sizes)
    };
    let cases: Vec<Case> =
        rules().into_iter().map(case).filter(|case| case.kernel(Arch::Sm80).is_ok()).collect();
    assert!(cases.len() >= 14, "only {} rules have a kernel", cases.len());
    cases
}

impl Case {
    /// With the usual precision and chunks.
    pub(crate) fn new(rule: Arc<Rule>, dtype: DType, sizes: Vec<usize>) -> Case {
        let (precision, chunk, columns, arch) = (Precision::Fast, 64, fused::COLUMNS[0], Arch::Sm80);
        Case { rule, dtype, precision, chunk, columns, arch, sizes, plan: Plan::Fused, piece: None }
    }

    /// `gla, bf16, K = 64, V = 100, chunk 64`
    pub(crate) fn label(&self) -> String {
        let signature = &self.rule.signature;
        let sizes = signature.dims.iter().zip(&self.sizes).map(|(dim, size)| format!(", {dim} = {size}"));
        let high = if self.precision == Precision::High { " high" } else { "" };
        let sizes = sizes.collect::<String>();
        let plan = match (self.plan, self.piece) {
            (Plan::Fused, _) => String::new(),
            (plan, None) => format!(", {plan}"),
            (plan, Some(tokens)) => format!(", {plan}, pieces of {tokens}"),
        };
        let blocks = match self.columns == fused::COLUMNS[0] {
            true => String::new(),
            false => format!(", blocks of {} columns, {}", self.columns, self.arch),
        };
        format!("{}, {}{high}{sizes}, chunk {}{blocks}{plan}", signature.name, self.dtype, self.chunk)
    }

    pub(crate) fn spec(&self) -> Spec {
        let sizes = self.sizes.clone();
        let Case { precision, chunk, columns, .. } = *self;
        Spec { precision, chunk, columns, ..Spec::new(sizes, self.dtype) }
    }

    /// The one kernel of the fused plan.
    pub(crate) fn kernel(&self, arch: Arch) -> Result<Kernel, Limitation> {
        fused::emit(self.timeline()?, &self.spec(), arch)
    }

    /// What the case's plan launches.
    pub(crate) fn schedule(&self, arch: Arch) -> Result<Schedule, Limitation> {
        self.plan.emit(self.timeline()?, &self.spec(), arch)
    }

    /// A rule that has no timeline has no kernel of any plan, and says so elsewhere.
    fn timeline(&self) -> Result<&Timeline, Limitation> {
        self.rule.timeline.as_ref().map_err(|why| Limitation::NotFused(why.message.clone()))
    }

    /// The plan in the simulator.
    pub(crate) fn simulator(&self) -> Executable {
        let options = Options {
            plan: self.plan.into(),
            dtype: Some(element(self.dtype)),
            precision: self.precision,
            chunk: self.chunk,
            piece: self.piece,
            columns: Some(self.columns),
            ..Options::default()
        };
        let executable = self.rule.on(&Device::sim(self.arch));
        let executable = executable.unwrap_or_else(|error| panic!("{}: {error}", self.label()));
        executable.with_options(options).with_jit(jit())
    }

    /// Inputs that leave results of moderate size, rounded to the type.
    pub(crate) fn inputs(&self, frame: &Frame, seed: u64) -> Tensors {
        let mut scale = 1.0;
        loop {
            let drawn = draw::inputs(&self.rule, frame, &self.sizes, scale, seed);
            let drawn = drawn.unwrap_or_else(|error| panic!("{}: {error}", self.label()));
            let inputs = self.round(&contractive(forward_only(&self.rule, drawn)));
            let expected = self.expected(&inputs);
            if scale < 0.01 || expected.iter().all(|(_, tensor)| compare::is_tame(tensor)) {
                return inputs;
            }
            scale /= 2.0;
        }
    }

    /// Every float rounded to the case's type, as token vectors are: the simulator and the reference start alike.
    pub(crate) fn round(&self, inputs: &Tensors) -> Tensors {
        let one = |(name, tensor): (&str, &Tensor)| {
            let rounded = match tensor.element().is_float() {
                true => tensor.cast(element(self.dtype)).expect("floats convert into one another"),
                false => tensor.clone(),
            };
            (name.to_owned(), rounded)
        };
        inputs.iter().map(one).collect()
    }

    /// The token loop in f64.
    pub(crate) fn expected(&self, inputs: &Tensors) -> Tensors {
        let options =
            Options { plan: PlanChoice::Recurrent, dtype: Some(Element::F64), ..Options::default() };
        let run = || -> Result<Tensors, Error> {
            self.rule.on(&Device::cpu())?.with_options(options).forward(inputs)
        };
        run().unwrap_or_else(|error| panic!("{} on the CPU: {error}", self.label()))
    }

    /// Whether this is a state's name.
    pub(crate) fn is_state(&self, name: &str) -> bool {
        self.rule.signature.states.iter().any(|state| state.name == name)
    }

    /// Whether the catalogue has the rule.
    pub(crate) fn is_in_catalogue(&self) -> bool {
        catalogue().iter().any(|entry| entry.name == self.rule.signature.name)
    }

    /// The parameters that have a row for each token.
    pub(crate) fn token_params(&self) -> impl Iterator<Item = &str> {
        self.rule.signature.params.iter().filter(|p| !p.per_head).map(|p| p.name.as_str())
    }
}

/// A tensor of other numbers.
pub(crate) fn changed(tensor: &Tensor, change: impl FnOnce(&mut [f64])) -> Tensor {
    let mut numbers = tensor.to_f64().into_owned();
    change(&mut numbers);
    let exact = Tensor::new(tensor.shape().to_vec(), numbers).expect("the shape is as it was");
    exact.cast(tensor.element()).expect("floats convert into one another")
}

/// The inputs without the cotangents that a backward pass would take.
fn forward_only(rule: &Rule, inputs: Tensors) -> Tensors {
    let signature = &rule.signature;
    let results = signature.outputs.iter().map(|o| &o.name).chain(signature.states.iter().map(|s| &s.name));
    let cotangents: Vec<String> = results.map(|name| format!("d{name}")).collect();
    inputs.into_iter().filter(|(name, _)| !cotangents.contains(name)).collect()
}

/// A map `I + b a^T` of independent unit vectors is no contraction, and in few dims it grows with every token; models use
/// `b = -beta a`. So where a rule has two such keys, `b` becomes minus half of `a`, and short where heads are grouped.
fn contractive(mut inputs: Tensors) -> Tensors {
    let (Some(a), Some(b)) = (inputs.get("a"), inputs.get("b")) else { return inputs };
    if a.shape().len() != 4 || b.shape().len() != 4 {
        return inputs;
    }
    let (from, factor) = if a.shape() == b.shape() { (a, -0.5) } else { (b, 0.05) };
    let new = changed(from, |numbers| numbers.iter_mut().for_each(|x| *x *= factor));
    inputs.insert("b", new);
    inputs
}

/// A dense frame without states.
pub(crate) fn dense(batch: usize, tokens: usize, heads: usize) -> Frame {
    Frame { name: "dense", batch, tokens, heads, grouped: false, initial: false, lengths: None }
}

/// Packed sequences.
pub(crate) fn packed(lengths: &[usize], heads: usize) -> Frame {
    Frame { name: "packed", lengths: Some(lengths.to_vec()), ..dense(1, lengths.iter().sum(), heads) }
}
