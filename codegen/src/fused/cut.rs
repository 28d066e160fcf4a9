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

use super::plan::{ClockKind, Plan, WARP_COLUMNS};
use super::shared::{ClockPart, Part, Region, pitch, wide_pitch};
use chunkwise_algebra::program::{Columns, KeysId, NodeId, Op, Phase, SystemId, phases, reaches};
use chunkwise_dsl::graph::{Dim, StateId, Value};

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
    /// The inputs that tokens and squares are made from.
    before: Vec<Region>,
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
}

impl Cut {
    /// Whether a region is made before the carry, or arrives, and is needed by it or after it.
    pub fn crosses(&self, region: Region) -> bool {
        self.crossing.contains(&high(region))
    }

    /// Whether tokens and squares are made from an input.
    pub fn prepares(&self, input: Region) -> bool {
        self.before.contains(&high(input))
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
    pub(super) fn keeps(&self, region: Region) -> bool {
        match region {
            Region::Exact | Region::Own(_) | Region::Number(_) => self.computes(Phase::Before),
            Region::Found(..) | Region::Solved(..) | Region::Vector(_) => self.computes(Phase::Carry),
            Region::Output | Region::Read(_) => self.computes(Phase::After),
            Region::Input(at, _) => self.cut.keeps.contains(&Region::Input(at, Part::High)),
            _ => self.computes(Phase::Before) || self.cut.keeps.contains(&high(region)),
        }
    }

    /// Whether an input is used here.
    pub fn has_input(&self, at: usize) -> bool {
        self.keeps(Region::Input(at, Part::High))
    }

    /// Whether the kernel fills a region from the workspace.
    pub fn imports(&self, region: Region) -> bool {
        self.cut.imports.iter().any(|transfer| transfer.region == region)
    }

    /// Cuts the plan down to these phases.
    pub(super) fn take_cut(&mut self, here: &'static [Phase]) {
        self.cut.phases = here;
        let mut mine = Walk::over(self, here);
        let mut before = Vec::new();
        if here.contains(&Phase::Before) {
            self.used_before(&mut before);
            mine.used.extend(&before);
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
            let (tile, tiles) = self.registers_of(held);
            handed.push(Hand { state, held, offset: bytes.1, tile });
            bytes.1 += tile * tiles;
        }
        if here.contains(&Phase::Carry) != here.contains(&Phase::After) {
            self.cut.handed = handed;
        }
        // Outputs leave through the tile of values that the carry has taken to registers, or through one of their own.
        let is_there = |o: &usize| here.contains(&Phase::Carry) && keeps.contains(&self.tile_of_operand(*o));
        self.output = self.output.filter(is_there);
        (self.cut.keeps, self.cut.crossing, self.cut.before) = (keeps, crossing, before);
        self.cut.bytes = bytes;
    }

    /// Inputs that tokens and squares are made from.
    fn used_before(&self, used: &mut Vec<Region>) {
        let prologue = self.prologue.inputs(false).map(|(_, param, _)| param);
        for param in prologue {
            let at = self.inputs.iter().position(|input| input.param == param);
            used.extend(at.map(|at| Region::Input(at, Part::High)));
        }
        for node in &self.chunk.nodes {
            if let Op::Gram(reads, writes) = node.op {
                used.extend([reads, writes].iter().filter_map(|keys| self.tile_of_keys(*keys)));
            }
        }
        used.extend(self.decayed.iter().map(|decayed| self.tile_of_operand(decayed.operand)));
    }

    /// The tile of keys as they are.
    fn tile_of_keys(&self, keys: KeysId) -> Option<Region> {
        let rows: Vec<Option<Value>> = self.chunk.keys(keys).slots.iter().map(|s| s.key).collect();
        self.operand_of(&rows).map(|operand| self.tile_of_operand(operand))
    }

    fn tile_of_operand(&self, operand: usize) -> Region {
        match self.operands[operand].alias {
            Some(input) => Region::Input(input, Part::High),
            None => Region::Operand(operand, Part::High),
        }
    }

    /// How a region crosses, if it is made before the carry and can be needed later.
    fn transfer(&self, region: Region, offset: u32) -> Option<Transfer> {
        let tile = |rows: u32, columns: u32, dim: Dim| {
            let whole = if dim == self.dims.1 { self.value_tiles() * WARP_COLUMNS } else { columns };
            let number = (dim == self.dims.1).then_some(2);
            let (bytes, pitch) = (columns * 2, pitch(columns));
            Transfer { region, skip: 0, offset, rows, bytes, pitch, whole: whole * 2, number, lower: None }
        };
        let flat = |bytes: u32| Transfer {
            region,
            skip: 0,
            offset,
            rows: 1,
            bytes,
            pitch: bytes,
            whole: bytes.next_multiple_of(16),
            number: None,
            lower: None,
        };
        match region {
            Region::Operand(at, _) => {
                let operand = &self.operands[at];
                Some(tile(self.rows(operand.rows.len()), operand.columns, operand.dim))
            }
            Region::Decayed(at, _) => {
                let decayed = &self.decayed[at];
                let rows = self.rows(self.chunk.keys(decayed.keys).slots.len());
                Some(tile(rows, self.operands[decayed.operand].columns, self.dims.0))
            }
            Region::Square(at, _) => {
                let square = &self.squares[at];
                let (reads, writes) = self.slots_of(square.node);
                let tile = tile(square.rows, square.columns, self.dims.0);
                // Where value channels decay, products take whole blocks of 16 tokens (`channels.cuh`).
                let lower = |group: u32| (!self.by_channels(square.node)).then_some((reads, writes, group));
                let bytes = square.columns * 4;
                Some(match self.is_fine(square) {
                    true => Transfer { bytes, pitch: bytes, whole: bytes, lower: lower(64), ..tile },
                    false => Transfer { lower: lower(32), ..tile },
                })
            }
            Region::Diagonal(at, sought, member) => {
                let system = self.chunk.system(self.substitutions[at].system);
                let reads = system.sought[sought].reads.len() as u32;
                let writes = system.members[member].values.len() as u32;
                let (bytes, pitch) = (16 * writes * 4, (16 * writes + 8) * 4);
                Some(Transfer { rows: self.tokens * reads, pitch, ..flat(bytes) })
            }
            Region::Coefficient(at) => Some(flat(self.rows(self.coefficients[at].values.len()) * 4)),
            Region::Channels(_) => {
                let columns = self.columns(self.dims.1);
                let whole = self.value_tiles() * WARP_COLUMNS * 4;
                let (bytes, pitch) = (columns * 4, wide_pitch(columns) * 4);
                Some(Transfer { rows: self.tokens, pitch, whole, number: Some(4), ..flat(bytes) })
            }
            // Of longer and longer runs, the chunk is the last.
            Region::Mixes(at) => {
                let bytes = self.mixings[at].token.len() as u32 * 4;
                Some(Transfer { skip: (self.tokens - 1) * bytes, ..flat(bytes) })
            }
            Region::Table(at, table) => {
                let mixing = &self.mixings[at];
                let bytes = mixing.states.len() as u32 * self.rows(mixing.tables[table].slots) * 4;
                Some(Transfer { skip: self.tokens.ilog2() * bytes, ..flat(bytes) })
            }
            // The chunk's decay: the last of the sums.
            Region::Clock(_, ClockPart::Before | ClockPart::SignBefore) => {
                Some(Transfer { skip: self.tokens * 4, ..flat(4) })
            }
            Region::Clock(at, part) => {
                let mut parts = Vec::new();
                self.clock_regions(at, &self.clocks[at], &mut parts);
                let of = |(r, bytes): &(Region, u32)| (*r == Region::Clock(at, part)).then_some(*bytes);
                parts.iter().find_map(of).map(flat)
            }
            _ => None,
        }
    }

    /// Whether a square is the Gram matrix of a state whose value channels decay.
    fn by_channels(&self, square: NodeId) -> bool {
        match self.chunk.node(square).op {
            Op::Gram(reads, _) => self.channel_clock(self.chunk.keys(reads).state).is_some(),
            _ => false,
        }
    }

    /// Read and write rows a token of a product's left side: an inverse is triangular by rows.
    pub fn slots_of(&self, square: NodeId) -> (u32, u32) {
        let of = self.chunk.node(square);
        match (&of.op, of.columns) {
            (Op::Inverse(_), _) | (_, Columns::Value(_)) => (1, 1),
            (_, Columns::Rows(writes)) => (self.chunk.slots(of.rows) as u32, self.chunk.slots(writes) as u32),
        }
    }

    /// Bytes of 16 value columns of what crosses in registers, and how many tiles there are.
    fn registers_of(&self, held: Held) -> (u32, u32) {
        let eighths = |node: NodeId| self.rows(self.chunk.slots(self.chunk.node(node).rows)) / 8;
        let operand = |eighths: u32| eighths / 2 * 512 * if self.split { 2 } else { 1 };
        let (bytes, is_vector) = match held {
            Held::State(state) => {
                let form = self.chunk.timeline.form(state);
                (operand(self.columns(self.dims.0) / 8), form.value.is_none())
            }
            Held::Operand(node) => (operand(eighths(node)), self.is_number(node)),
            Held::Rows(node) => (eighths(node) * 512, self.is_number(node)),
        };
        (bytes, if is_vector { 1 } else { self.value_tiles() })
    }

    fn is_number(&self, node: NodeId) -> bool {
        self.chunk.node(node).columns == Columns::Value(None)
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

/// What the matrices with value columns of some phases are made from.
struct Walk<'a> {
    plan: &'a Plan,
    here: &'a [Phase],
    /// By node.
    phases: Vec<Phase>,
    used: Vec<Region>,
    /// What comes from another kernel's registers, and the state whose warps take it.
    held: Vec<(StateId, Held)>,
}

impl Walk<'_> {
    fn over<'a>(plan: &'a Plan, here: &'a [Phase]) -> Walk<'a> {
        let phases = phases(&plan.chunk);
        let mut walk = Walk { plan, here, phases, used: Vec::new(), held: Vec::new() };
        if here.contains(&Phase::Carry) {
            walk.carry();
        }
        if here.contains(&Phase::After) {
            walk.after();
        }
        walk
    }

    /// The next chunk's first states.
    fn carry(&mut self) {
        self.used.extend((0..self.plan.mixings.len()).map(Region::Mixes));
        self.used.extend((0..self.plan.channel_clocks.len()).map(Region::Channels));
        for deposit in &self.plan.chunk.deposits {
            let state = self.holder(self.plan.chunk.keys(deposit.keys).state);
            self.rows(state, deposit.values, true);
            self.keys(deposit.keys, ClockPart::ToEnd);
        }
        for (at, clock) in self.plan.clocks.iter().enumerate() {
            let parts: &[ClockPart] = match clock.kind {
                ClockKind::Scalar { .. } => &[ClockPart::Before, ClockPart::SignBefore],
                ClockKind::ByChannel { .. } => &[ClockPart::All],
            };
            self.used.extend(parts.iter().map(|part| Region::Clock(at, *part)));
        }
    }

    /// The rows that outputs are made from.
    fn after(&mut self) {
        let plan = self.plan;
        for (read, found) in &plan.chunk.reads {
            self.rows(self.holder(plan.chunk.timeline.read(*read).state), found.node, false);
            self.used.extend(plan.scale_of(found.node).and_then(|by| self.coefficient(&by)));
        }
        if let Some(epilogue) = &plan.epilogue {
            self.inputs(&epilogue.program);
        }
    }

    /// A matrix with value columns that a state's warps take, as the operand of a product or as it is.
    fn rows(&mut self, state: StateId, node: NodeId, operand: bool) {
        let phase = self.phases[node.index()];
        if phase != Phase::Before && !self.here.contains(&phase) {
            return self.hold(state, if operand { Held::Operand(node) } else { Held::Rows(node) });
        }
        let plan = self.plan;
        match &plan.chunk.node(node).op {
            Op::Add(x, y) => {
                self.rows(state, *x, false);
                self.rows(state, *y, false);
            }
            Op::Product(left, right) => {
                self.square(*left);
                let square = plan.squares.iter().find(|square| square.node == *left);
                self.rows(state, *right, !square.is_some_and(|square| plan.is_fine(square)));
            }
            Op::Scale(by, x) => {
                self.used.extend(self.coefficient(by));
                self.rows(state, *x, false);
            }
            Op::Tap(keys) => {
                self.keys(*keys, ClockPart::FromStart);
                if !self.here.contains(&Phase::Carry) {
                    self.first_states(state, plan.chunk.keys(*keys).state);
                }
            }
            Op::Values(rows) if plan.is_number(node) => {
                self.used.extend(self.coefficient(&plan.numbers(rows)));
            }
            Op::Values(rows) => {
                self.used.extend(plan.operand_of(rows).map(|o| plan.tile_of_operand(o)));
            }
            Op::Solved(system, _) => self.system(state, *system),
            Op::Reach { reads, writes, values } => {
                plan.gram_of(*reads, *writes).into_iter().for_each(|gram| self.square(gram));
                self.rows(state, *values, true);
            }
            Op::Gram(..) | Op::Inverse(_) => {}
        }
    }

    /// Whose warps hold a state: a team's are the first one's.
    fn holder(&self, state: StateId) -> StateId {
        self.plan.team(state)[0]
    }

    /// What a read can find of the chunk's first states.
    fn first_states(&mut self, holder: StateId, read: StateId) {
        match self.plan.mixing_of(read) {
            None => self.hold(holder, Held::State(read)),
            Some((_, mixing)) => {
                let reaches = reaches(&self.plan.chunk.timeline);
                for from in mixing.states.iter().filter(|s| reaches[s.index()][read.index()]) {
                    self.hold(holder, Held::State(*from));
                }
            }
        }
    }

    fn hold(&mut self, state: StateId, held: Held) {
        if !self.held.contains(&(state, held)) {
            self.held.push((state, held));
        }
    }

    fn coefficient(&self, values: &[Value]) -> Option<Region> {
        self.plan.coefficient_of(values).map(Region::Coefficient)
    }

    fn square(&mut self, node: NodeId) {
        let at = self.plan.squares.iter().position(|square| square.node == node);
        self.used.extend(at.map(|at| Region::Square(at, Part::High)));
    }

    /// Keys as products with the state take them, and the decays of their rows.
    fn keys(&mut self, keys: KeysId, part: fn(usize) -> ClockPart) {
        let plan = self.plan;
        if let Some(at) = plan.decayed.iter().position(|decayed| decayed.keys == keys) {
            return self.used.push(Region::Decayed(at, Part::High));
        }
        self.used.extend(plan.tile_of_keys(keys));
        if let Some((at, table)) = plan.table_of(keys) {
            return self.used.push(Region::Table(at, table));
        }
        let of = plan.chunk.keys(keys);
        let here: Vec<usize> = of.slots.iter().map(|slot| slot.place).collect();
        for (at, clock) in
            plan.clocks.iter().enumerate().filter(|(_, clock)| clock.states.contains(&of.state))
        {
            if let ClockKind::Scalar { places, .. } = &clock.kind {
                let place = places.iter().position(|place| *place == here);
                self.used.extend(place.map(|place| Region::Clock(at, part(place))));
            }
        }
    }

    /// Rows with feedback that is not linear.
    fn system(&mut self, state: StateId, system: SystemId) {
        let plan = self.plan;
        for sought in &plan.chunk.system(system).sought {
            self.rows(state, sought.found, false);
            sought.grams.iter().flatten().for_each(|gram| self.square(*gram));
        }
        for (at, substitution) in plan.substitutions.iter().enumerate().filter(|(_, s)| s.system == system) {
            let pairs = plan.chunk.system(system).pairs();
            self.used.extend(pairs.map(|(sought, member, _)| Region::Diagonal(at, sought, member)));
            self.used.extend(self.coefficient(&substitution.numbers));
            for row in substitution.rows() {
                self.used.extend(plan.operand_of(&[Some(row)]).map(|o| plan.tile_of_operand(o)));
            }
            self.inputs(&substitution.program);
        }
    }

    /// The vector inputs that expressions use.
    fn inputs(&mut self, program: &crate::program::Program) {
        for (_, param, _) in program.inputs(false) {
            let at = self.plan.inputs.iter().position(|input| input.param == param);
            self.used.extend(at.map(|at| Region::Input(at, Part::High)));
        }
    }
}
