//! How what crosses a cut lies in the workspace: regions of shared memory as rows, registers as tiles of 16 value columns.
//!
//! ```text
//! Operand [64, 128] bf16     64 rows of 256 bytes, `pitch` apart in shared memory, side by side in the workspace
//! Square [64, 64]            the same, without the blocks above its diagonal
//! Clock                      the chunk's decay alone: what comes before it is skipped
//! ```

use super::{Held, Transfer};
use crate::fused::plan::{Plan, Square, WARP_COLUMNS};
use crate::fused::shared::{ClockPart, Region, pitch, wide_pitch};
use chunkwise_algebra::program::{Columns, NodeId, Op};
use chunkwise_dsl::graph::Dim;

impl Plan {
    /// How a region crosses, if it is made before the carry and can be needed later.
    pub(super) fn transfer(&self, region: Region, offset: u32) -> Option<Transfer> {
        let flat = |bytes: u32| flat(region, offset, bytes);
        if self.phase_of(region).is_some() {
            return None;
        }
        match region {
            Region::Operand(at, _) => {
                let operand = &self.operands[at];
                Some(self.tile(
                    (region, offset),
                    (self.rows(operand.rows.len()), operand.columns),
                    operand.dim,
                ))
            }
            Region::Decayed(at, _) => {
                let decayed = &self.decayed[at];
                let rows = self.rows(self.chunk.keys(decayed.keys).slots.len());
                Some(self.tile((region, offset), (rows, self.operands[decayed.operand].columns), self.dims.0))
            }
            Region::Square(at, _) => Some(self.square((region, offset), &self.squares[at])),
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

    /// Rows of 16-bit numbers; of value columns a block may have some.
    fn tile(&self, (region, offset): (Region, u32), (rows, columns): (u32, u32), dim: Dim) -> Transfer {
        let whole = if dim == self.dims.1 { self.value_tiles() * WARP_COLUMNS } else { columns };
        let number = (dim == self.dims.1).then_some(2);
        let all = flat(region, offset, columns * 2);
        Transfer { rows, pitch: pitch(columns), whole: whole * 2, number, ..all }
    }

    /// A square. Where value channels decay, products take whole blocks of 16 tokens (`channels.cuh`).
    fn square(&self, of: (Region, u32), square: &Square) -> Transfer {
        let (reads, writes) = self.slots_of(square.node);
        let tile = self.tile(of, (square.rows, square.columns), self.dims.0);
        let lower = |group: u32| (!self.is_by_value(square)).then_some((reads, writes, group));
        let bytes = square.columns * 4;
        let floats = |pitch: u32| Transfer { bytes, pitch, whole: bytes, lower: lower(64), ..tile };
        match (square.feedback, self.is_fine(square)) {
            (Some(_), _) => floats(bytes + 32),
            (None, true) => floats(bytes),
            (None, false) => Transfer { lower: lower(32), ..tile },
        }
    }

    /// Read and write rows a token of a product's left side: rows are solved with one that is triangular by rows.
    pub fn slots_of(&self, square: NodeId) -> (u32, u32) {
        let of = self.chunk.node(square);
        let base = match of.op {
            Op::Decay(_, _, x) => self.chunk.node(x),
            _ => of,
        };
        match (&base.op, of.columns) {
            (Op::Inverse(_), _) | (_, Columns::Value(_)) => (1, 1),
            (_, Columns::Rows(writes)) => (self.chunk.slots(of.rows) as u32, self.chunk.slots(writes) as u32),
        }
    }

    /// Bytes of one part of 16 value columns of what crosses in registers, how many parts and how many tiles there are.
    pub(super) fn registers_of(&self, held: Held) -> (u32, u32, u32) {
        let eighths = |node: NodeId| self.rows(self.chunk.slots(self.chunk.node(node).rows)) / 8;
        let operand = |eighths: u32| eighths / 2 * 512;
        let split = 1 + u32::from(self.split);
        let (bytes, parts, is_vector) = match held {
            Held::State(state) => {
                let form = self.chunk.timeline.form(state);
                let parts = if self.state_whole(state) { 3 } else { split };
                (operand(self.columns(self.dims.0) / 8), parts, form.value.is_none())
            }
            Held::Operand(node) => {
                let parts = 1 + u32::from(self.rows_split(node));
                (operand(eighths(node)), parts, self.is_number(node))
            }
            Held::Rows(node) => (eighths(node) * 512, 1, self.is_number(node)),
        };
        (bytes, parts, if is_vector { 1 } else { self.value_tiles() })
    }

    pub(super) fn is_number(&self, node: NodeId) -> bool {
        self.chunk.node(node).columns == Columns::Value(None)
    }
}

/// A list of numbers.
fn flat(region: Region, offset: u32, bytes: u32) -> Transfer {
    let whole = bytes.next_multiple_of(16);
    Transfer { region, skip: 0, offset, rows: 1, bytes, pitch: bytes, whole, number: None, lower: None }
}
