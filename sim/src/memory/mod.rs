//! Memories that know who wrote each byte, and when.
//!
//! All accesses come by warp: a mask of lanes, an address a lane, and 1, 2, 4, 8 or 16 bytes for each. Data lie word by
//! word: `data[w][lane]` is the `w`-th 32-bit word of a lane's access; accesses of 1 and 2 bytes use the low bits of word 0.

use crate::check::Site;

/// One 32-bit number a lane.
pub type Lanes = [u32; 32];

/// A warp's access.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// The warp in its block.
    pub warp: u32,
    /// The instruction.
    pub site: Site,
    /// Lanes that take part.
    pub mask: u32,
    /// Addresses in the memory's own space.
    pub address: &'a [u64; 32],
    /// Bytes a lane: 1, 2, 4, 8 or 16.
    pub bytes: u32,
}

/// What an access cost.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Traffic {
    /// Passes over the banks of shared memory.
    pub wavefronts: u32,
    /// The fewest that the bytes need.
    pub least_wavefronts: u32,
    /// 32-byte sectors of global memory.
    pub sectors: u32,
}
