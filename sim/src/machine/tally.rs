//! Counts by instruction while a block runs, and their sum by class and by source line afterwards.
//!
//! What an instruction is (integer, float, load, ..) is known before the launch, so that running it adds to one row:
//!
//! ```text
//! pc 310   ld.shared.v4.f32    executed 4096   lanes 131072   bytes 2097152   wavefronts 16384   least 16384
//! ```
//!
//! All rows are sums of integers; that of a launch is the same whatever the order of its blocks.

use super::barrier::Path;
use crate::count::{Counters, Report};
use crate::decode::op::{Float, FloatOp, Multiplier, Op};
use crate::decode::{Instruction, Kernel};
use crate::math::tensor::{Element, Shape};
use crate::memory::Traffic;
use crate::syntax::ast::{Space, Type};

/// What one instruction did.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Row {
    /// By how many warps.
    pub(crate) executed: u64,
    /// By how many lanes.
    pub(crate) lanes: u64,
    /// Branches that parted lanes.
    pub(crate) partings: u64,
    /// Accesses to global memory.
    pub(crate) global: u64,
    /// Their bytes.
    pub(crate) global_bytes: u64,
    /// Their sectors.
    pub(crate) sectors: u64,
    /// Accesses to shared memory.
    pub(crate) shared: u64,
    /// Their passes over the banks.
    pub(crate) wavefronts: u64,
    /// The fewest passes.
    pub(crate) least: u64,
    /// Accesses to local memory.
    pub(crate) local: u64,
}

impl Row {
    /// An access of `bytes` in all.
    pub(crate) fn access(&mut self, space: Space, bytes: u64, traffic: Traffic) {
        match space {
            Space::Shared => {
                self.shared += 1;
                self.wavefronts += u64::from(traffic.wavefronts);
                self.least += u64::from(traffic.least_wavefronts);
            }
            Space::Local => self.local += 1,
            Space::Global => {
                self.global += 1;
                self.global_bytes += bytes;
                self.sectors += u64::from(traffic.sectors);
            }
            Space::Const | Space::Param | Space::Generic => {}
        }
    }

    fn add(&mut self, other: &Row) {
        self.executed += other.executed;
        self.lanes += other.lanes;
        self.partings += other.partings;
        self.global += other.global;
        self.global_bytes += other.global_bytes;
        self.sectors += other.sectors;
        self.shared += other.shared;
        self.wavefronts += other.wavefronts;
        self.least += other.least;
        self.local += other.local;
    }
}

/// A row for each instruction of a kernel.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Tally {
    /// By index of the instruction.
    pub(crate) rows: Vec<Row>,
    /// The longest paths of all blocks, added up.
    path: Path,
}

impl Tally {
    /// All zero.
    pub(crate) fn new(instructions: usize) -> Tally {
        Tally { rows: vec![Row::default(); instructions], path: Path::default() }
    }

    /// Adds the counts of other blocks.
    pub(crate) fn add(&mut self, other: &Tally) {
        self.rows.iter_mut().zip(&other.rows).for_each(|(to, from)| to.add(from));
        self.path(other.path);
    }

    /// Adds the longest path of a block.
    pub(crate) fn path(&mut self, path: Path) {
        self.path.instructions += path.instructions;
        self.path.barriers += path.barriers;
    }

    /// The counts of a launch.
    pub(crate) fn report(&self, kernel: &Kernel, by_line: bool) -> Report {
        let mut report = Report::default();
        report.total.path = self.path.instructions;
        report.total.path_barriers = self.path.barriers;
        for (row, instruction) in self.rows.iter().zip(&kernel.code).filter(|(row, _)| row.executed != 0) {
            let counters = counters(row, instruction);
            report.total += counters;
            if let (true, Some(source)) = (by_line, instruction.source) {
                *report.lines.entry((source.file, source.line)).or_default() += counters;
            }
        }
        report
    }
}

fn counters(row: &Row, instruction: &Instruction) -> Counters {
    let mut counters = Counters {
        instructions: row.executed,
        global: row.global,
        shared: row.shared,
        wavefronts: row.wavefronts,
        conflicts: row.wavefronts - row.least.min(row.wavefronts),
        local: row.local,
        divergent_branches: row.partings,
        ..Counters::default()
    };
    let op = &instruction.op;
    match Class::of(op) {
        Class::Integer => counters.integer = row.executed,
        Class::Float => counters.float = row.executed,
        Class::Tensor => counters.tensor = row.executed,
        Class::Exchange => counters.exchanges = row.executed,
        Class::Barrier => counters.barriers = row.executed,
        Class::Load => {
            (counters.global_load_bytes, counters.load_sectors) = (row.global_bytes, row.sectors);
        }
        Class::Store => {
            (counters.global_store_bytes, counters.store_sectors) = (row.global_bytes, row.sectors);
        }
        Class::Other => {}
    }
    match op {
        Op::Float { kind: FloatOp::Fma, ty: Float::F32, .. } => counters.lane_fma = row.lanes,
        Op::Float { kind, .. } | Op::Float64 { kind, .. } if is_special(*kind) => {
            counters.lane_special = row.lanes
        }
        Op::MatrixMultiply(multiply) => {
            let Shape { m, n, k } = multiply.shape;
            counters.tensor_flops = 2 * u64::from(m) * u64::from(n) * u64::from(k) * row.executed;
            if matches!(multiply.multiplier, Multiplier::Word(mma) if mma.left() == Element::Tf32) {
                counters.tf32_flops = counters.tensor_flops;
            }
        }
        _ => {}
    }
    counters
}

fn is_special(kind: FloatOp) -> bool {
    use FloatOp::*;
    matches!(
        kind,
        Rcp | RcpApprox
            | Sqrt
            | SqrtApprox
            | RsqrtApprox
            | SinApprox
            | CosApprox
            | Lg2Approx
            | Ex2Approx
            | TanhApprox
    )
}

/// What kind of work an instruction is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Integer,
    Float,
    Tensor,
    Load,
    Store,
    Exchange,
    Barrier,
    Other,
}

impl Class {
    fn of(op: &Op) -> Class {
        match op {
            Op::Float { .. } | Op::Float64 { .. } | Op::Test { .. } => Class::Float,
            Op::Convert { conversion, .. } if is_float(conversion.to) || is_float(conversion.from) => {
                Class::Float
            }
            Op::Compare { test, .. } | Op::Set { test, .. } if is_float(test.ty) => Class::Float,
            Op::MatrixMultiply(_) => Class::Tensor,
            Op::Load { .. } | Op::CopyAsync { .. } | Op::MatrixLoad { .. } => Class::Load,
            Op::Store { .. } | Op::Atomic { .. } | Op::MatrixStore { .. } => Class::Store,
            Op::Shuffle { .. }
            | Op::Vote { .. }
            | Op::Ballot { .. }
            | Op::MatchAny { .. }
            | Op::MatchAll { .. }
            | Op::Reduce { .. }
            | Op::Elect { .. }
            | Op::MatrixTranspose { .. } => Class::Exchange,
            Op::Barrier { .. } => Class::Barrier,
            Op::CopyCommit
            | Op::CopyWait { .. }
            | Op::CopyWaitAll
            | Op::WarpBarrier { .. }
            | Op::Fence { .. }
            | Op::Branch { .. }
            | Op::BranchIndexed { .. }
            | Op::Exit
            | Op::Trap
            | Op::Nop => Class::Other,
            _ => Class::Integer,
        }
    }
}

fn is_float(ty: Type) -> bool {
    use Type::*;
    matches!(ty, F16 | F16x2 | BF16 | BF16x2 | TF32 | F32 | F64 | E4M3 | E5M2 | E4M3x2 | E5M2x2)
}
