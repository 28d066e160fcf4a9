//! The reference: every access that was ever made, byte by byte, and what each thread knows of every other.

use super::What;
use crate::check::{Fault, Site, Wrong};
use crate::memory::history::Kind;
use crate::memory::lanes::lanes_of;
use crate::memory::{Access, Lanes, Order, Strictness};

/// What an access does, with its data.
pub(super) struct Touch<'a> {
    pub(super) access: Access<'a>,
    pub(super) data: &'a [Lanes; 4],
    pub(super) what: What,
}

/// A fault, as far as it is prescribed. The party: warp, lane, site, and whether it wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Finding {
    wrong: Wrong,
    lane: u32,
    other: Option<(u32, u32, Site, bool)>,
}

impl Finding {
    pub(super) fn of(fault: &Fault) -> Finding {
        let other = fault.other.map(|(party, wrote)| (party.warp, party.lane, party.site, wrote));
        Finding { wrong: fault.wrong, lane: fault.lane, other }
    }

    /// Whether a fault says the same. Of readers, lane and site are not kept when there are many.
    pub(super) fn is_met_by(&self, found: &Finding) -> bool {
        let warp = |finding: &Finding| finding.other.map(|(warp, .., wrote)| (warp, wrote));
        let read = self.other.is_some_and(|(.., wrote)| !wrote);
        self == found
            || read && warp(self) == warp(found) && (self.wrong, self.lane) == (found.wrong, found.lane)
    }
}

/// An access of the past to one byte.
#[derive(Clone, Copy)]
struct Event {
    thread: usize,
    clock: u32,
    site: Site,
    byte: u64,
    kind: Kind,
}

/// One byte on its way.
#[derive(Clone, Copy)]
struct Flying {
    thread: usize,
    group: u32,
    site: Site,
    byte: u64,
    value: u8,
}

pub(super) struct Model {
    knows: Vec<Vec<u32>>,
    barriers: Vec<Vec<u32>>,
    events: Vec<Event>,
    bytes: Vec<Option<u8>>,
    flying: Vec<Flying>,
    committed: Vec<u32>,
    by_lane: bool,
}

fn join(into: &mut [u32], from: &[u32]) {
    into.iter_mut().zip(from).for_each(|(most, known)| *most = (*most).max(*known));
}

fn threads(warp: u32, mask: u32) -> impl Iterator<Item = usize> + Clone {
    (0..32).filter(move |lane| mask >> lane & 1 == 1).map(move |lane| warp as usize * 32 + lane)
}

fn kind(what: What) -> Kind {
    match what {
        What::Load(Order::Strong) => Kind::StrongRead,
        What::Load(_) => Kind::Read,
        What::Store(Order::Strong) | What::Atomic => Kind::StrongWrite,
        What::Store(_) | What::Copy => Kind::Write,
    }
}

impl Model {
    pub(super) fn new(warps: u32, bytes: u32, strictness: Strictness) -> Model {
        let count = warps as usize * 32;
        let start = |thread| (0..count).map(|other| u32::from(other == thread)).collect();
        Model {
            knows: (0..count).map(start).collect(),
            barriers: vec![vec![0; count]; 16],
            events: Vec::new(),
            bytes: vec![None; bytes as usize],
            flying: Vec::new(),
            committed: vec![0; count],
            by_lane: strictness == Strictness::Lanes,
        }
    }

    fn tick(&mut self, threads: impl Iterator<Item = usize>) {
        threads.for_each(|thread| self.knows[thread][thread] += 1);
    }

    pub(super) fn warp_sync(&mut self, warp: u32, mask: u32) {
        let mut joined = vec![0; self.knows.len()];
        threads(warp, mask).for_each(|thread| join(&mut joined, &self.knows[thread]));
        threads(warp, mask).for_each(|thread| self.knows[thread] = joined.clone());
        self.tick(threads(warp, mask));
    }

    pub(super) fn arrive(&mut self, barrier: u32, warp: u32) {
        let joined = &mut self.barriers[barrier as usize];
        threads(warp, u32::MAX).for_each(|thread| join(joined, &self.knows[thread]));
        self.tick(threads(warp, u32::MAX));
    }

    pub(super) fn release(&mut self, barrier: u32, warps: &[u32]) {
        let joined = self.barriers[barrier as usize].clone();
        for thread in warps.iter().flat_map(|warp| threads(*warp, u32::MAX)) {
            join(&mut self.knows[thread], &joined);
        }
        self.barriers[barrier as usize].fill(0);
    }

    pub(super) fn commit(&mut self, warp: u32, mask: u32) {
        threads(warp, mask).for_each(|thread| self.committed[thread] += 1);
    }

    pub(super) fn wait(&mut self, warp: u32, mask: u32, newest: Option<u32>) {
        let waits: Vec<usize> = threads(warp, mask).collect();
        let committed = self.committed.clone();
        let due = |flying: &Flying| {
            let late = |newest: u32| flying.group + newest < committed[flying.thread];
            waits.contains(&flying.thread) && newest.is_none_or(late)
        };
        for Flying { thread, site, byte, value, .. } in self.flying.extract_if(.., |flying| due(flying)) {
            self.bytes[byte as usize] = Some(value);
            let clock = self.knows[thread][thread];
            self.events.push(Event { thread, clock, site, byte, kind: Kind::Write });
        }
    }

    fn ordered(&self, event: &Event, thread: usize) -> bool {
        event.thread == thread
            || (!self.by_lane && event.thread / 32 == thread / 32)
            || event.clock <= self.knows[thread][event.thread]
    }

    /// All that is wrong with an access.
    pub(super) fn findings(&self, touch: &Touch) -> Vec<Finding> {
        let (access, mine) = (&touch.access, kind(touch.what));
        let reads = matches!(touch.what, What::Load(_) | What::Atomic);
        let mut found = Vec::new();
        for lane in lanes_of(access.mask) {
            let thread = access.warp as usize * 32 + lane;
            let mut add = |wrong, other: Option<(usize, Site, bool)>| {
                let other =
                    other.map(|(thread, site, wrote)| (thread as u32 / 32, thread as u32 % 32, site, wrote));
                found.push(Finding { wrong, lane: lane as u32, other });
            };
            let range = access.address[lane]..access.address[lane] + u64::from(access.bytes);
            let echoes = touch.what == What::Store(Order::Weak)
                && range.clone().all(|byte| self.bytes[byte as usize] == value(touch, lane, byte))
                && range.clone().all(|byte| self.in_flight(byte).is_none())
                && range.clone().all(|byte| self.echoes(byte, thread, access.site));
            for byte in range {
                if let Some(flying) = self.in_flight(byte) {
                    add(Wrong::CopyInFlight, Some((flying.thread, flying.site, true)));
                } else if reads && self.bytes[byte as usize].is_none() {
                    add(Wrong::Uninitialised, None);
                }
                let races = |event: &&Event| {
                    let strong = event.kind.is_strong() && mine.is_strong();
                    let writes = event.kind.writes() || mine.writes();
                    event.byte == byte && writes && !strong && !self.ordered(event, thread)
                };
                for event in self.events.iter().filter(races).filter(|_| !echoes) {
                    add(Wrong::Race, Some((event.thread, event.site, event.kind.writes())));
                }
                if mine == Kind::Write && (self.by_lane || touch.what == What::Copy) {
                    for other in lanes_of(access.mask).take_while(|other| *other < lane) {
                        let theirs = value(touch, other, byte);
                        if theirs.is_some() && theirs != value(touch, lane, byte) {
                            add(Wrong::Race, Some((access.warp as usize * 32 + other, access.site, true)));
                        }
                    }
                }
            }
        }
        found
    }

    /// The lanes whose store races with somebody, and only repeats what is there.
    fn silent(&self, touch: &Touch) -> u32 {
        let access = &touch.access;
        let beside = |thread: usize, byte: u64| {
            self.events.iter().any(|event| event.byte == byte && !self.ordered(event, thread))
        };
        let races = |lane: &usize| {
            let mut range = access.address[*lane]..access.address[*lane] + u64::from(access.bytes);
            range.any(|byte| beside(access.warp as usize * 32 + lane, byte))
        };
        match touch.what {
            What::Store(Order::Weak) => {
                lanes_of(access.mask).filter(races).fold(0, |set, lane| set | 1 << lane)
            }
            _ => 0,
        }
    }

    /// Whether a weak write of this byte either races with nobody, or the last write of it was by the same instruction of
    /// another warp, is not ordered, and no atomic came in between.
    fn echoes(&self, byte: u64, thread: usize, site: Site) -> bool {
        let of_byte = || self.events.iter().enumerate().filter(move |(_, event)| event.byte == byte);
        if of_byte().all(|(_, event)| self.ordered(event, thread)) {
            return true;
        }
        let Some((last, write)) = of_byte().rfind(|(_, event)| event.kind == Kind::Write) else {
            return false;
        };
        let atomic = |(index, event): (usize, &Event)| {
            index > last && event.kind == Kind::StrongWrite && !self.ordered(event, thread)
        };
        !self.ordered(write, thread)
            && write.site == site
            && write.thread / 32 != thread / 32
            && !of_byte().any(atomic)
    }

    /// A copy of whole words: any byte of the word is in flight with it.
    fn in_flight(&self, byte: u64) -> Option<&Flying> {
        self.flying.iter().find(|flying| flying.byte == byte)
    }

    /// Does what [`Model::findings`] has nothing against; gives what was read.
    pub(super) fn apply(&mut self, touch: &Touch) -> [Lanes; 4] {
        let mut out = [[7; 32]; 4];
        let silent = self.silent(touch);
        let access = &touch.access;
        for lane in lanes_of(access.mask) {
            let thread = access.warp as usize * 32 + lane;
            let range = access.address[lane]..access.address[lane] + u64::from(access.bytes);
            if matches!(touch.what, What::Load(_) | What::Atomic) {
                let old = range.clone().map(|byte| self.bytes[byte as usize].unwrap_or(0));
                let old: Vec<u8> = old.collect();
                for (word, chunk) in old.chunks(4).enumerate() {
                    let value = chunk.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
                    out[word][lane] = value;
                }
            }
            let wide =
                u64::from(out[0][lane]) | if access.bytes == 8 { u64::from(out[1][lane]) << 32 } else { 0 };
            let updated = (wide.wrapping_mul(3) + 1).to_le_bytes();
            for (index, byte) in range.enumerate() {
                let new = match touch.what {
                    What::Load(_) => None,
                    What::Atomic => Some(updated[index]),
                    What::Store(_) | What::Copy => value(touch, lane, byte),
                };
                let (site, group) = (access.site, self.committed[thread]);
                if touch.what == What::Copy {
                    self.flying.push(Flying { thread, group, site, byte, value: new.unwrap_or(0) });
                    continue;
                }
                if let Some(new) = new {
                    self.bytes[byte as usize] = Some(new);
                }
                let clock = self.knows[thread][thread];
                if silent & 1 << lane == 0 {
                    self.events.push(Event { thread, clock, site, byte, kind: kind(touch.what) });
                }
            }
        }
        out
    }
}

/// What a lane writes to a byte, if it does.
fn value(touch: &Touch, lane: usize, byte: u64) -> Option<u8> {
    let offset = byte.checked_sub(touch.access.address[lane])?;
    let word = touch.data[offset as usize / 4 % 4][lane];
    (offset < u64::from(touch.access.bytes)).then_some(word.to_le_bytes()[offset as usize % 4])
}
