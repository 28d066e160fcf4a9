//! Memories that know who wrote each byte, and when.
//!
//! All accesses come by warp: a mask of lanes, an address a lane, and 1, 2, 4, 8 or 16 bytes for each. Data lie word by
//! word: `data[w][lane]` is the `w`-th 32-bit word of a lane's access; accesses of 1 and 2 bytes use the low bits of word 0
//! (a load clears the others). Lanes outside the mask keep what they had.
//!
//! ```text
//! let mut clocks = Clocks::new(128);                                   a block of 128 threads: 4 warps
//! let mut shared = Shared::new(4096, block, Strictness::Lanes);
//! shared.store(&clocks, &access, &data)?;                              Traffic: wavefronts over the banks
//! clocks.arrive(0, warp); .. clocks.release(0, &[0, 1, 2, 3]);         bar.sync 0
//! shared.load(&clocks, &access, &mut out)?;                            without the barrier: Wrong::Race
//! ```
//!
//! | module | |
//! |---|---|
//! | [`clock`] | what is ordered before what inside a block |
//! | [`shared`] | memory of a block: bytes written, races, banks, `cp.async` |
//! | [`global`] | allocations of all blocks: bounds, races inside and between blocks, sectors |
//! | [`local`] | memory of a lane; [`constant`]: bytes that only the host writes |
//! | `banks` | conflicts of shared memory |
//! | `history` | the exact record of one word, where the compact one does not do |
//!
//! A third party besides warps and lanes will come with the Hopper instructions: asynchronous agents (TMA, `wgmma`) that
//! read and write through the async proxy and complete on an mbarrier. `Agent` in `shared/flight.rs` is their place.

use crate::check::Site;
use crate::syntax::ast::Space;

mod banks;
pub mod clock;
pub mod constant;
pub mod global;
mod history;
mod lanes;
pub mod local;
pub mod shared;

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
    /// Whether it may meet others.
    pub order: Order,
}

/// How an access stands to those of other threads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// An ordinary one: it races with any other that nothing orders, if one of the two writes.
    #[default]
    Weak,
    /// `volatile`, `relaxed`, `acquire`, `release`: it may meet other strong ones and atomics, and races with weak ones.
    /// It orders nothing besides itself: flags that announce data to others are not understood.
    Strong,
    /// `ld.global.nc`: nobody may write these bytes during the launch, not even before or behind a barrier.
    Constant,
}

/// What is checked; each includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Strictness {
    /// Bounds and alignment.
    Bounds,
    /// Bytes that nobody wrote, copies in flight, races between warps and between blocks.
    Warps,
    /// Races between the lanes of one warp in shared memory, which nothing but `bar.warp.sync` and block barriers order:
    /// since Volta, lanes may run in any order, and a shuffle or a vote does not order memory.
    #[default]
    Lanes,
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

/// Where shared memory begins among generic addresses.
pub const SHARED_WINDOW: u64 = 0x7f00_0000_0000;
/// Where local memory begins among generic addresses.
pub const LOCAL_WINDOW: u64 = 0x7e00_0000_0000;
/// Where constant memory begins among generic addresses.
pub const CONST_WINDOW: u64 = 0x7d00_0000_0000;
/// Where a kernel's parameters begin among generic addresses.
pub const PARAM_WINDOW: u64 = 0x7c00_0000_0000;
/// Bytes of each window.
pub const WINDOW: u64 = 1 << 32;

/// The space and the address in it that a generic address means. Whatever lies in no window is global.
pub fn resolve(generic: u64) -> (Space, u64) {
    const WINDOWS: [(Space, u64); 4] = [
        (Space::Shared, SHARED_WINDOW),
        (Space::Local, LOCAL_WINDOW),
        (Space::Const, CONST_WINDOW),
        (Space::Param, PARAM_WINDOW),
    ];
    for (space, start) in WINDOWS {
        if generic.wrapping_sub(start) < WINDOW {
            return (space, generic - start);
        }
    }
    (Space::Global, generic)
}

/// The generic address of an address in a space: the inverse of [`resolve`] (`cvta`).
pub fn generic(space: Space, address: u64) -> u64 {
    match space {
        Space::Shared => SHARED_WINDOW.wrapping_add(address),
        Space::Local => LOCAL_WINDOW.wrapping_add(address),
        Space::Const => CONST_WINDOW.wrapping_add(address),
        Space::Param => PARAM_WINDOW.wrapping_add(address),
        Space::Global | Space::Generic => address,
    }
}
