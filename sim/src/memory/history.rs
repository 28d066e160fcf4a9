//! The exact record of one word: every access that may still race with a later one.
//!
//! `shared` and `global` keep a compact record for each word, which holds one writer and one set of like readers. Where that
//! does not do (parts of a word, atomics, readers that nothing orders), the word gets a history instead:
//!
//! ```text
//! bytes  who                     what
//! 0011   warp 0, lanes 4         Write     at time 7
//! 1100   warp 0, lanes 5         Write     at time 7
//! 1111   warp 2, lanes 0..32     Read      at time 9
//! ```
//!
//! An entry leaves when it can be told by another: an access that comes after it, covers its bytes, and races with
//! whatever it would race with.

use super::Order;
use super::clock::{Clocks, stamp_of, time};
use crate::check::{Party, Site};

/// What an access does. Two race if one of them writes and they are not both strong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Read,
    Write,
    StrongRead,
    /// Atomics, too.
    StrongWrite,
}

impl Kind {
    pub(crate) fn read(order: Order) -> Kind {
        if order == Order::Strong { Kind::StrongRead } else { Kind::Read }
    }

    pub(crate) fn write(order: Order) -> Kind {
        if order == Order::Strong { Kind::StrongWrite } else { Kind::Write }
    }

    pub(crate) fn writes(self) -> bool {
        matches!(self, Kind::Write | Kind::StrongWrite)
    }

    pub(crate) fn is_strong(self) -> bool {
        matches!(self, Kind::StrongRead | Kind::StrongWrite)
    }

    fn races_with(self, other: Kind) -> bool {
        (self.writes() || other.writes()) && !(self.is_strong() && other.is_strong())
    }

    /// Whether this one races with whatever `other` races with.
    fn stands_for(self, other: Kind) -> bool {
        [Kind::Read, Kind::Write, Kind::StrongRead, Kind::StrongWrite]
            .into_iter()
            .all(|third| self.races_with(third) || !other.races_with(third))
    }
}

/// A lane at the moment of an access.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Actor<'a> {
    pub(crate) clocks: &'a Clocks,
    pub(crate) block: u64,
    pub(crate) warp: u32,
    pub(crate) lane: u32,
    pub(crate) site: Site,
    /// Whether the lanes of a warp race with one another.
    pub(crate) by_lane: bool,
}

impl<'a> Actor<'a> {
    /// When the access happens.
    pub(crate) fn time(&self) -> u64 {
        time(self.clocks.stamp(self.warp), self.clocks.epoch(self.warp))
    }
}

/// An access of the past, by some lanes of one warp at one time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) block: u64,
    pub(crate) warp: u32,
    pub(crate) lanes: u32,
    pub(crate) time: u64,
    pub(crate) site: Site,
    pub(crate) kind: Kind,
    /// Of the word, a bit each.
    pub(crate) bytes: u8,
}

impl Entry {
    /// What an actor does now.
    pub(crate) fn now(actor: &Actor, kind: Kind, bytes: u8) -> Entry {
        Entry {
            block: actor.block,
            warp: actor.warp,
            lanes: 1 << actor.lane,
            time: actor.time(),
            site: actor.site,
            kind,
            bytes,
        }
    }

    /// A lane whose access does not come before what the actor does now.
    pub(crate) fn beside(&self, actor: &Actor) -> Option<u32> {
        let first = self.lanes.trailing_zeros();
        if self.block != actor.block {
            return Some(first);
        }
        if self.warp != actor.warp {
            return (stamp_of(self.time) > actor.clocks.known(actor.warp, self.warp)).then_some(first);
        }
        if !actor.by_lane {
            return None;
        }
        (0..32).find(|&lane| {
            self.lanes >> lane & 1 == 1
                && !actor.clocks.lanes_ordered(actor.warp, actor.lane, lane, self.time)
        })
    }

    pub(crate) fn party(&self, lane: u32) -> Party {
        Party { block: self.block, warp: self.warp, lane, site: self.site }
    }
}

/// All accesses to a word that may still race with a later one.
#[derive(Clone, Default, Debug)]
pub(crate) struct History {
    pub(crate) entries: Vec<Entry>,
}

impl History {
    /// The first access that races with this one, and whether it wrote.
    pub(crate) fn race(&self, actor: &Actor, kind: Kind, bytes: u8) -> Option<(Party, bool)> {
        // Another warp is the better witness: of its own warp an entry may know less than it should (see `cell`).
        let race = |own: bool| {
            let mut others = self.entries.iter().filter(|entry| {
                (entry.block == actor.block && entry.warp == actor.warp) == own
                    && entry.bytes & bytes != 0
                    && entry.kind.races_with(kind)
            });
            others.find_map(|entry| Some((entry.party(entry.beside(actor)?), entry.kind.writes())))
        };
        race(false).or_else(|| race(true))
    }

    /// Records an access that [`History::race`] has nothing against.
    pub(crate) fn record(&mut self, actor: &Actor, kind: Kind, bytes: u8) {
        self.entries.retain_mut(|entry| {
            if entry.bytes & bytes != 0 && kind.stands_for(entry.kind) && entry.beside(actor).is_none() {
                entry.bytes &= !bytes;
            }
            entry.bytes != 0
        });
        self.push(Entry::now(actor, kind, bytes));
    }

    /// Adds an entry to its like.
    pub(crate) fn push(&mut self, new: Entry) {
        let alike = |old: &&mut Entry| {
            (old.block, old.warp, old.time, old.site, old.kind)
                == (new.block, new.warp, new.time, new.site, new.kind)
                && (old.bytes == new.bytes || old.lanes == new.lanes)
        };
        if let Some(old) = self.entries.iter_mut().find(alike) {
            old.lanes |= new.lanes;
            old.bytes |= new.bytes;
            return;
        }
        // Accesses of two other blocks race with those of any block: a third adds nothing.
        let others = self
            .entries
            .iter()
            .filter(|old| old.block != new.block && old.kind == new.kind && new.bytes & !old.bytes == 0);
        let mut first = None;
        for other in others {
            if *first.get_or_insert(other.block) != other.block {
                return;
            }
        }
        self.entries.push(new);
    }

    /// Forgets what comes before whatever anybody does now; for the memory of one block.
    pub(crate) fn settle(&mut self, clocks: &Clocks) {
        let settled = clocks.settled();
        self.entries.retain(|entry| stamp_of(entry.time) > settled);
    }

    /// Whether a byte of these has been written.
    pub(crate) fn writer(&self, bytes: u8) -> Option<Party> {
        let found = self.entries.iter().find(|entry| entry.kind.writes() && entry.bytes & bytes != 0);
        found.map(|entry| entry.party(entry.lanes.trailing_zeros()))
    }
}
