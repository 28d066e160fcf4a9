//! The compact record of one word of global memory during a launch: 32 bytes, of which a word that is only read needs 16.
//! What whole sectors see has records of its own, see `sector`.
//!
//! ```text
//! writer    block 7, warp 1, lane 0, instruction 52
//! write     which bytes, at which stamp of its block
//! reader    block 7, warp 0, lane 0, instruction 60
//! read      which bytes, at which stamp, by which warps; or: by several blocks; and which bytes by ld.global.nc
//! ```
//!
//! The record holds one writing warp, and readers of one block at one stamp or of several blocks. Where that does not do
//! (blocks that share a word, atomics), the word gets a history: [`Outcome::Wide`].
//!
//! Threads that run other blocks read and write the same cell at the same time. Its words are loaded and stored without a
//! lock; whoever stored one issues a fence and then asks for the [`Cell::objection`], so that of two accesses that race,
//! at least one sees the other. (Two blocks that read a word in the same few nanoseconds may be remembered as one.)

use crate::check::{Party, Site, Wrong};
use crate::memory::clock::{Clocks, time};
use crate::memory::history::{Actor, Entry, History, Kind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bits of a stamp in a `read`.
pub(super) const LAST_BITS: u32 = 23;

/// Beyond so many barriers a block's own races are no longer told.
const LAST_STAMP: u32 = (1 << LAST_BITS) - 1;

/// `write`: the word has a history.
const WIDE: u64 = 1 << 4;

/// `read`: by several blocks.
const MANY: u64 = 1 << 8;

/// What is wrong: the fault, and the other party, with whether it wrote.
pub(super) type Objection = (Wrong, Option<(Party, bool)>);

#[derive(Default, Debug)]
#[repr(align(32))]
pub(super) struct Cell {
    /// Block, site, warp, lane.
    writer: AtomicU64,
    /// Stamp, `WIDE`, bytes.
    write: AtomicU64,
    reader: AtomicU64,
    /// Warps (or a second block), stamp, `MANY`, bytes read by `ld.global.nc`, bytes.
    read: AtomicU64,
}

/// What the lanes of an access have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now<'a> {
    pub(super) clocks: &'a Clocks,
    pub(super) block: u32,
    pub(super) warp: u32,
    pub(super) stamp: u32,
    pub(super) floor: u32,
    pub(super) site: u32,
}

/// What came of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// It says so already.
    Known,
    /// It does now.
    Stored,
    /// It cannot say it: the word needs a history.
    Wide,
}

impl<'a> Now<'a> {
    /// What an access of a warp has in common, on behalf of a block.
    pub(super) fn new(clocks: &'a Clocks, block: u32, warp: u32, site: Site) -> Now<'a> {
        let (stamp, floor) = (clocks.stamp(warp).min(LAST_STAMP), clocks.floor(warp).min(LAST_STAMP));
        Now { clocks, block, warp, stamp, floor, site: site.0.min((1 << 22) - 1) }
    }

    pub(super) fn actor(&self, lane: u32) -> Actor<'a> {
        let Now { clocks, block, warp, .. } = *self;
        Actor { clocks, block: block.into(), warp, lane, site: Site(self.site), by_lane: false }
    }

    pub(super) fn pack(&self, lane: u32) -> u64 {
        u64::from(self.block) << 32 | u64::from(self.site << 10 | self.warp << 5 | lane)
    }

    /// Whether what that warp of this block did at that stamp comes before now.
    pub(super) fn after(&self, warp: u32, stamp: u32) -> bool {
        warp == self.warp
            || stamp <= self.floor
            || stamp <= self.clocks.known(self.warp, warp)
            || stamp == LAST_STAMP
    }

    /// One of these warps whose accesses at that stamp do not come before now.
    pub(super) fn beside(&self, warps: u32, stamp: u32) -> Option<u32> {
        if stamp <= self.floor || warps == 1 << self.warp {
            return None;
        }
        (0..32).find(|&warp| warps >> warp & 1 == 1 && !self.after(warp, stamp))
    }
}

/// Who made a record.
pub(super) fn unpack(who: u64) -> Party {
    let low = who as u32;
    Party { block: who >> 32, warp: low >> 5 & 31, lane: low & 31, site: Site(low >> 10) }
}

fn bytes_of(record: u64) -> u32 {
    record as u32 & 0xf
}

fn constant_bytes(read: u64) -> u32 {
    read as u32 >> 4 & 0xf
}

fn read_stamp(read: u64) -> u32 {
    read as u32 >> 9
}

/// A `read` by warps of one block.
fn by_warps(warps: u32, stamp: u32, constant: u32, bytes: u32) -> u64 {
    u64::from(warps) << 32 | u64::from(stamp << 9 | constant << 4 | bytes)
}

impl Cell {
    /// Records a weak read; `constant` if by `ld.global.nc`.
    #[inline]
    pub(super) fn read(&self, now: &Now, lane: u32, bytes: u32, constant: bool) -> Outcome {
        if self.write.load(Relaxed) & WIDE != 0 {
            return Outcome::Wide;
        }
        let old = self.read.load(Relaxed);
        let nc = constant_bytes(old) | if constant { bytes } else { 0 };
        if bytes_of(old) == 0 {
            self.reader.store(now.pack(lane), Relaxed);
            return self.set_read(old, by_warps(1 << now.warp, now.stamp, nc, bytes));
        }
        if old & MANY != 0 {
            let covered = bytes_of(old) & bytes == bytes;
            return if covered { self.set_read(old, old | u64::from(nc) << 4) } else { Outcome::Wide };
        }
        if self.reader.load(Relaxed) >> 32 != u64::from(now.block) {
            let both = u64::from(now.block) << 32 | MANY | u64::from(nc << 4 | bytes);
            return if bytes_of(old) == bytes { self.set_read(old, both) } else { Outcome::Wide };
        }
        self.read_again(now, lane, bytes, nc, old)
    }

    /// Another read by the same block.
    fn read_again(&self, now: &Now, lane: u32, bytes: u32, nc: u32, old: u64) -> Outcome {
        let (warps, stamp, covered) = ((old >> 32) as u32, read_stamp(old), bytes_of(old));
        let (mine, same) = (1 << now.warp, stamp == now.stamp);
        if same && warps == mine && covered & bytes != covered {
            // More of the word by the same warp.
            return self.set_read(old, by_warps(mine, stamp, nc, covered | bytes));
        }
        if same && covered == bytes {
            return self.set_read(old, by_warps(warps | mine, stamp, nc, bytes));
        }
        if covered & !bytes == 0 && now.beside(warps, stamp).is_none() {
            self.reader.store(now.pack(lane), Relaxed);
            return self.set_read(old, by_warps(mine, now.stamp, nc, bytes));
        }
        Outcome::Wide
    }

    #[inline]
    fn set_read(&self, old: u64, new: u64) -> Outcome {
        if old == new {
            return Outcome::Known;
        }
        self.read.store(new, Relaxed);
        Outcome::Stored
    }

    /// Records a weak write, against which nothing is to be said.
    #[inline]
    pub(super) fn write(&self, now: &Now, lane: u32, bytes: u32) -> Outcome {
        let old = self.write.load(Relaxed);
        if old & WIDE != 0 {
            return Outcome::Wide;
        }
        let mut covers = bytes;
        if bytes_of(old) & !bytes != 0 {
            let who = unpack(self.writer.load(Relaxed));
            let mine = who.block == u64::from(now.block) && who.warp == now.warp;
            if !mine || (old >> 32) as u32 != now.stamp {
                return Outcome::Wide;
            }
            covers |= bytes_of(old);
        }
        self.writer.store(now.pack(lane), Relaxed);
        self.write.store(u64::from(now.stamp) << 32 | u64::from(covers), Relaxed);
        Outcome::Stored
    }

    /// Nothing happened yet.
    pub(super) fn clear(&self) {
        [&self.writer, &self.write, &self.reader, &self.read]
            .into_iter()
            .for_each(|part| part.store(0, Relaxed));
    }

    /// Whether nothing has happened yet.
    #[inline]
    pub(super) fn is_clear(&self) -> bool {
        self.write.load(Relaxed) | self.read.load(Relaxed) == 0
    }

    /// Whether it has a history instead.
    pub(super) fn is_wide(&self) -> bool {
        self.write.load(Relaxed) & WIDE != 0
    }

    /// What the compact record has against an access. (A history says for itself.)
    #[inline]
    pub(super) fn objection(&self, now: &Now, bytes: u32, writes: bool, constant: bool) -> Option<Objection> {
        let write = self.write.load(Relaxed);
        if bytes_of(write) & bytes != 0 && write & WIDE == 0 {
            let other = unpack(self.writer.load(Relaxed));
            if constant {
                return Some((Wrong::ReadOnly, Some((other, true))));
            }
            let ordered = other.block == u64::from(now.block) && now.after(other.warp, (write >> 32) as u32);
            if !ordered {
                return Some((Wrong::Race, Some((other, true))));
            }
        }
        if writes { self.objection_of_readers(now, bytes) } else { None }
    }

    #[inline]
    fn objection_of_readers(&self, now: &Now, bytes: u32) -> Option<Objection> {
        let read = self.read.load(Relaxed);
        if read == 0 {
            return None;
        }
        let wide = self.write.load(Relaxed) & WIDE != 0;
        let first = unpack(self.reader.load(Relaxed));
        if constant_bytes(read) & bytes != 0 {
            return Some((Wrong::ReadOnly, Some((first, false))));
        }
        if bytes_of(read) & bytes == 0 || wide {
            return None;
        }
        let other = if read & MANY != 0 {
            let second = Party { block: read >> 32, ..first };
            if first.block == u64::from(now.block) { second } else { first }
        } else if first.block != u64::from(now.block) {
            first
        } else {
            let warp = now.beside((read >> 32) as u32, read_stamp(read))?;
            Party { warp, ..first }
        };
        Some((Wrong::Race, Some((other, false))))
    }

    /// An access that the compact record cannot hold, on the word's history, which the caller has locked.
    pub(super) fn record_wide(
        &self,
        history: &mut History,
        now: &Now,
        lane: u32,
        bytes: u32,
        kind: Kind,
        constant: bool,
    ) -> Option<Objection> {
        if self.write.load(Relaxed) & WIDE == 0 {
            self.tell(history);
            self.write.fetch_or(WIDE, Relaxed);
        }
        if constant {
            self.read.fetch_or(u64::from(bytes) << 4, Relaxed);
            if let Some(other) = history.writer(bytes as u8) {
                return Some((Wrong::ReadOnly, Some((other, true))));
            }
        }
        let actor = now.actor(lane);
        if kind.writes()
            && let Some(objection) = self.objection_of_readers(now, bytes)
        {
            return Some(objection);
        }
        if let Some(other) = history.race(&actor, kind, bytes as u8) {
            return Some((Wrong::Race, Some(other)));
        }
        history.record(&actor, kind, bytes as u8);
        None
    }

    /// Writes down in full what the compact record holds.
    fn tell(&self, history: &mut History) {
        let entry = |party: Party, stamp, kind, bytes| {
            let Party { block, warp, lane, site } = party;
            Entry { block, warp, lanes: 1 << lane, time: time(stamp, 0), site, kind, bytes: bytes as u8 }
        };
        let write = self.write.load(Relaxed);
        if bytes_of(write) != 0 {
            let writer = unpack(self.writer.load(Relaxed));
            history.push(entry(writer, (write >> 32) as u32, Kind::Write, bytes_of(write)));
        }
        let (read, first) = (self.read.load(Relaxed), unpack(self.reader.load(Relaxed)));
        let bytes = bytes_of(read);
        if bytes != 0 && read & MANY != 0 {
            history.push(entry(first, 0, Kind::Read, bytes));
            history.push(entry(Party { block: read >> 32, ..first }, 0, Kind::Read, bytes));
        } else if bytes != 0 {
            for warp in (0..32).filter(|warp| read >> (32 + warp) & 1 == 1) {
                history.push(entry(Party { warp, ..first }, read_stamp(read), Kind::Read, bytes));
            }
        }
    }
}
