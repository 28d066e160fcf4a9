//! The record of a sector of global memory, 32 bytes, during a launch: accesses of neighbouring lanes to all of it.
//!
//! ```text
//! ld.global.f32 [4 * lane]         four sectors, of lanes 0..8, 8..16, ..: a record each
//! cp.async 16 of a row of a tile   a sector for two lanes
//! ld.global.f32 [64 * lane]        no sector is touched as a whole: records of words (see `trace`), and `parts` says so
//! ```
//!
//! A record is a fact, here as in `trace`: this warp read, or wrote, these bytes then. An access is recorded as one of a
//! sector or as some of words, and judged by both. Where a sector cannot hold a read it goes to the words.
//!
//! Threads meet here as they do at words: whoever stored, be it a record or `parts`, issues a fence and then asks for
//! objections, so that of two accesses that race at least one sees the other.

use super::trace::{LAST_BITS, Now, Objection, Outcome, unpack};
use crate::check::{Party, Wrong};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::atomic::{Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

/// Bytes of a sector.
pub(super) const SECTOR: u64 = 32;

/// The low bits of `read` and `write`: 1 and the logarithm of the bytes of a lane; 0 for no record.
const SIZE: u64 = 7;

/// `read`: by `ld.global.nc`.
const CONSTANT: u64 = 1 << 4;

/// `read`: by several blocks.
const MANY: u64 = 1 << 8;

/// `parts`: words of the sector have records of reads.
const READ: u32 = 1;

/// `parts`: of writes, or histories.
const WRITTEN: u32 = 2;

/// `parts`: a thread is about to clear the records of the words.
const CLEARING: u32 = 4;

#[derive(Default, Debug)]
pub(super) struct Sector {
    /// Block, site, warp, first lane.
    writer: AtomicU64,
    /// Stamp, size.
    write: AtomicU64,
    reader: AtomicU64,
    /// Warps (or a second block), stamp, `MANY`, `CONSTANT`, size.
    read: AtomicU64,
    /// Which records words of it have. While there are none, those of its words mean nothing.
    parts: AtomicU32,
}

/// Lanes, each with its bytes behind those of the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Row {
    /// The first lane.
    pub(super) lane: u32,
    /// The logarithm of the bytes of each.
    pub(super) size: u32,
}

/// Who made a record and has the byte of this place in the sector.
fn party(who: u64, record: u64, place: u32) -> Party {
    let first = unpack(who);
    let size = (record & SIZE) as u32 - 1;
    Party { lane: (first.lane + (place >> size)) & 31, ..first }
}

/// A `read` by warps of one block.
fn by_warps(warps: u32, stamp: u32, constant: u64, size: u64) -> u64 {
    u64::from(warps) << 32 | u64::from(stamp) << (32 - LAST_BITS) | constant | size
}

fn read_stamp(read: u64) -> u32 {
    read as u32 >> (32 - LAST_BITS)
}

impl Sector {
    /// Records a weak read of all of it; `constant` if by `ld.global.nc`.
    #[inline]
    pub(super) fn read(&self, now: &Now, row: Row, constant: bool) -> Outcome {
        let old = self.read.load(Relaxed);
        let constant = old & CONSTANT | if constant { CONSTANT } else { 0 };
        let alone = by_warps(1 << now.warp, now.stamp, constant, 1 + u64::from(row.size));
        if old & SIZE == 0 {
            self.reader.store(now.pack(row.lane), Relaxed);
            return self.set_read(old, alone);
        }
        if old & MANY != 0 {
            return self.set_read(old, old | constant);
        }
        if self.reader.load(Relaxed) >> 32 != u64::from(now.block) {
            return self.set_read(old, u64::from(now.block) << 32 | MANY | constant | old & SIZE);
        }
        let (warps, stamp) = ((old >> 32) as u32, read_stamp(old));
        if stamp == now.stamp {
            return self.set_read(old, by_warps(warps | 1 << now.warp, stamp, constant, old & SIZE));
        }
        if now.beside(warps, stamp).is_some() {
            return Outcome::Wide;
        }
        self.reader.store(now.pack(row.lane), Relaxed);
        self.set_read(old, alone)
    }

    #[inline]
    fn set_read(&self, old: u64, new: u64) -> Outcome {
        if old == new {
            return Outcome::Known;
        }
        self.read.store(new, Relaxed);
        Outcome::Stored
    }

    /// Records a weak write of all of it, against which nothing is to be said.
    #[inline]
    pub(super) fn write(&self, now: &Now, row: Row) {
        self.writer.store(now.pack(row.lane), Relaxed);
        self.write.store(u64::from(now.stamp) << 32 | (1 + u64::from(row.size)), Relaxed);
    }

    /// Notes that words of it get records; `clear` frees these of what an earlier launch left. Whether it was news.
    #[inline]
    pub(super) fn note_parts(&self, writes: bool, clear: impl FnOnce()) -> bool {
        let wanted = if writes { READ | WRITTEN } else { READ };
        if self.parts.load(Acquire) & (wanted | CLEARING) == wanted {
            return false;
        }
        if self.parts.compare_exchange(0, CLEARING, Acquire, Relaxed).is_ok() {
            clear();
            self.parts.store(wanted, Release);
            return true;
        }
        while self.parts.load(Acquire) & CLEARING != 0 {
            std::hint::spin_loop();
        }
        self.parts.fetch_or(wanted, Relaxed);
        true
    }

    /// Whether words of it have records that matter to a read, or to a write.
    #[inline]
    pub(super) fn has_parts(&self, writes: bool) -> bool {
        self.parts.load(Acquire) & if writes { READ | WRITTEN } else { WRITTEN } != 0
    }

    /// What the record has against an access to part of it, or all, the first byte of which is at this place.
    #[inline]
    pub(super) fn objection(&self, now: &Now, place: u32, writes: bool, constant: bool) -> Option<Objection> {
        let write = self.write.load(Relaxed);
        if write & SIZE != 0 {
            let other = party(self.writer.load(Relaxed), write, place);
            if constant {
                return Some((Wrong::ReadOnly, Some((other, true))));
            }
            let ordered = other.block == u64::from(now.block) && now.after(other.warp, (write >> 32) as u32);
            if !ordered {
                return Some((Wrong::Race, Some((other, true))));
            }
        }
        if writes { self.objection_of_readers(now, place) } else { None }
    }

    fn objection_of_readers(&self, now: &Now, place: u32) -> Option<Objection> {
        let read = self.read.load(Relaxed);
        if read & SIZE == 0 {
            return None;
        }
        let first = party(self.reader.load(Relaxed), read, place);
        if read & CONSTANT != 0 {
            return Some((Wrong::ReadOnly, Some((first, false))));
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
}
