//! Memory of a block: shared memory that knows what happened to each byte.
//!
//! ```text
//! st.shared [x], ..     warp 0          the word is written, by warp 0, lane 3, at its time
//! ld.shared .., [x]     warp 1          nothing orders the two: Wrong::Race, other = warp 0, lane 3
//! ```
//!
//! What is checked, beyond bounds and alignment (see [`Strictness`]):
//! - bytes that nobody of this block wrote are not read (shared memory comes as it was left: filled with `0xff` here);
//! - of two accesses to a byte, one of them a write, one comes before the other (see `clock`); strong accesses and atomics do
//!   not race with one another; lanes of one store may write the same bytes if they write the same values, and so may
//!   warps that come to the same store instruction (the repetition leaves no trace);
//! - bytes that a `cp.async` writes are not touched by anyone between its issue and its thread's wait. The copy counts as a
//!   write at both ends: at its issue it may race with what others did before, and after the wait with what they do next.
//!
//! What is not: reads by the copy from global memory after its issue (the data are taken at the issue); orders that flags
//! in memory make; of lanes that copy the same bytes to one place and wait at different times, all landings but the last.
//!
//! A violation names the other party exactly, except among the readers of a byte: of three and more warps that read it at
//! the same stamp, the lanes of two are known, and of one warp's lanes that read it by different instructions between two
//! barriers, the last instruction.
//!
//! Costs are counted as on hardware: see `banks`. Without checks a store, a load or a copy does nothing but move data.

mod cell;
mod checks;
mod copies;
mod flight;
mod moves;
mod quad;
mod shadow;
#[cfg(test)]
mod tests;

use self::cell::Now;
use self::checks::Does;
use self::flight::{Flights, Wait};
use self::shadow::Shadow;
use super::clock::Clocks;
use super::lanes::lanes_of;
use super::{Access, Lanes, Order, Strictness, Traffic, banks};
use crate::check::{Fault, Wrong};

/// The sites that a compact record can name; a kernel has fewer instructions.
const SITES: u32 = 1 << 22;

/// Memory of a block, at addresses `0..bytes`.
#[derive(Clone, Debug)]
pub struct Shared {
    data: Vec<u32>,
    bytes: u64,
    block: u64,
    strictness: Strictness,
    shadow: Shadow,
    flights: Flights,
}

impl Shared {
    /// Memory of that many bytes for the block of that linear index.
    pub fn new(bytes: u32, block: u64, strictness: Strictness) -> Shared {
        let words = bytes.div_ceil(4) as usize;
        let checked = strictness > Strictness::Bounds;
        Shared {
            data: vec![u32::MAX; words],
            bytes: u64::from(bytes),
            block,
            strictness,
            shadow: Shadow::new(if checked { words } else { 0 }),
            flights: Flights::default(),
        }
    }

    /// Another block begins: nothing is written, nothing in flight.
    pub fn reset(&mut self, block: u64) {
        self.block = block;
        self.data.fill(u32::MAX);
        self.shadow.reset();
        self.flights.reset();
    }

    /// `ld.shared`; `ldmatrix` is a load of 16 bytes by the lanes that give its rows.
    pub fn load(&mut self, clocks: &Clocks, access: &Access, out: &mut [Lanes; 4]) -> Result<Traffic, Fault> {
        self.bounds(access, false)?;
        if self.is_checked() {
            let now = self.now(clocks, access);
            match (access.bytes, access.order) {
                (_, Order::Strong) | (1 | 2, _) => self.check_parts(&now, access, Does::Read)?,
                (4, _) => self.check_read::<1>(&now, access)?,
                (8, _) => self.check_read::<2>(&now, access)?,
                _ => self.check_quads_read(&now, access)?,
            }
        }
        self.fetch(access, out);
        Ok(traffic(access))
    }

    /// `st.shared`
    pub fn store(&mut self, clocks: &Clocks, access: &Access, data: &[Lanes; 4]) -> Result<Traffic, Fault> {
        self.bounds(access, true)?;
        if self.is_checked() {
            let now = self.now(clocks, access);
            if let Err(fault) = self.check_store(&now, access, data) {
                let echoes = if access.order == Order::Strong { 0 } else { self.echoes(&now, access, data) };
                if echoes == 0 {
                    return Err(fault);
                }
                self.check_store(&now, &Access { mask: access.mask & !echoes, ..*access }, data)?;
            }
        }
        self.put(access, data);
        Ok(traffic(access))
    }

    /// `atom.shared`, `red.shared`: lane by lane in order, `update(lane, old)` gives what to write; 2, 4 or 8 bytes.
    pub fn atomic(
        &mut self,
        clocks: &Clocks,
        access: &Access,
        update: &mut dyn FnMut(usize, u64) -> u64,
        old: &mut [Lanes; 4],
    ) -> Result<Traffic, Fault> {
        self.bounds(access, true)?;
        if self.is_checked() {
            self.check_parts(&self.now(clocks, access), access, Does::Atomic)?;
        }
        for lane in lanes_of(access.mask) {
            let one = Access { mask: 1 << lane, ..*access };
            self.fetch(&one, old);
            let high = if access.bytes == 8 { u64::from(old[1][lane]) << 32 } else { 0 };
            let new = update(lane, high | u64::from(old[0][lane]));
            let mut data = [[0; 32]; 2];
            (data[0][lane], data[1][lane]) = (new as u32, (new >> 32) as u32);
            self.put(&one, &data);
        }
        Ok(traffic(access))
    }

    /// `cp.async`: the data (zero fill included, 4, 8 or 16 bytes a lane) set out, and land when the lane waits. Without
    /// checks they land at once.
    pub fn copy(&mut self, clocks: &Clocks, access: &Access, data: &[Lanes; 4]) -> Result<Traffic, Fault> {
        self.bounds(access, true)?;
        if !self.is_checked() {
            self.put(access, data);
            return Ok(traffic(access));
        }
        self.check_copy(&self.now(clocks, access), access)?;
        let doubled = self.depart(access, data)?;
        self.flights.depart(access, data, doubled);
        Ok(traffic(access))
    }

    /// `cp.async.commit_group`: closes the group of each lane's copies so far.
    pub fn commit(&mut self, warp: u32, mask: u32) {
        self.flights.commit(warp, mask);
    }

    /// `cp.async.wait_group`: all but the `newest` newest committed groups of each lane land.
    pub fn wait(&mut self, clocks: &Clocks, warp: u32, mask: u32, newest: u32) {
        self.land(clocks, warp, mask, Wait::AllBut(newest));
    }

    /// `cp.async.wait_all`: all copies of each lane land, committed or not.
    pub fn wait_all(&mut self, clocks: &Clocks, warp: u32, mask: u32) {
        self.land(clocks, warp, mask, Wait::All);
    }

    fn land(&mut self, clocks: &Clocks, warp: u32, mask: u32, wait: Wait) {
        let mut flights = std::mem::take(&mut self.flights);
        flights.land(warp, mask, wait, |copy, flying| {
            let access = Access {
                warp,
                site: copy.site,
                mask: copy.mask,
                address: &copy.address,
                bytes: copy.bytes,
                order: Order::Weak,
            };
            self.put(&access, &copy.data);
            let now = self.now(clocks, &access);
            self.landed(&now, &access, copy, flying);
        });
        self.flights = flights;
    }

    fn is_checked(&self) -> bool {
        self.strictness > Strictness::Bounds
    }

    fn now<'a>(&self, clocks: &'a Clocks, access: &Access) -> Now<'a> {
        let warp = access.warp;
        Now {
            clocks,
            block: self.block,
            warp,
            stamp: clocks.stamp(warp),
            epoch: clocks.epoch(warp),
            floor: clocks.floor(warp),
            site: access.site.0.min(SITES - 1),
            by_lane: self.strictness == Strictness::Lanes,
        }
    }

    /// Every lane's bytes lie inside, at a multiple of their number.
    fn bounds(&self, access: &Access, writes: bool) -> Result<(), Fault> {
        let size = u64::from(access.bytes);
        let last = self.bytes.checked_sub(size);
        let wrong = |lane: &usize| {
            let address = access.address[*lane];
            last.is_none_or(|last| address > last) || address & (size - 1) != 0
        };
        // No address is larger than all of their bits together.
        let all = access.address.iter().fold(0, |all, address| all | address);
        if last.is_some_and(|last| all <= last) && all & (size - 1) == 0 {
            return Ok(());
        }
        let Some(lane) = lanes_of(access.mask).find(wrong) else { return Ok(()) };
        let inside = last.is_some_and(|last| access.address[lane] <= last);
        let (wrong, detail) = if inside {
            (Wrong::Misaligned, String::new())
        } else {
            (Wrong::OutOfBounds, format!("the block has {} bytes of shared memory", self.bytes))
        };
        Err(Fault { detail, ..fault(access, lane as u32, wrong, writes) })
    }
}

fn traffic(access: &Access) -> Traffic {
    let (wavefronts, least_wavefronts) = banks::wavefronts(access);
    Traffic { wavefronts, least_wavefronts, sectors: 0 }
}

fn fault(access: &Access, lane: u32, wrong: Wrong, writes: bool) -> Fault {
    Fault {
        wrong,
        lane,
        address: Some(access.address[lane as usize]),
        space: "shared",
        bytes: access.bytes,
        writes,
        other: None,
        detail: String::new(),
    }
}
