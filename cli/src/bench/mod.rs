//! What a kernel costs: counted in the simulator, read from the compiler's log, predicted for a GPU, measured on one.
//!
//! ```text
//! rule            plan   bytes  /least  ..  tensor flop  /reference  ..     ms  bound by
//! gated_deltanet  fused  1,092    1.06  ..      145,408        0.89  ..  0.543  shared
//! ```
//!
//! One head is simulated at [`SHORT`] and [`LONG`] tokens. The difference is what a token costs, without what is done once a
//! sequence (states, prologue); the rest is that, and both together are scaled to the problem that was asked for. The
//! least bytes are each input and output once; the reference flops are those of the chunkwise form with chunks of
//! [`REFERENCE_CHUNK`] (`algebra::explain`), whatever the plan.

pub mod beside;
pub mod first;
pub mod inputs;
pub mod json;
pub mod text;

use self::beside::{Beside, Fastest};
use crate::check::element;
use crate::commands::emit;
use crate::failure::{Failure, Outcome};
use chunkwise::{Device, Executable, Options, Rule, RuleExt};
use chunkwise_algebra::explain::{Least, Setting, least};
use chunkwise_codegen::choice::{Costs, Shape};
use chunkwise_codegen::kernel::{Kernel, Spec};
use chunkwise_codegen::model::{self, Block, Gpu, Launch, Occupancy, Prediction, Work};
use chunkwise_codegen::schedule::{Extent, Pieces, Unit};
use chunkwise_codegen::{Arch, DType, Plan, fused};
use chunkwise_runtime::counters::Counters;
use chunkwise_runtime::jit::{Jit, Source};
use chunkwise_runtime::nvrtc::KernelResources;
use std::ops::Add;
use std::sync::Arc;

/// Tokens of the two simulated sequences: multiples of every chunk length, several chunks each.
pub const SHORT: usize = 128;
/// The longer one.
pub const LONG: usize = 256;

/// The chunk length of the reference flops.
pub const REFERENCE_CHUNK: usize = 64;

/// How long a problem is predicted and measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Problem {
    /// `B`.
    pub batch: usize,
    /// `T`.
    pub tokens: usize,
    /// `HV`.
    pub heads: usize,
}

/// What all rules and plans of one call share.
#[derive(Debug)]
pub struct Setup {
    /// The architecture that kernels are made for.
    pub arch: Arch,
    /// The GPU of the model, of that architecture.
    pub gpu: &'static Gpu,
    /// A GPU to measure on.
    pub device: Option<Device>,
    /// The element type of token vectors and outputs.
    pub dtype: DType,
    /// The problem.
    pub problem: Problem,
    /// The most value columns of a block, where they are given.
    pub columns: Option<usize>,
    /// Times of others.
    pub beside: Option<Beside>,
    /// The compiler.
    pub jit: Arc<Jit>,
}

/// Counts of one token of one head.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct PerToken {
    /// Bytes that lanes loaded from and stored to global memory.
    pub load_bytes: f64,
    /// Stored.
    pub store_bytes: f64,
    /// 32-byte sectors of both.
    pub sectors: f64,
    /// Tensor-core flops.
    pub tensor_flops: f64,
    /// f32 multiply-adds of lanes on CUDA cores.
    pub fma: f64,
    /// Special functions of lanes: ex2, rcp and the like.
    pub special: f64,
    /// Passes over the banks of shared memory.
    pub wavefronts: f64,
    /// Of them by bank conflicts.
    pub conflicts: f64,
    /// Warp instructions.
    pub instructions: f64,
    /// Of them on the longest chain through barriers, by block.
    pub path: f64,
}

impl Add for PerToken {
    type Output = PerToken;

    fn add(self, other: PerToken) -> PerToken {
        PerToken {
            load_bytes: self.load_bytes + other.load_bytes,
            store_bytes: self.store_bytes + other.store_bytes,
            sectors: self.sectors + other.sectors,
            tensor_flops: self.tensor_flops + other.tensor_flops,
            fma: self.fma + other.fma,
            special: self.special + other.special,
            wavefronts: self.wavefronts + other.wavefronts,
            conflicts: self.conflicts + other.conflicts,
            instructions: self.instructions + other.instructions,
            path: self.path + other.path,
        }
    }
}

impl PerToken {
    /// Loaded and stored.
    pub fn bytes(&self) -> f64 {
        self.load_bytes + self.store_bytes
    }
}

/// One kernel of a plan.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Threads of a block.
    pub threads: u32,
    /// Blocks that share one head of a sequence, or of a piece of one.
    pub blocks_per_head: u32,
    /// What it has blocks for.
    pub unit: Unit,
    /// Shared memory of a block, static and dynamic.
    pub shared: u32,
    /// What ptxas reports.
    pub resources: KernelResources,
    /// Blocks of a multiprocessor.
    pub occupancy: Occupancy,
    /// Counts.
    pub per_token: PerToken,
    /// Barriers that a block passes in a chunk.
    pub barriers_per_chunk: f64,
    /// The model's time; `None` where not one block fits.
    pub predicted: Option<Prediction>,
}

impl Part {
    /// Spilled bytes, stores and loads.
    pub fn spilled(&self) -> u32 {
        self.resources.spill_store_bytes + self.resources.spill_load_bytes
    }
}

/// Everything about one rule and plan.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The rule's name.
    pub rule: String,
    /// The plan.
    pub plan: Plan,
    /// Sizes of the dims, as text: `K = 128, V = 128`.
    pub sizes: String,
    /// Tokens in a chunk; 1 for the token loop.
    pub chunk: usize,
    /// The least that has to be done.
    pub least: Least,
    /// Its kernels, in the order of their launches.
    pub parts: Vec<Part>,
    /// Milliseconds on a GPU: the median.
    pub measured: Option<f64>,
    /// What others take for the same.
    pub beside: Option<Fastest>,
}

impl Bench {
    /// Counts of all kernels together.
    pub fn per_token(&self) -> PerToken {
        self.parts.iter().fold(PerToken::default(), |sum, part| sum + part.per_token)
    }

    /// Bytes over the least bytes.
    pub fn byte_ratio(&self) -> f64 {
        self.per_token().bytes() / self.least.bytes() as f64
    }

    /// Bytes in whole sectors over the least bytes.
    pub fn sector_ratio(&self) -> f64 {
        32.0 * self.per_token().sectors / self.least.bytes() as f64
    }

    /// Tensor-core flops over the reference work; `None` where none are done.
    pub fn flop_ratio(&self) -> Option<f64> {
        let flops = self.per_token().tensor_flops;
        (flops > 0.0).then(|| flops / self.least.chunkwise_flops as f64)
    }

    /// How many times as long as ours, measured, others take.
    pub fn beside_ratio(&self) -> Option<f64> {
        Some(self.beside.as_ref()?.ms / self.measured?)
    }

    /// The model's milliseconds, one kernel after the other; `None` where one does not fit.
    pub fn predicted_ms(&self) -> Option<f64> {
        self.parts.iter().map(|part| part.predicted.as_ref().map(|p| p.ms)).sum()
    }
}

/// Counts, compiles, predicts and measures one rule under one plan.
///
/// # Errors
/// A limitation where the plan has no kernel; what the compiler, the simulator or the device say.
pub fn bench(setup: &Setup, rule: &Rule, plan: Plan, sizes: &[usize]) -> Outcome<Bench> {
    let Problem { batch, tokens, heads } = setup.problem;
    let multiprocessors = setup.gpu.multiprocessors as usize;
    let spec = Spec::new(sizes.to_vec(), setup.dtype);
    let shape = Shape { sequences: batch, tokens, heads, multiprocessors };
    let chosen = rule.timeline.as_ref().map(|t| Costs::of(t, &spec, setup.arch, &[plan]).choose(shape));
    let (columns, piece) = chosen.map_or((spec.columns, None), |choice| (choice.columns, choice.piece));
    let columns = setup.columns.unwrap_or(columns);
    let spec = Spec { columns, ..spec };
    let schedule = emit::schedule(rule, plan, setup.arch, spec.clone())?;
    // `emit` has refused rules without a timeline.
    let timeline = rule.timeline.as_ref().map_err(|why| Failure::limitation(&why.message, &why.hint))?;
    // A GPU that is not there is no news after a minute of counting.
    let on_gpu = setup
        .device
        .as_ref()
        .map(|device| executable(setup, device, rule, (plan, columns, piece)))
        .transpose()?;
    let chunk = match (plan, schedule.pieces) {
        (Plan::Recurrent, _) => 1,
        (_, Pieces::Of(tokens)) => tokens as usize,
        _ => fused::choose(timeline, &spec, setup.arch).map_or(1, |plan| plan.tokens as usize),
    };
    let (element_name, element_bytes) = (setup.dtype.to_string(), setup.dtype.size());
    let setting =
        Setting { sizes: sizes.to_vec(), chunk: REFERENCE_CHUNK, element: element_name, element_bytes };
    let least = least(timeline, &setting);
    let piece = piece.unwrap_or_else(|| schedule.piece(batch, batch * tokens, heads, multiprocessors));
    let extent = Extent { sequences: batch, tokens: batch * tokens, heads, piece };
    let counted = Counted::of(setup, rule, (plan, columns, piece), sizes)?;
    let part = |(kernel, counted): (&Kernel, Counted)| -> Outcome<Part> {
        let resources = resources(setup, kernel)?;
        let shared = kernel.shared + resources.shared_bytes;
        let block = Block { threads: kernel.threads, registers: resources.registers, shared };
        let occupancy = model::occupancy(setup.arch, block);
        let predicted = (occupancy.blocks > 0).then(|| {
            let launch = launch((setup.problem, &extent), kernel, occupancy.blocks, &counted, &least);
            model::predict(setup.gpu, &launch)
        });
        let barriers = counted.per_token(|c| c.barriers)
            / f64::from(kernel.threads.div_ceil(32) * kernel.blocks_per_head);
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
    };
    Ok(Bench {
        rule: rule.signature.name.clone(),
        plan,
        sizes: text::sizes(&rule.signature.dims, sizes),
        chunk,
        least,
        parts: schedule.kernels.iter().zip(counted).map(part).collect::<Outcome<_>>()?,
        beside: match &setup.beside {
            Some(beside) => beside.fastest(rule, sizes, setup.problem, setup.dtype)?,
            None => None,
        },
        measured: on_gpu.map(|executable| measure(setup, &executable, rule, sizes)).transpose()?,
    })
}

/// What ptxas reports of a kernel. With the options of the simulator, so that one compilation serves both.
fn resources(setup: &Setup, kernel: &Kernel) -> Outcome<KernelResources> {
    let options = vec!["-lineinfo".to_owned()];
    let source = Source { name: kernel.name.clone(), text: kernel.source.clone(), options };
    let binary = setup.jit.compile(&source, setup.arch)?;
    let found = binary.resources_of(&kernel.name).cloned();
    found.ok_or_else(|| {
        Failure::Error(chunkwise::Error::bug(format!("the compiler's log says nothing of `{}`", kernel.name)))
    })
}

fn executable(
    setup: &Setup,
    device: &Device,
    rule: &Rule,
    (plan, columns, piece): (Plan, usize, Option<usize>),
) -> Outcome<Executable> {
    let columns = Some(columns);
    let options = Options {
        plan: plan.into(),
        dtype: Some(element(setup.dtype)),
        piece,
        columns,
        ..Options::default()
    };
    Ok(rule.on(device)?.with_jit(setup.jit.clone()).with_options(options))
}

/// The counts of one head in one kernel, at both lengths.
struct Counted {
    /// The lengths, in tokens.
    tokens: [usize; 2],
    /// The counts.
    at: [Counters; 2],
}

impl Counted {
    /// By kernel. With pieces, several of them, as long as the problem's.
    fn of(
        setup: &Setup,
        rule: &Rule,
        (plan, columns, piece): (Plan, usize, usize),
        sizes: &[usize],
    ) -> Outcome<Vec<Counted>> {
        let given = (piece > 0).then_some(piece);
        let executable = executable(setup, &Device::sim(setup.arch), rule, (plan, columns, given))?;
        let count = |tokens: usize| -> Outcome<Vec<Counters>> {
            executable.forward(&inputs::drawn(rule, sizes, tokens)?)?;
            Ok(executable.counters().iter().map(|launched| launched.report.total).collect())
        };
        let tokens = [SHORT.max(2 * piece), LONG.max(4 * piece)];
        let (short, long) = (count(tokens[0])?, count(tokens[1])?);
        Ok(short.into_iter().zip(long).map(|(short, long)| Counted { tokens, at: [short, long] }).collect())
    }

    /// What a token adds.
    fn per_token(&self, of: impl Fn(&Counters) -> u64) -> f64 {
        let [short, long] = &self.at;
        (of(long) as f64 - of(short) as f64) / (self.tokens[1] - self.tokens[0]) as f64
    }

    /// A sequence of this many tokens, by the line through both lengths.
    fn sequence(&self, tokens: usize, of: impl Fn(&Counters) -> u64) -> f64 {
        let line = of(&self.at[0]) as f64 + (tokens as f64 - self.tokens[0] as f64) * self.per_token(of);
        line.max(0.0)
    }

    fn all(&self, blocks: u32) -> PerToken {
        PerToken {
            load_bytes: self.per_token(|c| c.global_load_bytes),
            store_bytes: self.per_token(|c| c.global_store_bytes),
            sectors: self.per_token(|c| c.load_sectors + c.store_sectors),
            tensor_flops: self.per_token(|c| c.tensor_flops),
            fma: self.per_token(|c| c.lane_fma),
            special: self.per_token(|c| c.lane_special),
            wavefronts: self.per_token(|c| c.wavefronts),
            conflicts: self.per_token(|c| c.conflicts),
            instructions: self.per_token(|c| c.instructions),
            path: self.per_token(|c| c.path) / f64::from(blocks),
        }
    }
}

/// The launch of the problem, for the model.
fn launch(
    (problem, extent): (Problem, &Extent),
    kernel: &Kernel,
    resident: u32,
    counted: &Counted,
    least: &Least,
) -> Launch {
    let heads = problem.batch as u64 * problem.heads as u64;
    let blocks = extent.units(kernel.unit) as u64 * problem.heads as u64 * u64::from(kernel.blocks_per_head);
    let of_block =
        |of: fn(&Counters) -> u64| counted.sequence(problem.tokens, of) * heads as f64 / blocks.max(1) as f64;
    let work = Work {
        // The model's flops are those of 16-bit operands; tf32 takes twice as long.
        tensor_flops: of_block(|c| c.tensor_flops + c.tf32_flops),
        wavefronts: of_block(|c| c.wavefronts),
        instructions: of_block(|c| c.instructions),
        path: of_block(|c| c.path),
        float: of_block(|c| c.float),
        special: of_block(|c| c.lane_special),
        barriers: of_block(|c| c.path_barriers),
    };
    // The blocks of a head walk its tokens together: what one of them has read, the others find in the second-level cache.
    let loaded =
        counted.sequence(problem.tokens, |c| 32 * c.load_sectors) / f64::from(kernel.blocks_per_head);
    let loaded = loaded
        .max(least.input_bytes as f64 * problem.tokens as f64)
        .min(loaded * f64::from(kernel.blocks_per_head));
    let stored = counted.sequence(problem.tokens, |c| 32 * c.store_sectors);
    let dram_bytes = heads as f64 * (loaded + stored);
    Launch { blocks, resident, dram_bytes, work }
}

/// Bytes that all copies of the tensors have together, at least: several times the second-level cache.
const ROTATED: usize = 256 << 20;
/// Launches that are timed, after so many that are not.
const REPEATS: usize = 30;
const WARM_UP: usize = 5;

/// The median of launches on a GPU, in milliseconds.
fn measure(setup: &Setup, executable: &Executable, rule: &Rule, sizes: &[usize]) -> Outcome<f64> {
    let inputs = inputs::tiled(rule, sizes, setup.problem)?;
    let bytes: usize = inputs.iter().map(|(_, tensor)| tensor.len() * setup.dtype.size()).sum();
    let copies = (ROTATED / bytes.max(1)).clamp(1, 64) + 1;
    let mut times = executable.time(&inputs, copies, WARM_UP + REPEATS)?.split_off(WARM_UP);
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
