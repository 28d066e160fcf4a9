//! How long a kernel takes on a GPU, by a model: what it does, counted, over what the GPU can do of it.
//!
//! ```text
//! gated_deltanet, fused, 64 heads of 8192 tokens, H200: 64 blocks, one a multiprocessor
//!   dram .11   tensor .31   shared .54   float .10   special .04   issue .35   latency .39      ms
//!                           ^^^^^^ bounds it
//! ```
//!
//! A model, not a measurement. Each resource is taken to be used without a gap, and all at the same time; real kernels take
//! longer, 1.2 to 1.6 times the bound as a rule. It serves to compare plans and to say what to mend first.
//!
//! | resource | time |
//! |---|---|
//! | dram | bytes of all blocks / bytes a second |
//! | tensor | flops of the busiest multiprocessor / flops a clock (`mma.sync`, 16-bit operands) |
//! | shared | its wavefronts, one a clock |
//! | float | its f32 instructions of CUDA cores, 64 or 128 lanes a clock |
//! | special | its special functions (ex2, rcp, ..), 16 lanes a clock |
//! | issue | its warp instructions, four a clock |
//! | latency | the longest chain of instructions through barriers: each waits [`INTERVAL`] clocks, each barrier [`BARRIER`] |
//!
//! The busiest multiprocessor runs `ceil(blocks / multiprocessors)` blocks, `resident` at a time. Instructions are those of
//! the PTX; the assembler's differ, by a fifth or so. Pure: no device is asked.

mod gpu;
mod occupancy;

pub use gpu::{Gpu, UnknownGpu};
pub use occupancy::{Block, Limit, Occupancy, occupancy};

use std::fmt;

/// Clocks between two instructions of a warp that has nobody to hide behind. Dependent arithmetic takes 4 (Luo et al.
/// 2024, arXiv 2402.13499, instruction latencies); it is taken that every second instruction need not wait. Loads from
/// shared memory and tensor cores take longer, and whole runs of independent instructions less.
pub const INTERVAL: f64 = 2.0;

/// Clocks of a block's barrier beyond its instruction, as taken here.
pub const BARRIER: f64 = 20.0;

/// Warp instructions that a multiprocessor issues a clock: one by each of four schedulers (CUDA C++ Programming Guide,
/// "Compute Capabilities").
const ISSUED: f64 = 4.0;

/// Special functions of lanes a clock (same guide, "Arithmetic Instructions").
const SPECIAL: f64 = 16.0;

/// What one block does in all.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Work {
    /// Tensor-core flops.
    pub tensor_flops: f64,
    /// Passes over the 32 banks of shared memory.
    pub wavefronts: f64,
    /// Warp instructions.
    pub instructions: f64,
    /// Of them floating point on CUDA cores.
    pub float: f64,
    /// Special functions, by lane.
    pub special: f64,
    /// Warp instructions of the longest chain through barriers.
    pub path: f64,
    /// Barriers on it.
    pub barriers: f64,
}

/// A launch.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Launch {
    /// Blocks.
    pub blocks: u64,
    /// Blocks that a multiprocessor holds at a time; at least 1.
    pub resident: u32,
    /// Bytes between the GPU and its memory, of all blocks.
    pub dram_bytes: f64,
    /// What each block does.
    pub work: Work,
}

/// What can bound a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Resource {
    /// Bytes to and from memory.
    Dram,
    /// Tensor cores.
    Tensor,
    /// Shared memory.
    Shared,
    /// CUDA cores.
    Float,
    /// Special functions.
    Special,
    /// Issue slots.
    Issue,
    /// The time of instructions that wait for each other, where there are too few others.
    Latency,
}

impl Resource {
    /// Every resource, in the order of the table above.
    pub const ALL: [Resource; 7] = [
        Resource::Dram,
        Resource::Tensor,
        Resource::Shared,
        Resource::Float,
        Resource::Special,
        Resource::Issue,
        Resource::Latency,
    ];
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Resource::Dram => "dram",
            Resource::Tensor => "tensor",
            Resource::Shared => "shared",
            Resource::Float => "float",
            Resource::Special => "special",
            Resource::Issue => "issue",
            Resource::Latency => "latency",
        })
    }
}

/// What the model says.
#[derive(Clone, PartialEq, Debug)]
pub struct Prediction {
    /// Milliseconds that each resource would take alone, in the order of [`Resource::ALL`].
    pub alone: [(Resource, f64); 7],
    /// The resource that takes longest.
    pub bound: Resource,
    /// Its milliseconds.
    pub ms: f64,
}

/// Predicts the time of a launch.
pub fn predict(gpu: &Gpu, launch: &Launch) -> Prediction {
    let alone = Resource::ALL.map(|resource| (resource, 1e3 * seconds(gpu, launch, resource)));
    let first = alone[0];
    let (bound, ms) = alone.into_iter().fold(first, |most, one| if one.1 > most.1 { one } else { most });
    Prediction { alone, bound, ms }
}

/// What one resource takes alone.
fn seconds(gpu: &Gpu, launch: &Launch, resource: Resource) -> f64 {
    let (work, blocks) = (&launch.work, launch.blocks.div_ceil(u64::from(gpu.multiprocessors)) as f64);
    let rounds = (blocks / f64::from(launch.resident.max(1))).ceil();
    let clocks = match resource {
        Resource::Dram => return launch.dram_bytes / gpu.dram_bytes_per_second,
        Resource::Tensor => blocks * work.tensor_flops / gpu.tensor_flops_per_clock,
        Resource::Shared => blocks * work.wavefronts,
        Resource::Float => blocks * work.float * 32.0 / gpu.float_lanes_per_clock(),
        Resource::Special => blocks * work.special / SPECIAL,
        Resource::Issue => blocks * work.instructions / ISSUED,
        Resource::Latency => rounds * (work.path * INTERVAL + work.barriers * BARRIER),
    };
    clocks / gpu.clock
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures of a hand-written gated delta rule (per token and head, value tiles of 64): a launch of 64 heads of
    /// 8192 tokens on an H200.
    fn probe() -> Launch {
        let per_block = 8192.0 / 2.0;
        let work = Work {
            tensor_flops: 172e3 * per_block,
            wavefronts: 137.7 * per_block,
            instructions: 358.0 * per_block,
            float: 100.0 * per_block,
            special: 164.0 * per_block,
            path: 90.0 * per_block,
            barriers: 3.0 * 128.0,
        };
        Launch { blocks: 128, resident: 2, dram_bytes: 64.0 * 8192.0 * 1032.0, work }
    }

    fn alone(prediction: &Prediction, resource: Resource) -> f64 {
        prediction.alone.iter().find(|(r, _)| *r == resource).unwrap().1
    }

    #[test]
    fn each_resource_is_a_quotient() {
        let h200: &Gpu = Gpu::named("h200").unwrap();
        let p = predict(h200, &probe());
        let close = |resource, expected: f64| {
            let got = alone(&p, resource);
            assert!((got / expected - 1.0).abs() < 1e-9, "{resource}: {got} and not {expected}");
        };
        let clock = 1.83e9;
        close(Resource::Dram, 1e3 * 64.0 * 8192.0 * 1032.0 / 4.8e12);
        close(Resource::Tensor, 1e3 * 172e3 * 4096.0 / (4096.0 * 0.629 * clock));
        close(Resource::Shared, 1e3 * 137.7 * 4096.0 / clock);
        close(Resource::Float, 1e3 * 100.0 * 4096.0 * 32.0 / 128.0 / clock);
        close(Resource::Special, 1e3 * 164.0 * 4096.0 / 16.0 / clock);
        close(Resource::Issue, 1e3 * 358.0 * 4096.0 / 4.0 / clock);
        close(Resource::Latency, 1e3 * (90.0 * 4096.0 * INTERVAL + 384.0 * BARRIER) / clock);
        let most = Resource::ALL.into_iter().map(|r| alone(&p, r)).fold(0.0, f64::max);
        assert_eq!((p.ms, alone(&p, p.bound)), (most, most));
    }

    #[test]
    fn blocks_beyond_the_multiprocessors_wait_or_share() {
        let h200 = Gpu::named("h200").unwrap();
        let with = |blocks, resident| predict(h200, &Launch { blocks, resident, ..probe() });
        let (one, two) = (with(132, 2), with(133, 2));
        // A second block on one multiprocessor doubles what it does, but its latency hides in the other's.
        assert_eq!(alone(&two, Resource::Shared), 2.0 * alone(&one, Resource::Shared));
        assert_eq!(alone(&two, Resource::Latency), alone(&one, Resource::Latency));
        assert_eq!(alone(&with(133, 1), Resource::Latency), 2.0 * alone(&one, Resource::Latency));
        // Memory is one for all.
        assert_eq!(alone(&two, Resource::Dram), alone(&one, Resource::Dram));
    }

    #[test]
    fn nothing_takes_no_time() {
        let launch = Launch { blocks: 0, resident: 1, dram_bytes: 0.0, work: probe().work };
        assert_eq!(predict(Gpu::named("a100").unwrap(), &launch).ms, 0.0);
    }
}
