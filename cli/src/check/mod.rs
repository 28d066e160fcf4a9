//! Random inputs through a rule, against the token loop in f64: the proof that anyone can run.
//!
//! ```text
//! chunkwise  plain    initial  packed   grouped
//! o          1.3e-07  1.5e-07  1.2e-07  1.1e-07
//! s          1.2e-07  ..
//! dq         ..
//! ```
//!
//! For each plan and case: inputs are drawn in f64 ([`draw`]), rounded to the element type under test, run forward and
//! backward on the device, and once more in f64, token by token, on the CPU, from the same rounded inputs. So the figure
//! shows the algorithm's error alone, not that of rounding the inputs.

pub mod cases;
pub mod compare;
pub mod draw;
pub mod random;
pub mod roles;

use cases::Case;
use chunkwise::{Cold, Device, Element, Error, Options, PlanChoice, Rule, RuleExt, Tensor, Tensors};
use chunkwise_codegen::Precision;
use chunkwise_codegen::dtype::DType;

/// What is checked.
#[derive(Debug)]
pub struct Setup<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The device under test.
    pub device: Device,
    /// Tokens in a chunk.
    pub chunk: usize,
    /// Element type of the token vectors and outputs.
    pub dtype: DType,
    /// How tensor cores round their operands.
    pub precision: Precision,
    /// Sizes of the dims, by `Dim`.
    pub sizes: Vec<usize>,
    /// A kernel to run in place of the generated one: the file's name and its text.
    pub kernel: Option<(String, String)>,
}

/// The ratios of one run: tensor names (outputs, states, gradients) with RMS(error) / RMS(reference).
pub type Ratios = Vec<(String, f64)>;

/// The element type of tensors.
pub fn element(dtype: DType) -> Element {
    match dtype {
        DType::F64 => Element::F64,
        DType::F32 => Element::F32,
        DType::F16 => Element::F16,
        DType::BF16 => Element::BF16,
    }
}

/// How often inputs that make a state grow are drawn again, each time at half the size.
const REDRAWS: i32 = 8;

/// Runs one case under one plan: backward, or forward alone on a device that has no backward pass.
///
/// # Errors
/// Those of the device; a limitation where the plan is the reference; a bug where the device returns another set of
/// tensors than the reference.
pub fn run(setup: &Setup<'_>, plan: PlanChoice, case: &Case, seed: u64) -> Result<Ratios, Error> {
    if plan == PlanChoice::Recurrent && setup.dtype == DType::F64 && setup.device == Device::cpu() {
        return Err(Error::limitation(
            "the recurrent plan in f64 on `cpu` is what a check compares with, and would be compared with itself",
            "take another `--plan` or `--dtype`",
        ));
    }
    let (inputs, reference) = tame_inputs(setup, case, seed)?;
    let options = Options {
        plan,
        chunk: setup.chunk,
        dtype: Some(element(setup.dtype)),
        precision: setup.precision,
        // Another plan's results would prove nothing.
        cold: Cold::Wait,
        ..Options::default()
    };
    let mut executable = setup.rule.on(&setup.device)?.with_options(options);
    if let Some((file, text)) = &setup.kernel {
        executable = executable.with_kernel(file, text)?;
    }
    let (results, forward_only) = match executable.backward(&inputs) {
        Err(Error::Limitation(_)) => (executable.forward(&inputs)?, true),
        other => (other?, false),
    };
    let signature = &setup.rule.signature;
    let is_forward = |name: &str| {
        let outputs = signature.outputs.iter().map(|output| &output.name);
        outputs.chain(signature.states.iter().map(|state| &state.name)).any(|known| known == name)
    };
    let expected = reference.iter().filter(|(name, _)| !forward_only || is_forward(name));
    let ratio = |(name, expected): (&str, _)| match results.get(name) {
        Some(result) => Ok((name.to_owned(), compare::ratio(result, expected))),
        None => Err(Error::bug(format!("{} returned no tensor `{name}`", setup.device))),
    };
    expected.map(ratio).collect()
}

/// Inputs whose results in f64 stay of moderate size, and these results.
fn tame_inputs(setup: &Setup<'_>, case: &Case, seed: u64) -> Result<(Tensors, Tensors), Error> {
    let mut attempt = 0;
    loop {
        let drawn = draw::inputs(setup.rule, case, &setup.sizes, 0.5f64.powi(attempt), seed)?;
        let inputs = cast(&drawn, element(setup.dtype))?;
        let reference = reference(setup.rule, &inputs)?;
        if attempt == REDRAWS || reference.iter().all(|(_, tensor)| compare::is_tame(tensor)) {
            return Ok((inputs, reference));
        }
        attempt += 1;
    }
}

/// The same tensors with every float rounded to a type: device and reference start from the same numbers.
fn cast(tensors: &Tensors, element: Element) -> Result<Tensors, Error> {
    let one = |(name, tensor): (&str, &Tensor)| match tensor.element().is_float() {
        true => Ok((name.to_owned(), tensor.cast(element)?)),
        false => Ok((name.to_owned(), tensor.clone())),
    };
    tensors.iter().map(one).collect()
}

/// The token loop in f64 on the CPU.
fn reference(rule: &Rule, inputs: &Tensors) -> Result<Tensors, Error> {
    let options = Options { plan: PlanChoice::Recurrent, dtype: Some(Element::F64), ..Options::default() };
    rule.on(&Device::cpu())?.with_options(options).backward(&cast(inputs, Element::F64)?)
}
