//! What a launch did, counted; a pure function of the kernel and its inputs.

use crate::syntax::ast::Source;
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// Counts. Instructions are of warps; bytes are what active lanes asked for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Warp instructions.
    pub instructions: u64,
    /// Of them integer arithmetic and logic, moves and predicates.
    pub integer: u64,
    /// Of them floating point outside tensor cores.
    pub float: u64,
    /// Floating-point multiply-adds of f32 by lane (each 2 flops).
    pub lane_fma: u64,
    /// Special functions by lane: ex2, lg2, rcp, rsqrt, sqrt, sin, cos, tanh.
    pub lane_special: u64,
    /// Tensor-core instructions.
    pub tensor: u64,
    /// Their flops: `2 M N K` each.
    pub tensor_flops: u64,
    /// Of them with tf32 operands, which take twice as long as 16-bit ones.
    pub tf32_flops: u64,
    /// Loads and stores to global memory, atomics and cp.async included.
    pub global: u64,
    /// Bytes that lanes loaded from global memory.
    pub global_load_bytes: u64,
    /// Bytes that lanes stored to global memory.
    pub global_store_bytes: u64,
    /// 32-byte sectors that the loads touched, by instruction.
    pub load_sectors: u64,
    /// The same for stores.
    pub store_sectors: u64,
    /// Loads and stores to shared memory, ldmatrix and the shared side of cp.async included.
    pub shared: u64,
    /// Wavefronts they took: passes over the 32 banks.
    pub wavefronts: u64,
    /// Wavefronts beyond the fewest their bytes need: bank conflicts.
    pub conflicts: u64,
    /// Loads and stores to local memory (0 unless a kernel indexes an array of its own by a variable).
    pub local: u64,
    /// Block barriers, by warp.
    pub barriers: u64,
    /// Shuffles, votes, matches and reductions inside a warp.
    pub exchanges: u64,
    /// Branches taken by part of a warp.
    pub divergent_branches: u64,
    /// Warp instructions of each block's longest chain: those of one warp, after those of whoever it waited for at its last
    /// barrier. Of a launch only, not by line.
    pub path: u64,
    /// Barriers on that chain.
    pub path_barriers: u64,
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Counters) {
        let Counters {
            instructions,
            integer,
            float,
            lane_fma,
            lane_special,
            tensor,
            tensor_flops,
            tf32_flops,
            global,
            global_load_bytes,
            global_store_bytes,
            load_sectors,
            store_sectors,
            shared,
            wavefronts,
            conflicts,
            local,
            barriers,
            exchanges,
            divergent_branches,
            path,
            path_barriers,
        } = other;
        self.instructions += instructions;
        self.integer += integer;
        self.float += float;
        self.lane_fma += lane_fma;
        self.lane_special += lane_special;
        self.tensor += tensor;
        self.tensor_flops += tensor_flops;
        self.tf32_flops += tf32_flops;
        self.global += global;
        self.global_load_bytes += global_load_bytes;
        self.global_store_bytes += global_store_bytes;
        self.load_sectors += load_sectors;
        self.store_sectors += store_sectors;
        self.shared += shared;
        self.wavefronts += wavefronts;
        self.conflicts += conflicts;
        self.local += local;
        self.barriers += barriers;
        self.exchanges += exchanges;
        self.divergent_branches += divergent_branches;
        self.path += path;
        self.path_barriers += path_barriers;
    }
}

/// The counts of a launch, whole and by line of the source.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Report {
    /// All blocks together.
    pub total: Counters,
    /// By source line, where the compiler told (`-lineinfo`).
    pub lines: BTreeMap<(u32, u32), Counters>,
}

impl Report {
    /// The counts of one source line.
    pub fn line(&self, source: Source) -> Counters {
        self.lines.get(&(source.file, source.line)).copied().unwrap_or_default()
    }
}
