//! What a kernel costs: counted in the simulator, read from the compiler's log, predicted for a GPU, measured on one.
//!
//! ```text
//! rule            plan   bytes  /least  ..  tensor flop  /reference  ..     ms  bound by
//! gated_deltanet  fused  1,092    1.06  ..      145,408        0.89  ..  0.543  shared
//! ```
//!
//! One head is simulated at two lengths. The difference is what a token costs, without what is done once a
//! sequence (states, prologue); the rest is that, and both together are scaled to the problem that was asked for. The
//! least bytes are each input and output once; the reference flops are those of the chunkwise form with chunks of
//! [`REFERENCE_CHUNK`] (`algebra::explain`), whatever the plan.

pub mod beside;
mod counted;
pub mod first;
pub mod inputs;
pub mod json;
mod run;
pub mod text;

pub use run::bench;

use beside::{Beside, Fastest};
use chunkwise::Device;
use chunkwise_algebra::explain::Least;
use chunkwise_codegen::model::{Gpu, Occupancy, Prediction};
use chunkwise_codegen::schedule::Unit;
use chunkwise_codegen::{Arch, DType, Plan, Precision};
use chunkwise_runtime::jit::Jit;
use chunkwise_runtime::nvrtc::KernelResources;
use std::ops::Add;
use std::sync::Arc;

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
    /// How tensor cores round their operands.
    pub precision: Precision,
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
