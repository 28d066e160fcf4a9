//! The kernels of random rules, in the simulator, against the token loop in f64.

use crate::compare;
use crate::library::{arrays, tensor};
use crate::problem::{Arrays, Sequences};
use crate::properties::{Case, batch, case, packed};
use crate::source::{Source, Verdict};
use chunkwise_codegen::recurrent::{Spec, emit};
use chunkwise_codegen::{Arch, DType};
use chunkwise_runtime::cache::Cache;
use chunkwise_runtime::jit::Jit;
use chunkwise_runtime::nvrtc::Nvrtc;
use chunkwise_runtime::{Device, Element, Error, Executable, Options, PlanChoice, RuleExt, Tensors};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// How many rules had a kernel, so that the test can tell whether it tested anything.
pub(crate) static RUN: AtomicUsize = AtomicUsize::new(0);

/// How many had one whose state lies in memory.
pub(crate) static LARGE: AtomicUsize = AtomicUsize::new(0);

/// Element types, and how far a result in one may be from the reference.
const TYPES: [(Element, f64); 3] = [(Element::F32, 1e-4), (Element::BF16, 5e-3), (Element::F16, 1e-3)];

/// The compiler, found once; each rule has a cache of its own, which goes with it.
pub(crate) fn jit() -> Result<Arc<Jit>, String> {
    static NVRTC: OnceLock<Result<Nvrtc, Error>> = OnceLock::new();
    let nvrtc = NVRTC.get_or_init(Nvrtc::find).as_ref().map_err(|error| error.to_string())?;
    Ok(Arc::new(Jit::new(nvrtc.clone(), Cache::in_memory())))
}

/// Outputs and final states of a kernel are those of the token loop in f64 on the same rounded inputs. A rule without a
/// kernel says so, and is passed over.
pub(crate) fn simulated(source: &mut Source) -> Verdict {
    let case = case(source, |s| if s.one_in(3) { packed(s) } else { batch(s) })?;
    let (element, tolerance) = source.pick(&TYPES);
    agrees(&case, element, tolerance, &RUN)
}

/// The same of states that are too large for registers: of rules whose values mix the columns of a row, mostly.
pub(crate) fn large(source: &mut Source) -> Verdict {
    let mut case = case(source, |_| Sequences::Packed(vec![3, 0, 1]))?;
    for size in case.problem.sizes.values_mut() {
        *size = source.pick(&[200, 129, 256]);
    }
    let Ok(timeline) = &case.rule.timeline else { return Ok(()) };
    let sizes = case.rule.signature.dims.iter().map(|dim| case.problem.sizes[dim]).collect();
    match emit(timeline, &Spec::new(sizes, DType::F32)) {
        Ok(kernel) if kernel.source.contains("it lies in local memory") => {
            agrees(&case, Element::F32, 1e-4, &LARGE)
        }
        _ => Ok(()),
    }
}

/// Runs a case in the simulator and on the CPU, and compares.
fn agrees(case: &Case, element: Element, tolerance: f64, run: &AtomicUsize) -> Verdict {
    let inputs = rounded(&case.problem.pose(&case.layout, case.seed).inputs, element);
    let device = case.rule.on(&Device::sim(Arch::Sm80));
    let (simulator, cpu) = match device {
        Ok(simulator) => (simulator, case.rule.on(&Device::cpu()).map_err(|error| error.to_string())?),
        Err(Error::Limitation(_)) => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let simulator = simulator.with_jit(jit()?);
    match forward(simulator, &inputs, element) {
        // An instruction that the simulator does not know is no reason to pass over a kernel.
        Err(Error::Limitation(why)) if !why.to_string().contains("the simulator") => Ok(()),
        Err(error) => case.verdict("in the simulator", &[error.to_string()]),
        Ok(got) => {
            run.fetch_add(1, Ordering::Relaxed);
            let expected = forward(cpu, &inputs, Element::F64).map_err(|error| error.to_string())?;
            case.verdict(
                format!("{element} in the simulator"),
                &compare::differences(&expected, &got, tolerance),
            )
        }
    }
}

/// Every input as a tensor, its floats rounded; cotangents are ignored by a forward pass.
pub(crate) fn rounded(inputs: &Arrays, element: Element) -> Tensors {
    let one = |(name, array): (&String, _)| {
        let exact = tensor(name, array, Element::F64);
        let rounded = if exact.element().is_float() { exact.cast(element) } else { Ok(exact) };
        (name.clone(), rounded.expect("floats convert into one another"))
    };
    inputs.iter().map(one).collect()
}

fn forward(executable: Executable, inputs: &Tensors, element: Element) -> Result<Arrays, Error> {
    let options = Options { plan: PlanChoice::Recurrent, dtype: Some(element), ..Options::default() };
    executable.with_options(options).forward(inputs).map(arrays)
}
