//! Which phases of the chunk program a kernel computes, and what crosses the cut to the kernel that needs it.
//!
//! ```text
//! before           tokens' numbers, squares        shared memory  ->  workspace  ->  shared memory
//! carry            written rows, the next state    registers      ->  workspace  ->  registers
//! after            outputs
//! ```
//!
//! A kernel with all phases hands nothing on: that is the fused plan. What a phase needs is found by a walk over the matrices
//! with value columns: one that is free of the state is made where it is needed (it is an input, or a product with one), one
//! that the carry makes and outputs take crosses as it lies in the registers of its warp.
//!
//! | what | in the workspace, for each chunk and head |
//! |---|---|
//! | regions of shared memory | rows of 16-byte pieces, without the tiles' gaps; triangular squares without what is above |
//! | a chunk's first state, rows that writes store | operands of 16 value columns as registers hold them, 16 bytes a lane |

mod transfers;
mod walk;

use super::plan::{Plan, Square, WARP_COLUMNS};
use super::roles::solves;
use super::shared::{Part, Region};
use chunkwise_algebra::program::{KeysId, NodeId, Op, Phase};
use chunkwise_dsl::graph::StateId;
use walk::Walk;

/// Every phase: the fused plan.
pub const WHOLE: &[Phase] = &[Phase::Before, Phase::Carry, Phase::After];

/// What a kernel computes, takes and hands on.
#[derive(Clone, Debug, Default)]
pub struct Cut {
    /// The phases, in order.
    pub phases: &'static [Phase],
    /// The regions of shared memory that they use, in no order, each by its high part.
    pub keeps: Vec<Region>,
    /// Those that are made before the carry and needed by it or after it.
    crossing: Vec<Region>,
    /// What tokens compute with, and what squares and decayed keys are made from.
    before: [Vec<Region>; 2],
    /// The squares that the warps which hold states make, in order.
    pub(super) late: Vec<NodeId>,
    /// Regions that another kernel fills, in order.
    pub imports: Vec<Transfer>,
    /// Regions that other kernels need, in order.
    pub exports: Vec<Transfer>,
    /// What `carry` hands to `after`: here it is written, or read.
    pub handed: Vec<Hand>,
    /// Bytes that a chunk and head have in the workspace: of regions, of registers.
    pub bytes: (u32, u32),
}

/// A region of shared memory on its way to the workspace, or from there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transfer {
    /// The region.
    pub region: Region,
    /// Bytes at its beginning that do not cross.
    pub skip: u32,
    /// Where it begins in the workspace, in bytes.
    pub offset: u32,
    /// Rows.
    pub rows: u32,
    /// Bytes of a row here; more than there where the last block's value columns are not all there.
    pub bytes: u32,
    /// Bytes between rows in shared memory.
    pub pitch: u32,
    /// Bytes of a row in the workspace.
    pub whole: u32,
    /// Bytes of a number, where columns are value columns: a block may have some of them.
    pub number: Option<u32>,
    /// Read and write rows a token, and the bytes of a row of a block of 16 x 16, where blocks above the diagonal are not needed.
    pub lower: Option<(u32, u32, u32)>,
}

/// What crosses in registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// A chunk's first state, as an operand.
    State(StateId),
    /// A matrix, as an operand.
    Operand(NodeId),
    /// A matrix, as accumulators.
    Rows(NodeId),
}

/// What crosses in registers, and where it lies in the workspace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hand {
    /// The state whose warps hold it.
    pub state: StateId,
    /// What it is.
    pub held: Held,
    /// Where it begins, in bytes.
    pub offset: u32,
    /// Bytes of 16 value columns.
    pub tile: u32,
    /// Of them those of one part: rounded, or what rounding lost.
    pub part: u32,
}

impl Cut {
    /// Whether a region is made before the carry, or arrives, and is needed by it or after it.
    pub fn crosses(&self, region: Region) -> bool {
        self.crossing.contains(&high(region))
    }

    /// Whether tokens and squares are made from an input.
    pub fn prepares(&self, input: Region) -> bool {
        self.before.iter().any(|used| used.contains(&high(input)))
    }

    /// Whether squares or decayed keys are made from an input.
    pub fn squares(&self, input: Region) -> bool {
        self.before[1].contains(&high(input))
    }
}

impl Plan {
    /// Whether this kernel computes a phase.
    pub fn computes(&self, phase: Phase) -> bool {
        self.cut.phases.contains(&phase)
    }

    /// Whether this kernel hands on what is in registers: the carry without the outputs.
    pub fn hands_on(&self) -> bool {
        self.computes(Phase::Carry) && !self.computes(Phase::After)
    }

    /// What crosses in registers of a state's warps, if it does.
    pub fn hand(&self, state: StateId, held: Held) -> Option<Hand> {
        self.cut.handed.iter().find(|hand| (hand.state, hand.held) == (state, held)).copied()
    }

    /// Tiles of 16 value columns that all blocks hold together; the last may be beyond the dim.
    pub fn value_tiles(&self) -> u32 {
        self.layout.axis(self.dims.1).size.div_ceil(WARP_COLUMNS)
    }

    /// Whether a region of shared memory is used here.
    pub fn keeps(&self, region: Region) -> bool {
        match (self.phase_of(region), region) {
            (Some(phase), _) => self.computes(phase),
            (None, Region::Input(..)) => self.cut.keeps.contains(&high(region)),
            (None, _) => self.computes(Phase::Before) || self.cut.keeps.contains(&high(region)),
        }
    }

    /// Whether an input is used here.
    pub fn has_input(&self, at: usize) -> bool {
        self.keeps(Region::Input(at, Part::High))
    }

    /// Whether a region is filled by copies that are started a chunk ahead.
    pub fn arrives(&self, region: Region) -> bool {
        matches!(region, Region::Input(..) | Region::Number(_)) || self.imports(region)
    }

    /// Whether the kernel fills a region from the workspace.
    pub fn imports(&self, region: Region) -> bool {
        self.cut.imports.iter().any(|transfer| transfer.region == region)
    }

    /// Cuts the plan down to these phases.
    pub(super) fn take_cut(&mut self, here: &'static [Phase]) {
        self.cut.phases = here;
        self.cut.late = self.late_squares();
        let mut mine = Walk::over(self, here);
        let mut before = [Vec::new(), Vec::new()];
        if here.contains(&Phase::Before) {
            before = [self.used_by_tokens(), self.used_by_squares()];
            mine.used.extend(before.iter().flatten());
        }
        let crossing = Walk::over(self, &[Phase::Carry, Phase::After]).used;
        let after = Walk::over(self, &[Phase::After]).held;
        let keeps = mine.used;
        let mut offset = 0;
        let mut transfers = Vec::new();
        for (region, _) in self.all_regions() {
            let crosses = crossing.contains(&high(region));
            if let Some(transfer) = self.transfer(region, offset).filter(|_| crosses) {
                offset += transfer.rows * transfer.whole;
                transfers.push(transfer);
            }
        }
        let mut bytes = (offset, 0);
        let is_whole = here == WHOLE;
        if here.contains(&Phase::Before) {
            self.cut.exports = if is_whole { Vec::new() } else { transfers };
        } else {
            let used = |t: &Transfer| keeps.contains(&high(t.region));
            self.cut.imports = transfers.into_iter().filter(used).collect();
        }
        let mut handed = Vec::new();
        for (state, held) in after {
            let (part, parts, tiles) = self.registers_of(held);
            let tile = part * parts;
            handed.push(Hand { state, held, offset: bytes.1, tile, part });
            bytes.1 += tile * tiles;
        }
        if here.contains(&Phase::Carry) != here.contains(&Phase::After) {
            self.cut.handed = handed;
        }
        // Outputs leave through the tile of values that the carry has taken to registers, or through one of their own.
        let is_used = |tile: Region| keeps.contains(&tile) && crossing.contains(&tile);
        let is_there = |o: &usize| here.contains(&Phase::Carry) && is_used(self.tile_of_operand(*o));
        self.output = self.output.filter(is_there);
        (self.cut.keeps, self.cut.crossing, self.cut.before) = (keeps, crossing, before);
        self.cut.bytes = bytes;
    }

    /// Inputs that tokens compute with.
    fn used_by_tokens(&self) -> Vec<Region> {
        let params = self.prologue.inputs(false).map(|(_, param, _)| param);
        let at = params.filter_map(|param| self.inputs.iter().position(|input| input.param == param));
        at.map(|at| Region::Input(at, Part::High)).collect()
    }

    /// Tiles that squares and decayed keys are made from.
    fn used_by_squares(&self) -> Vec<Region> {
        let early = self.squares.iter().filter(|square| self.maker(square.node) == Phase::Before);
        let keys =
            early.flat_map(|square| self.grams_of(square.node)).flat_map(|(reads, writes)| [reads, writes]);
        let decayed = self.decayed.iter().map(|decayed| self.tile_of_operand(decayed.operand));
        keys.filter_map(|keys| self.tile_of_keys(keys)).chain(decayed).collect()
    }

    /// The Gram matrices that a square is made from.
    pub(super) fn grams_of(&self, square: NodeId) -> Vec<(KeysId, KeysId)> {
        match self.chunk.node(square).op {
            Op::Gram(reads, writes) | Op::Plain(reads, writes) => vec![(reads, writes)],
            Op::Add(x, y) => [self.grams_of(x), self.grams_of(y)].concat(),
            Op::Scale(_, x) | Op::Decay(_, _, x) | Op::Inverse(x) => self.grams_of(x),
            _ => Vec::new(),
        }
    }

    /// Squares that only outputs need, where there are two crews and preparing is most of the work: the other crew makes them, if
    /// it has a warp for every 16 rows.
    fn late_squares(&self) -> Vec<NodeId> {
        if self.preparing == 0 || !solves(&self.chunk) {
            return Vec::new();
        }
        let carried = Walk::over(self, &[Phase::Carry]).used;
        let warps = self.crew(Phase::After).len() as u32;
        let alone = |(reads, _): &(KeysId, KeysId)| self.mixing_of(self.chunk.keys(*reads).state).is_none();
        let is_late = |(at, square): &(usize, &Square)| {
            !carried.contains(&Region::Square(*at, Part::High))
                && square.feedback.is_none()
                && square.rows <= 16 * warps
                && self.grams_of(square.node).iter().all(alone)
        };
        self.squares.iter().enumerate().filter(is_late).map(|(_, square)| square.node).collect()
    }

    /// The tile of keys as they are.
    fn tile_of_keys(&self, keys: KeysId) -> Option<Region> {
        self.operand_of_keys(keys).map(|operand| self.tile_of_operand(operand))
    }

    fn tile_of_operand(&self, operand: usize) -> Region {
        match self.operands[operand].alias {
            Some(input) => Region::Input(input, Part::High),
            None => Region::Operand(operand, Part::High),
        }
    }
}

/// A region by its high part.
fn high(region: Region) -> Region {
    match region {
        Region::Input(at, _) => Region::Input(at, Part::High),
        Region::Operand(at, _) => Region::Operand(at, Part::High),
        Region::Decayed(at, _) => Region::Decayed(at, Part::High),
        Region::Square(at, _) => Region::Square(at, Part::High),
        region => region,
    }
}
