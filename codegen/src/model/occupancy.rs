//! How many blocks a multiprocessor holds at a time, and what keeps it from holding more.
//!
//! ```
//! use chunkwise_codegen::Arch;
//! use chunkwise_codegen::model::{Block, Limit, occupancy};
//! let fits = occupancy(Arch::Sm90, Block { threads: 128, registers: 253, shared: 112_384 });
//! assert_eq!((fits.blocks, fits.bound), (2, Limit::Registers));
//! ```
//!
//! Source: CUDA C++ Programming Guide, "Compute Capabilities" (limits by architecture; a block's shared memory has 1 KiB
//! more for the system's use), and the allocation units of the occupancy calculator: registers by warp in 256s, one
//! scheduler's warps from one scheduler's registers; shared memory in 128s.

use crate::arch::Arch;
use std::fmt;

/// What a block takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    /// Threads.
    pub threads: u32,
    /// 32-bit registers of a thread.
    pub registers: u32,
    /// Bytes of shared memory, static and dynamic.
    pub shared: u32,
}

/// What a multiprocessor runs out of first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Limit {
    /// Registers.
    Registers,
    /// Shared memory.
    Shared,
    /// Threads.
    Threads,
    /// Blocks.
    Blocks,
}

/// How many blocks fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Occupancy {
    /// Blocks of a multiprocessor; 0 where not even one fits.
    pub blocks: u32,
    /// Their warps.
    pub warps: u32,
    /// What keeps one more out; of several, the first in the order of [`Limit`].
    pub bound: Limit,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Limit::Registers => "registers",
            Limit::Shared => "shared",
            Limit::Threads => "threads",
            Limit::Blocks => "blocks",
        })
    }
}

/// Threads, blocks and bytes of shared memory of a multiprocessor.
fn limits(arch: Arch) -> (u32, u32, u32) {
    match arch {
        Arch::Sm80 => (2048, 32, 164 * 1024),
        Arch::Sm86 => (1536, 16, 100 * 1024),
        Arch::Sm89 | Arch::Sm120 => (1536, 24, 100 * 1024),
        Arch::Sm90 | Arch::Sm100 => (2048, 32, 228 * 1024),
    }
}

/// Registers of each of a multiprocessor's four schedulers, and its schedulers.
const REGISTERS: u32 = 16 * 1024;
const SCHEDULERS: u32 = 4;

/// How many blocks a multiprocessor holds.
pub fn occupancy(arch: Arch, block: Block) -> Occupancy {
    let (threads, blocks, shared) = limits(arch);
    let warps = block.threads.div_ceil(32).max(1);
    let of_warp = (block.registers * 32).next_multiple_of(256).max(256);
    let by_registers = REGISTERS / of_warp * SCHEDULERS / warps;
    let of_block = block.shared.next_multiple_of(128) + 1024;
    let by_shared = if block.shared as usize > arch.max_shared_per_block() { 0 } else { shared / of_block };
    let fits = [
        (by_registers, Limit::Registers),
        (by_shared, Limit::Shared),
        (threads / 32 / warps, Limit::Threads),
        (blocks, Limit::Blocks),
    ];
    let (blocks, bound) =
        fits.into_iter().fold(fits[0], |least, one| if one.0 < least.0 { one } else { least });
    Occupancy { blocks, warps: blocks * warps, bound }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(arch: Arch, threads: u32, registers: u32, shared: u32) -> (u32, Limit) {
        let found = occupancy(arch, Block { threads, registers, shared });
        assert_eq!(found.warps, found.blocks * threads.div_ceil(32));
        (found.blocks, found.bound)
    }

    #[test]
    fn each_resource_can_be_the_first_to_run_out() {
        // 255 registers are 8192 a warp: two warps a scheduler, eight in all.
        assert_eq!(fits(Arch::Sm90, 256, 255, 128_768), (1, Limit::Registers));
        assert_eq!(fits(Arch::Sm80, 128, 216, 93_952), (1, Limit::Shared));
        assert_eq!(fits(Arch::Sm90, 128, 216, 93_952), (2, Limit::Registers));
        assert_eq!(fits(Arch::Sm80, 256, 32, 0), (8, Limit::Registers));
        assert_eq!(fits(Arch::Sm80, 256, 24, 0), (8, Limit::Threads));
        assert_eq!(fits(Arch::Sm86, 256, 24, 0), (6, Limit::Threads));
        assert_eq!(fits(Arch::Sm86, 32, 24, 0), (16, Limit::Blocks));
        assert_eq!(fits(Arch::Sm89, 32, 24, 0), (24, Limit::Blocks));
    }

    #[test]
    fn shared_memory_counts_what_the_system_takes() {
        // 227 KiB and 1 KiB of the system are all that there is.
        assert_eq!(fits(Arch::Sm90, 128, 32, 227 * 1024), (1, Limit::Shared));
        assert_eq!(fits(Arch::Sm90, 128, 32, 227 * 1024 + 1), (0, Limit::Shared));
        assert_eq!(fits(Arch::Sm80, 128, 32, 81 * 1024), (2, Limit::Shared));
        assert_eq!(fits(Arch::Sm80, 128, 32, 81 * 1024 + 1), (1, Limit::Shared));
    }

    #[test]
    fn three_warps_do_not_fill_four_schedulers_evenly() {
        // 168 registers are 5376 a warp: three a scheduler, twelve in all, four blocks of three warps.
        assert_eq!(fits(Arch::Sm90, 96, 168, 0), (4, Limit::Registers));
    }
}
