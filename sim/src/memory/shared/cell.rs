//! The compact record of one word (or one byte) of shared memory: 32 bytes, half a cache line.
//!
//! It holds the last write and the readers since, as long as these are of one kind: lanes of one warp that read at one time,
//! or warps that read at one stamp. That covers nearly all that kernels do; for the rest [`Cell::write`] and [`Cell::read`]
//! say so, and the caller keeps a history.
//!
//! ```text
//! written by warp 1, lane 4            Cell { stamp: 7, writer: (site, 1, 4), .. }
//! then, behind a barrier, read by warps 0..4, 32 lanes each
//!                                      Cell { read_stamp: 9, readers: 0b1111, first: (site, 0, 0), second: (site, 1, 0), .. }
//! ```
//!
//! Where several warps have read at one stamp, their lanes are not kept: a write that comes after what another warp did at
//! that stamp also comes after what its own warp did (see `clock`).

use crate::check::{Party, Site};
use crate::memory::clock::{Clocks, time};
use crate::memory::history::{Actor, Entry, History, Kind};

/// A stamp that says that the cell means something else: see [`Cell::meaning`].
const SPECIAL: u32 = u32::MAX;

/// The low bits of `flags`: which bytes are written.
const WRITTEN: u32 = 0xf;

/// What a cell means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    /// A compact record.
    Compact,
    /// Its bytes have cells of their own, from this index on.
    Split(usize),
    /// It has the history of this index.
    History(usize),
    /// An asynchronous copy is writing it.
    Flight,
}

#[derive(Clone, Copy, Default, Debug)]
#[repr(align(32))]
pub(super) struct Cell {
    /// When it was last written; 0: never, or so long ago that it does not matter.
    stamp: u32,
    epoch: u32,
    /// By whom, packed.
    writer: u32,
    /// When it was read since; 0: never.
    read_stamp: u32,
    /// The warps that have.
    readers: u32,
    /// One warp: the epoch. Several: one of them, packed.
    first: u32,
    /// One warp: its lanes. Several: another of them, packed.
    second: u32,
    /// Written bytes; above them the newest lane and site of a single warp's reads, or the meaning if special.
    flags: u32,
}

/// What all lanes of an access have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now<'a> {
    pub(super) clocks: &'a Clocks,
    pub(super) block: u64,
    pub(super) warp: u32,
    pub(super) stamp: u32,
    pub(super) epoch: u32,
    pub(super) floor: u32,
    pub(super) site: u32,
    pub(super) by_lane: bool,
}

impl<'a> Now<'a> {
    pub(super) fn actor(&self, lane: u32) -> Actor<'a> {
        let Now { clocks, block, warp, by_lane, .. } = *self;
        Actor { clocks, block, warp, lane, site: Site(self.site), by_lane }
    }

    fn pack(&self, lane: u32) -> u32 {
        self.site << 10 | self.warp << 5 | lane
    }

    /// Whether what that warp (another one) did at that stamp comes before now.
    fn after(&self, warp: u32, stamp: u32) -> bool {
        stamp <= self.clocks.known(self.warp, warp)
    }

    /// Whether what these lanes of this warp did at that time comes before now.
    fn after_lanes(&self, lane: u32, lanes: u32, then: u64) -> bool {
        let ordered = |other| self.clocks.lanes_ordered(self.warp, lane, other, then);
        !self.by_lane || lanes == 1 << lane || (0..32).filter(|other| lanes >> other & 1 == 1).all(ordered)
    }
}

fn unpack(block: u64, packed: u32) -> Party {
    Party { block, warp: packed >> 5 & 31, lane: packed & 31, site: Site(packed >> 10) }
}

impl Cell {
    pub(super) fn meaning(&self) -> Meaning {
        match (self.stamp, self.flags >> 4 & 3) {
            (SPECIAL, 0) => Meaning::Flight,
            (SPECIAL, 1) => Meaning::Split(self.readers as usize),
            (SPECIAL, _) => Meaning::History(self.readers as usize),
            _ => Meaning::Compact,
        }
    }

    pub(super) fn set_meaning(&mut self, meaning: Meaning) {
        let (stamp, mark, index) = match meaning {
            Meaning::Compact => (0, 0, 0),
            Meaning::Flight => (SPECIAL, 0, 0),
            Meaning::Split(index) => (SPECIAL, 1, index),
            Meaning::History(index) => (SPECIAL, 2, index),
        };
        *self =
            Cell { stamp, readers: index as u32, flags: self.flags & WRITTEN | mark << 4, ..Cell::default() };
    }

    /// Which bytes are written.
    #[inline]
    pub(super) fn written(&self) -> u32 {
        self.flags & WRITTEN
    }

    #[inline]
    pub(super) fn set_written(&mut self, bytes: u32) {
        self.flags |= bytes;
    }

    /// A read by some lanes that needs no thought: all is written, and nobody wrote since everyone last met.
    #[inline]
    pub(super) fn read_at_once(&mut self, now: &Now, lanes: u32) -> bool {
        let mine = 1 << now.warp;
        if self.stamp > now.floor || self.flags & WRITTEN != WRITTEN {
            return false;
        }
        if self.read_stamp <= now.floor {
            self.begin_readers(now, lanes);
            return true;
        }
        if self.read_stamp != now.stamp {
            return false;
        }
        if self.readers == mine {
            if self.first != now.epoch {
                return false;
            }
            self.second |= lanes;
            self.flags = now.site << 10 | lanes.trailing_zeros() << 5 | WRITTEN;
            return true;
        }
        if self.readers & mine == 0 {
            self.add_reader(now, lanes.trailing_zeros());
        }
        true
    }

    /// Whether nobody wrote since everyone last met.
    #[inline]
    pub(super) fn is_settled(&self, floor: u32) -> bool {
        self.stamp <= floor
    }

    /// Whether a write needs no thought: nobody was here since everyone last met.
    #[inline]
    pub(super) fn is_old(&self, floor: u32) -> bool {
        self.stamp <= floor && self.read_stamp <= floor
    }

    /// Whether another lane of this warp wrote it at this very time.
    #[inline]
    pub(super) fn written_beside(&self, now: &Now, lane: u32) -> bool {
        now.by_lane
            && self.stamp == now.stamp
            && self.epoch == now.epoch
            && self.writer >> 5 & 31 == now.warp
            && self.writer & 31 != lane
    }

    /// Records a write of all that the cell stands for; what was there comes before it.
    #[inline]
    pub(super) fn write(&mut self, now: &Now, lane: u32) {
        *self = Cell {
            stamp: now.stamp,
            epoch: now.epoch,
            writer: now.pack(lane),
            flags: self.flags & WRITTEN,
            ..Cell::default()
        };
    }

    /// Records a read, which comes after the last write. False if a compact record cannot hold it.
    pub(super) fn read(&mut self, now: &Now, lane: u32) -> bool {
        let mine = 1 << now.warp;
        if self.read_stamp == now.stamp && self.readers & mine != 0 && self.readers != mine {
            return true;
        }
        if self.read_stamp == now.stamp && self.readers & mine == 0 && self.readers != 0 {
            self.add_reader(now, lane);
            return true;
        }
        if self.read_stamp == now.stamp && self.readers == mine && self.first == now.epoch {
            self.second |= 1 << lane;
            self.flags = self.flags & WRITTEN | lane << 5 | now.site << 10;
            return true;
        }
        if self.reader_beside(now, lane).is_some() {
            return false;
        }
        self.begin_readers(now, 1 << lane);
        true
    }

    #[inline]
    fn begin_readers(&mut self, now: &Now, lanes: u32) {
        (self.read_stamp, self.readers) = (now.stamp, 1 << now.warp);
        (self.first, self.second) = (now.epoch, lanes);
        self.flags = self.flags & WRITTEN | lanes.trailing_zeros() << 5 | now.site << 10;
    }

    /// Another warp reads at the same stamp.
    fn add_reader(&mut self, now: &Now, lane: u32) {
        if self.readers.is_power_of_two() {
            let newest = self.newest_reader(now.block);
            self.first = newest.site.0 << 10 | newest.warp << 5 | newest.lane;
            self.second = now.pack(lane);
        }
        self.readers |= 1 << now.warp;
    }

    /// The writer, if its write does not come before what this lane does now.
    pub(super) fn writer_beside(&self, now: &Now, lane: u32) -> Option<Party> {
        let party = unpack(now.block, self.writer);
        let before = if self.stamp <= now.floor {
            true
        } else if party.warp == now.warp {
            now.after_lanes(lane, 1 << party.lane, time(self.stamp, self.epoch))
        } else {
            now.after(party.warp, self.stamp)
        };
        (!before).then_some(party)
    }

    /// A reader whose read does not come before what this lane does now.
    pub(super) fn reader_beside(&self, now: &Now, lane: u32) -> Option<Party> {
        if self.read_stamp <= now.floor {
            return None;
        }
        let newest = self.newest_reader(now.block);
        if self.readers == 1 << now.warp {
            let then = time(self.read_stamp, self.first);
            let beside = |lanes: u32| self.reader_entry(newest, lanes, then).beside(&now.actor(lane));
            let lane = beside(1 << newest.lane).or_else(|| beside(self.second))?;
            return Some(Party { lane, ..newest });
        }
        let beside = |warp: u32| warp != now.warp && !now.after(warp, self.read_stamp);
        if self.readers.is_power_of_two() {
            return beside(newest.warp).then_some(newest);
        }
        let (first, second) = (unpack(now.block, self.first), unpack(now.block, self.second));
        if let Some(party) = [first, second].into_iter().find(|party| beside(party.warp)) {
            return Some(party);
        }
        // A third warp: of what it did the record knows only that it did.
        let warp = (0..32).find(|&warp| self.readers >> warp & 1 == 1 && beside(warp))?;
        Some(Party { warp, ..second })
    }

    /// Of a single warp's lanes, the one that read last.
    fn newest_reader(&self, block: u64) -> Party {
        let (warp, lane) = (self.readers.trailing_zeros(), self.flags >> 5 & 31);
        Party { block, warp, lane, site: Site(self.flags >> 10) }
    }

    fn reader_entry(&self, party: Party, lanes: u32, time: u64) -> Entry {
        let Party { block, warp, site, .. } = party;
        Entry { block, warp, lanes, time, site, kind: Kind::Read, bytes: 1 }
    }

    /// Who has accessed it and races with this access, and whether he wrote. (A compact record holds weak accesses only.)
    pub(super) fn race(&self, now: &Now, lane: u32, kind: Kind) -> Option<(Party, bool)> {
        let writer = self.writer_beside(now, lane).map(|party| (party, true));
        let reader = || self.reader_beside(now, lane).map(|party| (party, false));
        writer.or_else(|| if kind.writes() { reader() } else { None })
    }

    /// Writes down in full what the compact record holds.
    pub(super) fn tell(&self, block: u64, history: &mut History) {
        if self.stamp != 0 {
            let Party { warp, lane, site, .. } = unpack(block, self.writer);
            let time = time(self.stamp, self.epoch);
            history.push(Entry { block, warp, lanes: 1 << lane, time, site, kind: Kind::Write, bytes: 1 });
        }
        if self.read_stamp == 0 {
            return;
        }
        if self.readers.is_power_of_two() {
            let then = time(self.read_stamp, self.first);
            history.push(self.reader_entry(self.newest_reader(block), self.second, then));
            return;
        }
        let (first, second) = (unpack(block, self.first), unpack(block, self.second));
        for warp in (0..32).filter(|warp| self.readers >> warp & 1 == 1) {
            let known = if warp == first.warp { first } else { second };
            // Its epoch is not kept, and does not matter: a write by this warp that comes after what the others did at
            // this stamp comes after what it did itself, and any other write races with the others.
            let then = time(self.read_stamp, u32::MAX);
            history.push(self.reader_entry(Party { warp, ..known }, 1 << known.lane, then));
        }
    }
}
