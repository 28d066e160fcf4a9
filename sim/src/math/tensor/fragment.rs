//! Which lane and register hold which element of a matrix.
//!
//! ```text
//! lane = 4 group + thread        an 8-row block of A:  row = group, columns packed * thread .. of each register in turn
//!
//! m16n8k16, bf16 (2 elements a register), A:   register 0: rows 0..8, columns 0..8      register 2: rows 0..8, columns 8..16
//!                                                       1: rows 8..16, columns 0..8              3: rows 8..16, columns 8..16
//! ```
//!
//! The PTX ISA gives a formula for each shape and type; all of those supported here are one formula in `packed`, the number
//! of elements that share a register:
//!
//! | | row | column |
//! |---|---|---|
//! | A | `group + 8 (register mod rows)` | `packed thread + slot + 4 packed (register div rows)`, rows = m / 8 |
//! | B | `packed thread + slot + 4 packed register` | `group` |
//! | C, D (1 a register) | `group + 8 (register div 2)` | `2 thread + register mod 2` |
//! | C, D (2 a register) | `group + 8 register` | `2 thread + slot` |
//!
//! `m8n8k4` of `f16` (four multiplications at once, for sm_70) has another layout and is not supported.
//! The tests compare with the ISA's formulas, shape by shape. Source: PTX ISA, "Matrix Fragments for mma.m16n8k16" and its
//! neighbours.

use super::Shape;

/// A place in a fragment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot {
    /// The lane.
    pub lane: u8,
    /// The register of that lane, in the order of the operand's list; of `f64`, the 64-bit register.
    pub register: u8,
    /// The element inside the register, from the low bits.
    pub slot: u8,
}

/// A place in a matrix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// From 0.
    pub row: u8,
    /// From 0.
    pub column: u8,
}

/// Registers that a lane holds of a matrix of so many elements, `packed` to a register.
pub const fn registers(rows: u16, columns: u16, packed: u8) -> usize {
    rows as usize * columns as usize / (32 * packed as usize)
}

/// Where an element of a fragment of A stands in A, which is `m x k`.
#[inline]
pub fn place_a(shape: Shape, packed: u8, at: Slot) -> Place {
    let (group, thread) = (at.lane / 4, at.lane % 4);
    let rows = shape.m / 8;
    Place {
        row: group + 8 * (at.register % rows),
        column: packed * thread + at.slot + 4 * packed * (at.register / rows),
    }
}

/// Who holds an element of A.
#[inline]
pub fn slot_a(shape: Shape, packed: u8, at: Place) -> Slot {
    let (thread, slot) = (at.column / packed % 4, at.column % packed);
    let register = at.row / 8 + at.column / (4 * packed) * (shape.m / 8);
    Slot { lane: at.row % 8 * 4 + thread, register, slot }
}

/// Where an element of a fragment of B stands in B, which is `k x n`.
#[inline]
pub fn place_b(packed: u8, at: Slot) -> Place {
    let (group, thread) = (at.lane / 4, at.lane % 4);
    Place { row: packed * thread + at.slot + 4 * packed * at.register, column: group }
}

/// Who holds an element of B.
#[inline]
pub fn slot_b(packed: u8, at: Place) -> Slot {
    let (thread, slot) = (at.row / packed % 4, at.row % packed);
    Slot { lane: at.column * 4 + thread, register: at.row / (4 * packed), slot }
}

/// Where an element of a fragment of C or D stands in the matrix, which is `m x n`.
#[inline]
pub fn place_c(packed: u8, at: Slot) -> Place {
    let (group, thread) = (at.lane / 4, at.lane % 4);
    // Counted one by one, a lane's elements are two neighbours of row `group`, then two of row `group + 8`.
    let element = at.register * packed + at.slot;
    Place { row: group + 8 * (element / 2), column: 2 * thread + element % 2 }
}

/// Who holds an element of C or D.
#[inline]
pub fn slot_c(packed: u8, at: Place) -> Slot {
    let element = 2 * (at.row / 8) + at.column % 2;
    Slot { lane: at.row % 8 * 4 + at.column / 2, register: element / packed, slot: element % packed }
}
