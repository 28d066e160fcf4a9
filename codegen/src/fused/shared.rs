//! What a block keeps in shared memory, in order; where each lies, `places` says.

use super::places::Place;
use super::plan::{Clock, ClockKind, Operand, Plan};
use crate::arch::Arch;
use crate::kernel::Limitation;
use chunkwise_algebra::program::{Columns, NodeId, Phase};

/// A part of shared memory, by position in the plan's lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Region {
    /// The tile of an input.
    Input(usize, Part),
    /// The tile of a computed operand.
    Operand(usize, Part),
    /// The tile of decayed keys.
    Decayed(usize, Part),
    /// The tile of a square.
    Square(usize, Part),
    /// The tile that outputs leave through.
    Output,
    /// Rows of reads for the epilogue.
    Read(usize),
    /// A scalar input.
    Number(usize),
    /// A coefficient's rows.
    Coefficient(usize),
    /// Pairs within tokens.
    Own(usize),
    /// Pairs within blocks of 16 tokens, by position in [`Plan::own`]: what each warp has of them.
    Near(usize),
    /// A block's reads, where feedback is not linear, by position in [`Plan::substitutions`] and of what is sought.
    Found(usize, usize),
    /// A block's rows, by member.
    Solved(usize, usize),
    /// The blocks of the diagonal of their square, by what is sought and by member.
    Diagonal(usize, usize, usize),
    /// A vector state between chunks, by position in [`Plan::owners`].
    Vector(usize),
    /// A part of a clock.
    Clock(usize, ClockPart),
    /// The matrices of tokens, by position in [`Plan::mixings`].
    Mixes(usize),
    /// A table of a mixing.
    Table(usize, usize),
    /// Rows of decays of value channels, by position in [`Plan::channel_clocks`].
    Channels(usize),
    /// Where this head's rows of each tensor begin, in a kernel that walks chunks: its registers are the states'.
    Pointers,
}

/// A tile of a split operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The rounded numbers.
    High,
    /// What rounding lost.
    Low,
    /// What rounding that lost: of keys in three parts, which squares alone take.
    Last,
}

/// A part of a clock; the last four are by combination of places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClockPart {
    /// Rows of decays by channel.
    Decays,
    /// The chunk's decays by channel.
    All,
    /// The decays of blocks of 16 tokens by channel, where there is more than one.
    Blocks,
    /// The log2 of the decays before each token, and of all.
    Before,
    /// Their signs.
    SignBefore,
    /// The log2 of the decay from the chunk's start to each row.
    Log(usize),
    /// The decay from the chunk's start.
    FromStart(usize),
    /// The decay to the chunk's end.
    ToEnd(usize),
    /// The sign of the decay from the chunk's start.
    Sign(usize),
}

impl Region {
    /// The one phase that uses it, where there is just one whatever the rule; see [`Plan::phase_of`].
    fn phase(self) -> Option<Phase> {
        match self {
            Region::Input(_, Part::Last)
            | Region::Operand(_, Part::Last)
            | Region::Decayed(_, Part::Last) => Some(Phase::Before),
            Region::Own(_) | Region::Near(_) | Region::Number(_) => Some(Phase::Before),
            Region::Found(..) | Region::Solved(..) | Region::Vector(_) | Region::Pointers => {
                Some(Phase::Carry)
            }
            Region::Output | Region::Read(_) => Some(Phase::After),
            _ => None,
        }
    }
}

impl Plan {
    /// The one phase that uses a region, where there is just one.
    pub(super) fn phase_of(&self, region: Region) -> Option<Phase> {
        region.phase().filter(|_| !self.last_stays(region))
    }

    /// What a block keeps in shared memory, in order, each with its bytes: a multiple of 16.
    pub fn regions(&self) -> Vec<(Region, u32)> {
        self.all_regions().into_iter().filter(|(region, _)| self.keeps(*region)).collect()
    }

    /// The same of a kernel of every phase.
    pub(super) fn all_regions(&self) -> Vec<(Region, u32)> {
        let mut all = self.tiles();
        match (&self.epilogue, self.output) {
            (Some(epilogue), _) => {
                let reads = epilogue.reads.iter().enumerate();
                all.extend(reads.map(|(at, node)| (Region::Read(at), self.read_floats(*node) * 4)));
            }
            (None, None) if self.output_rows() == 0 => {}
            (None, None) => {
                all.push((Region::Output, self.output_rows() * pitch(self.columns(self.dims.1))));
            }
            (None, Some(_)) => {}
        }
        for (at, c) in self.coefficients.iter().enumerate() {
            all.push((Region::Coefficient(at), self.rows(c.values.len()) * 4));
        }
        for (at, number) in self.numbers.iter().enumerate() {
            all.push((Region::Number(at), self.tokens * number.slots * 4));
        }
        for (at, own) in self.own.iter().enumerate() {
            all.push((Region::Own(at), self.tokens * own.values.len() as u32 * 4));
            // Each row has the 16 tokens of its block.
            if self.is_by_channel(own) {
                all.push((
                    Region::Near(at),
                    self.near_parts * self.tokens * own.values.len() as u32 * 16 * 4,
                ));
            }
        }
        for (at, clock) in self.clocks.iter().enumerate() {
            self.clock_regions(at, clock, &mut all);
        }
        let channels = self.tokens * wide_pitch(self.columns(self.dims.1)) * 4;
        all.extend((0..self.channel_clocks.len()).map(|at| (Region::Channels(at), channels)));
        for (at, mixing) in self.mixings.iter().enumerate() {
            all.push((Region::Mixes(at), self.tokens * mixing.token.len() as u32 * 4));
            let tables = mixing.tables.iter().enumerate();
            all.extend(tables.map(|(t, table)| (Region::Table(at, t), self.table_floats(mixing, table) * 4)));
        }
        (0..self.substitutions.len()).for_each(|at| self.substitution_regions(at, &mut all));
        let vectors = self.owners.iter().enumerate().filter(|(_, o)| o.value.is_none());
        all.extend(vectors.map(|(at, _)| (Region::Vector(at), self.columns(self.dims.0) * 4)));
        let signature = &self.chunk.timeline.signature;
        let pointers = (signature.params.len() + signature.outputs.len()) as u32;
        all.push((Region::Pointers, (pointers * 8).next_multiple_of(16)));
        all
    }

    /// Tiles of operands, each with its second one where it is split, and its third.
    pub(super) fn tiles(&self) -> Vec<(Region, u32)> {
        let mut all = Vec::new();
        let mut tile =
            |of: fn(usize, Part) -> Region, at: usize, (rows, columns): (u32, u32), (split, whole)| {
                let parts = [(Part::High, true), (Part::Low, split), (Part::Last, whole)];
                let parts = parts.into_iter().filter(|(_, there)| *there);
                all.extend(parts.map(|(part, _)| (of(at, part), rows * pitch(columns))));
            };
        for (at, i) in self.inputs.iter().enumerate() {
            tile(
                Region::Input,
                at,
                (self.tokens * i.slots, i.columns),
                (self.input_split(), self.input_whole(i)),
            );
        }
        for (at, o) in self.operands.iter().enumerate().filter(|(_, o)| o.alias.is_none()) {
            let parts = (self.operand_split(o), self.operand_whole(o));
            if !self.is_floats(o) {
                tile(Region::Operand, at, (self.rows(o.rows.len()), o.columns), parts);
            }
        }
        for (at, d) in self.decayed.iter().enumerate() {
            let rows = self.rows(self.chunk.keys(d.keys).slots.len());
            let parts = (self.decayed_split(d), self.decayed_whole(d));
            tile(Region::Decayed, at, (rows, self.operands[d.operand].columns), parts);
        }
        let squares = || self.squares.iter().enumerate();
        for (at, s) in squares().filter(|(_, s)| !self.is_fine(s) && s.feedback.is_none()) {
            tile(Region::Square, at, (s.rows, s.columns), (self.square_split(s), false));
        }
        let floats = self.operands.iter().enumerate().filter(|(_, o)| self.is_floats(o));
        let bytes = |o: &Operand| self.rows(o.rows.len()) * o.columns * 4;
        all.extend(floats.map(|(at, o)| (Region::Operand(at, Part::High), bytes(o))));
        let fine = squares().filter(|(_, s)| self.is_fine(s));
        all.extend(fine.map(|(at, s)| (Region::Square(at, Part::High), s.rows * s.columns * 4)));
        let solved = squares().filter(|(_, s)| s.feedback.is_some());
        all.extend(solved.map(|(at, s)| (Region::Square(at, Part::High), s.rows * (s.columns + 8) * 4)));
        all
    }

    pub(super) fn clock_regions(&self, at: usize, clock: &Clock, all: &mut Vec<(Region, u32)>) {
        let mut push = |part: ClockPart, numbers: u32| all.push((Region::Clock(at, part), numbers * 4));
        match &clock.kind {
            ClockKind::Scalar { places, signed, .. } => {
                push(ClockPart::Before, self.tokens + 4);
                if *signed {
                    push(ClockPart::SignBefore, self.tokens + 4);
                }
                for (place, slots) in places.iter().enumerate() {
                    let rows = self.rows(slots.len());
                    push(ClockPart::Log(place), rows);
                    push(ClockPart::FromStart(place), rows);
                    push(ClockPart::ToEnd(place), rows);
                    if *signed {
                        push(ClockPart::Sign(place), rows);
                    }
                }
            }
            ClockKind::ByChannel { columns, .. } => {
                push(ClockPart::Decays, self.tokens * columns);
                push(ClockPart::All, *columns);
                if self.tokens > 16 {
                    push(ClockPart::Blocks, self.tokens / 16 * columns);
                }
            }
        }
    }

    /// Blocks of rows that are solved one by one, and what they are solved from.
    fn substitution_regions(&self, at: usize, all: &mut Vec<(Region, u32)>) {
        let system = self.chunk.system(self.substitutions[at].system);
        let reads = |sought: usize| system.sought[sought].reads.len() as u32;
        let writes = |member: usize| system.members[member].values.len() as u32;
        let row = 16 * wide_pitch(self.columns(self.dims.1)) * 4;
        all.extend((0..system.sought.len()).map(|s| (Region::Found(at, s), reads(s) * row)));
        all.extend((0..system.members.len()).map(|m| (Region::Solved(at, m), writes(m) * row)));
        let diagonal = |s: usize, m: usize| self.tokens * reads(s) * (16 * writes(m) + 8) * 4;
        all.extend(system.pairs().map(|(s, m, _)| (Region::Diagonal(at, s, m), diagonal(s, m))));
    }

    /// Whether a region is there once for each stage: what tokens compute while other warps may still use the last chunk's.
    pub fn is_staged(&self, region: Region) -> bool {
        use Region::{Clock, Coefficient, Input, Mixes, Number, Operand, Table};
        let kept = match region {
            Clock(_, part) => matches!(part, ClockPart::Decays | ClockPart::All | ClockPart::Blocks),
            Operand(at, _) => self.is_source(&self.operands[at]),
            _ => false,
        };
        let computed = !kept
            && matches!(
                region,
                Input(..) | Number(_) | Operand(..) | Coefficient(_) | Clock(..) | Mixes(_) | Table(..)
            );
        self.stages > 1 && (computed || self.imports(region))
    }

    /// Bytes of shared memory.
    pub fn shared(&self) -> u32 {
        self.places().iter().map(Place::end).max().unwrap_or(0)
    }

    /// Numbers that the rows of a matrix of reads take, for the epilogue.
    pub fn read_floats(&self, node: NodeId) -> u32 {
        let of = self.chunk.node(node);
        let rows = self.rows(self.chunk.slots(of.rows));
        match of.columns {
            Columns::Value(Some(dim)) => rows * wide_pitch(self.columns(dim)),
            _ => rows,
        }
    }

    pub(super) fn fits(&self, arch: Arch) -> Result<(), Limitation> {
        match self.shared() as usize <= arch.max_shared_per_block() {
            true => Ok(()),
            false => Err(Limitation::NotFused(format!(
                "the fused plan of `{}` needs {} bytes of shared memory a block; {arch} has {}",
                self.chunk.timeline.signature.name,
                self.shared(),
                arch.max_shared_per_block()
            ))),
        }
    }
}

/// Bytes between rows of a tile: an odd number of 16-byte pieces, as in `tiles.cuh`.
pub fn pitch(columns: u32) -> u32 {
    ((columns / 8) | 1) * 16
}

/// Numbers between rows of f32, as in `tiles.cuh`: fragments are stored transposed without a bank conflict.
pub fn wide_pitch(columns: u32) -> u32 {
    columns.div_ceil(32) * 32 + 4
}
