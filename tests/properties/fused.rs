//! The kernels of random rules by every chunkwise plan, in the simulator, against the token loop in f64.
//!
//! A rule that nobody chose may take the difference of numbers that are nearly equal, and then no rounding of operands is
//! small beside what is left. How much there is to lose, the token loop itself tells: run again on inputs that are each moved
//! by what rounding moves at most. A kernel, which rounds a handful of operands a token, may be off by `ROUNDINGS` times as
//! much, or by a [`Kind`]'s limits.

use crate::compare;
use crate::library::arrays;
use crate::problem::{Array, Arrays, Sequences};
use crate::properties::{Case, case};
use crate::random::Random;
use crate::simulated::{jit, rounded};
use crate::source::{Source, Verdict};
use chunkwise_cli::check::draw;
use chunkwise_codegen::kernel::Spec;
use chunkwise_codegen::{Arch, DType, Limitation, Plan, Precision};
use chunkwise_dsl::class::{Feedback, classify};
use chunkwise_runtime::{Device, Element, Error, Executable, Options, PlanChoice, RuleExt, Tensors};

/// An element type with a precision.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    element: Element,
    pub(crate) dtype: DType,
    precision: Precision,
    /// How far off outputs may be, and final states: the policy's limits on any inputs.
    limits: (f64, f64),
    /// By what rounding moves a number at most.
    moved: f64,
}

const fn kind(
    (element, dtype): (Element, DType),
    precision: Precision,
    limits: (f64, f64),
    moved: f64,
) -> Kind {
    Kind { element, dtype, precision, limits, moved }
}

const BF16: (Element, DType) = (Element::BF16, DType::BF16);
const F16: (Element, DType) = (Element::F16, DType::F16);

/// What hides little of what is wrong is drawn half of the time.
const KINDS: [Kind; 8] = [
    kind(BF16, Precision::Fast, (50e-4, 50e-4), 3.9e-3),
    kind(F16, Precision::Fast, (6.3e-4, 6.3e-4), 4.9e-4),
    F32,
    kind(BF16, Precision::High, (20e-4, 3e-4), 1.5e-5),
    kind(F16, Precision::High, (2.5e-4, 3e-4), 1.5e-5),
    kind(BF16, Precision::Fast, (50e-4, 50e-4), 3.9e-3),
    kind(F16, Precision::Fast, (6.3e-4, 6.3e-4), 4.9e-4),
    F32,
];

const F32: Kind = kind((Element::F32, DType::F32), Precision::Fast, (1e-4, 1e-4), 1.5e-5);

/// Of few numbers of 16 bits each may be rounded badly.
const FEW: usize = 256;
const BADLY_ROUNDED: f64 = 2.4;

/// What storing exact outputs loses, and some numbers fall to the other side: many may stand just above a power of two.
const STORED: f64 = 1.02;

/// How many roundings of the size of an input's a result may show.
const ROUNDINGS: f64 = 2.0;

const ARCHS: [Arch; 5] = [Arch::Sm80, Arch::Sm90, Arch::Sm86, Arch::Sm100, Arch::Sm120];

/// Four classes of feedback, each in three element types.
pub(crate) const CLASSES: usize = 12;

/// The same classes by plan: pieces of sequences compose where feedback is linear or none.
pub(crate) const PLANS: usize = 10;

/// A random rule with its kernels.
pub(crate) struct Drawn {
    case: Case,
    pub(crate) feedback: Feedback,
    pub(crate) kind: Kind,
    arch: Arch,
    /// The plans that it has kernels of, for what.
    pub(crate) plans: Vec<(Plan, Spec)>,
}

/// A rule, what it is made into, and on what it runs; nothing where no plan has kernels for it.
pub(crate) fn draw(source: &mut Source) -> Result<Option<Drawn>, String> {
    let mut case = case(source, sequences)?;
    for size in case.problem.sizes.values_mut() {
        *size =
            if source.one_in(8) { source.pick(&[128, 200]) } else { source.pick(&[4, 16, 1, 24, 33, 3, 64]) };
    }
    let (kind, columns) = (source.pick(&KINDS), source.pick(&[128, 16, 32]));
    let arch = source.pick(&ARCHS);
    let Ok(timeline) = &case.rule.timeline else { return Ok(None) };
    let sizes = case.rule.signature.dims.iter().map(|dim| case.problem.sizes[dim]).collect();
    let spec = Spec { precision: kind.precision, columns, ..Spec::new(sizes, kind.dtype) };
    // Short chunks and pieces, so that there are several.
    let short = Spec { chunk: 16, ..spec.clone() };
    let mut plans = Vec::new();
    for (plan, spec) in [(Plan::Fused, spec.clone()), (Plan::Split, spec), (Plan::Segmented, short)] {
        match plan.emit(timeline, &spec, arch) {
            Ok(_) => plans.push((plan, spec)),
            Err(Limitation::Invalid(what)) => case.verdict(plan, &[what])?,
            Err(_) => {}
        }
    }
    let feedback = classify(timeline).feedback;
    Ok((!plans.is_empty()).then_some(Drawn { case, feedback, kind, arch, plans }))
}

/// Outputs and final states of every plan's kernels, where there are any, are those of the token loop.
pub(crate) fn fused(source: &mut Source) -> Verdict {
    match draw(source)? {
        Some(drawn) => drawn.agrees(),
        None => Ok(()),
    }
}

/// What the token loop makes of the inputs, and by how much it may be missed, by name.
struct Expected {
    results: Arrays,
    leeway: Arrays,
}

impl Drawn {
    fn agrees(&self) -> Verdict {
        let Kind { element, precision, .. } = self.kind;
        let inputs = rounded(&self.case.problem.pose(&self.case.layout, self.case.seed).inputs, element);
        let expected = self.expected(&inputs).map_err(|error| error.to_string())?;
        let jit = jit()?;
        for (plan, spec) in &self.plans {
            let run = || -> Result<Arrays, Error> {
                let simulator = self.case.rule.on(&Device::sim(self.arch))?.with_jit(jit.clone());
                let options = options((*plan).into(), element, spec);
                forward(&simulator.with_options(options), &inputs)
            };
            let label = format!("{plan}, {element}, {precision:?}, {}, columns {}", self.arch, spec.columns);
            match run() {
                Ok(got) => self.case.verdict(label, &self.differences(&expected, got))?,
                Err(error) => self.case.verdict(label, &[error.to_string()])?,
            }
        }
        Ok(())
    }

    fn expected(&self, inputs: &Tensors) -> Result<Expected, Error> {
        let plain = Spec::new(Vec::new(), self.kind.dtype);
        let cpu = self.case.rule.on(&Device::cpu())?;
        let cpu = cpu.with_options(options(PlanChoice::Recurrent, Element::F64, &plain));
        let results = forward(&cpu, inputs)?;
        let mut leeway = Arrays::new();
        for seed in [1, 2, 3] {
            let mut random = Random::new(seed);
            let moved = draw::nudged(inputs, self.kind.moved, || random.bits() & 1 == 0)?;
            for (name, array) in forward(&cpu, &moved)? {
                let distance = ROUNDINGS * compare::distance(&results[&name], &array);
                let most = leeway.entry(name).or_insert(Array { shape: vec![], data: vec![0.0] });
                most.data[0] = most.data[0].max(distance);
            }
        }
        for (name, array) in arrays(rounded(&results, self.kind.element)) {
            let stored = STORED * compare::distance(&results[&name], &array);
            if let Some(most) = leeway.get_mut(&name).filter(|_| !self.is_state(&name) && stored.is_finite())
            {
                most.data[0] = most.data[0].max(stored);
            }
        }
        Ok(Expected { results, leeway })
    }

    /// What is wrong with results. What may be lost goes into them: an error within it is none.
    fn differences(&self, expected: &Expected, got: Arrays) -> Vec<String> {
        let forgiven = |(name, array): (String, Array)| {
            let allowed = expected.leeway.get(&name).map_or(0.0, |most| most.data[0]);
            let near = expected.results.get(&name).filter(|e| e.shape == array.shape);
            let near = near.filter(|e| compare::distance(e, &array) <= allowed).cloned();
            (name, near.unwrap_or(array))
        };
        let got = got.into_iter().map(forgiven).collect();
        compare::differences_by(&expected.results, &got, |name, array| self.limit(name, array.data.len()))
    }

    fn is_state(&self, name: &str) -> bool {
        self.case.rule.signature.states.iter().any(|state| state.name == name)
    }

    fn limit(&self, name: &str, numbers: usize) -> f64 {
        let (output, state) = self.kind.limits;
        let limit = if self.is_state(name) { state } else { output };
        // The limits in one part have room for it.
        let few = !self.is_state(name) && numbers < FEW && self.kind.precision == Precision::High;
        if few { BADLY_ROUNDED * limit } else { limit }
    }
}

/// Within a chunk and beyond it.
fn sequences(source: &mut Source) -> Sequences {
    match source.one_in(3) {
        true => {
            Sequences::Packed((0..2 + source.below(2)).map(|_| source.pick(&[5, 17, 0, 1, 66])).collect())
        }
        false => Sequences::Batch { batch: 1, tokens: source.pick(&[5, 17, 1, 66, 80]) },
    }
}

fn options(plan: PlanChoice, element: Element, spec: &Spec) -> Options {
    let Spec { precision, chunk, columns, .. } = *spec;
    Options {
        plan,
        dtype: Some(element),
        precision,
        chunk,
        columns: Some(columns),
        piece: Some(32),
        ..Options::default()
    }
}

fn forward(executable: &Executable, inputs: &Tensors) -> Result<Arrays, Error> {
    executable.forward(inputs).map(arrays)
}
