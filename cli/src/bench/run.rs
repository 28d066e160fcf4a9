//! One rule under one plan: cut as its launch would be, counted, compiled, predicted, and measured where there is a GPU.
//!
//! ```text
//! Costs -> columns, piece  ->  kernels  ->  counts of each (`counted`), registers, occupancy  ->  the model's time
//!                          ->  an executable on the GPU, its inputs in copies enough to pass the cache  ->  the median
//! ```

use super::counted::{Counted, launch};
use super::{Bench, Part, Problem, REFERENCE_CHUNK, Setup, inputs, text};
use crate::check::element;
use crate::commands::emit;
use crate::failure::{Failure, Outcome};
use chunkwise::{Device, Error, Executable, Options, Rule, RuleExt};
use chunkwise_algebra::explain::{Least, Setting, least};
use chunkwise_codegen::choice::{Costs, Shape};
use chunkwise_codegen::kernel::{Kernel, Spec};
use chunkwise_codegen::model::{self, Block};
use chunkwise_codegen::schedule::{Extent, Pieces, Schedule};
use chunkwise_codegen::{Plan, Precision, fused};
use chunkwise_dsl::timeline::Timeline;
use chunkwise_runtime::jit::Source;
use chunkwise_runtime::nvrtc::{Binary, Code, KernelResources};
use std::sync::Arc;

/// A rule and how a launch of it is cut.
#[derive(Clone, Copy)]
pub(super) struct Cut<'a> {
    pub(super) rule: &'a Rule,
    pub(super) sizes: &'a [usize],
    pub(super) plan: Plan,
    /// The most value columns of a block.
    pub(super) columns: usize,
    /// Tokens of a piece, where they are chosen.
    pub(super) piece: Option<usize>,
}

/// Counts, compiles, predicts and measures one rule under one plan.
///
/// # Errors
/// A limitation where the plan has no kernel; what the compiler, the simulator or the device say.
pub fn bench(setup: &Setup, rule: &Rule, plan: Plan, sizes: &[usize]) -> Outcome<Bench> {
    let Problem { batch, tokens, heads } = setup.problem;
    let multiprocessors = setup.gpu.multiprocessors as usize;
    if plan == Plan::Recurrent && setup.precision == Precision::High {
        return Err(Failure::limitation(
            "--precision high splits the operands of tensor cores, and the recurrent plan uses none",
            "it rounds no operand: bench it without",
        ));
    }
    let cut = cut(setup, rule, plan, sizes);
    let spec = Spec { columns: cut.columns, ..spec(setup, sizes) };
    let schedule = emit::schedule(rule, plan, setup.arch, spec.clone())?;
    // `emit` has refused rules without a timeline.
    let timeline = rule.timeline.as_ref().map_err(|why| Failure::limitation(&why.message, &why.hint))?;
    // A GPU that is not there is no news after a minute of counting.
    let on_gpu = setup.device.as_ref().map(|device| executable(setup, device, cut)).transpose()?;
    let least = least(timeline, &reference(setup, sizes));
    let piece = cut.piece.unwrap_or_else(|| schedule.piece(batch, batch * tokens, heads, multiprocessors));
    let extent = Extent { sequences: batch, tokens: batch * tokens, heads, piece };
    let chunk = chunk(setup, timeline, &spec, plan, &schedule);
    // First of all, so that the simulator finds them compiled.
    let resources = resources(setup, &schedule.kernels)?;
    let counted = Counted::of(setup, Cut { piece: (piece > 0).then_some(piece), ..cut })?;
    let parts = schedule.kernels.iter().zip(resources).zip(counted);
    let parts = parts.map(|(compiled, counted)| part(setup, (&extent, chunk, &least), compiled, &counted));
    Ok(Bench {
        rule: rule.signature.name.clone(),
        plan,
        sizes: text::sizes(&rule.signature.dims, sizes),
        chunk,
        parts: parts.collect::<Outcome<_>>()?,
        least,
        beside: match &setup.beside {
            Some(beside) => beside.fastest(rule, sizes, setup.problem, setup.dtype)?,
            None => None,
        },
        measured: on_gpu.map(|executable| measure(setup, &executable, cut)).transpose()?,
    })
}

/// The kernels of these sizes.
fn spec(setup: &Setup, sizes: &[usize]) -> Spec {
    Spec { precision: setup.precision, ..Spec::new(sizes.to_vec(), setup.dtype) }
}

/// How a launch of the problem is cut, on the GPU of the model.
fn cut<'a>(setup: &Setup, rule: &'a Rule, plan: Plan, sizes: &'a [usize]) -> Cut<'a> {
    let Problem { batch, tokens, heads } = setup.problem;
    let shape =
        Shape { sequences: batch, tokens, heads, multiprocessors: setup.gpu.multiprocessors as usize };
    let spec = spec(setup, sizes);
    let chosen = rule.timeline.as_ref().map(|t| Costs::of(t, &spec, setup.arch, &[plan]).choose(shape));
    let (columns, piece) = chosen.map_or((spec.columns, None), |choice| (choice.columns, choice.piece));
    Cut { rule, sizes, plan, columns: setup.columns.unwrap_or(columns), piece }
}

/// What the reference flops are of.
fn reference(setup: &Setup, sizes: &[usize]) -> Setting {
    let (element, element_bytes) = (setup.dtype.to_string(), setup.dtype.size());
    Setting { sizes: sizes.to_vec(), chunk: REFERENCE_CHUNK, element, element_bytes }
}

/// Tokens of a chunk.
fn chunk(setup: &Setup, timeline: &Timeline, spec: &Spec, plan: Plan, schedule: &Schedule) -> usize {
    match (plan, schedule.pieces) {
        (Plan::Recurrent, _) => 1,
        (_, Pieces::Of(tokens)) => tokens as usize,
        _ => fused::choose(timeline, spec, setup.arch).map_or(1, |plan| plan.tokens as usize),
    }
}

/// One kernel, from its counts.
fn part(
    setup: &Setup,
    (extent, chunk, least): (&Extent, usize, &Least),
    (kernel, resources): (&Kernel, KernelResources),
    counted: &Counted,
) -> Outcome<Part> {
    let shared = kernel.shared + resources.shared_bytes;
    let block = Block { threads: kernel.threads, registers: resources.registers, shared };
    let occupancy = model::occupancy(setup.arch, block);
    let predicted = (occupancy.blocks > 0).then(|| {
        let launch = launch((setup.problem, extent), kernel, occupancy.blocks, counted, least);
        model::predict(setup.gpu, &launch)
    });
    let barriers =
        counted.per_token(|c| c.barriers) / f64::from(kernel.threads.div_ceil(32) * kernel.blocks_per_head);
    Ok(Part {
        name: kernel.name.clone(),
        threads: kernel.threads,
        blocks_per_head: kernel.blocks_per_head,
        unit: kernel.unit,
        shared,
        resources,
        occupancy,
        per_token: counted.all(kernel.blocks_per_head),
        barriers_per_chunk: barriers * chunk as f64,
        predicted,
    })
}

/// What ptxas reports of the kernels, all compiled at one time. With the options of the simulator, so that one compilation
/// serves both.
fn resources(setup: &Setup, kernels: &[Kernel]) -> Outcome<Vec<KernelResources>> {
    let source = |kernel: &Kernel| Source {
        name: kernel.name.clone(),
        text: kernel.source.clone(),
        options: vec!["-lineinfo".to_owned()],
        code: Code::Machine,
    };
    let sources: Vec<Source> = kernels.iter().map(source).collect();
    let of = |(kernel, binary): (&Kernel, Result<Arc<Binary>, Error>)| {
        let found = binary?.resources_of(&kernel.name).cloned();
        found.ok_or_else(|| Error::bug(format!("the compiler's log says nothing of `{}`", kernel.name)))
    };
    let compiled = setup.jit.compile_all(&sources, setup.arch);
    Ok(kernels.iter().zip(compiled).map(of).collect::<Result<_, Error>>()?)
}

/// The rule on a device, cut alike.
pub(super) fn executable(setup: &Setup, device: &Device, cut: Cut<'_>) -> Outcome<Executable> {
    let options = Options {
        plan: cut.plan.into(),
        dtype: Some(element(setup.dtype)),
        precision: setup.precision,
        piece: cut.piece,
        columns: Some(cut.columns),
        ..Options::default()
    };
    Ok(cut.rule.on(device)?.with_jit(setup.jit.clone()).with_options(options))
}

/// Bytes that all copies of the tensors have together, at least: several times the second-level cache.
const ROTATED: usize = 256 << 20;
/// Launches that are timed, after so many that are not.
const REPEATS: usize = 30;
const WARM_UP: usize = 5;

/// The median of launches on a GPU, in milliseconds.
fn measure(setup: &Setup, executable: &Executable, cut: Cut<'_>) -> Outcome<f64> {
    let inputs = inputs::tiled(cut.rule, cut.sizes, setup.problem)?;
    let bytes: usize = inputs.iter().map(|(_, tensor)| tensor.len() * setup.dtype.size()).sum();
    let copies = (ROTATED / bytes.max(1)).clamp(1, 64) + 1;
    let mut times = executable.time(&inputs, copies, WARM_UP + REPEATS)?.split_off(WARM_UP);
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
