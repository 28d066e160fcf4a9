//! The reference: every access of the launch, byte by byte, and what each warp knows of those of its block.

use super::What;
use crate::check::{Fault, Site, Wrong};
use crate::memory::lanes::lanes_of;
use crate::memory::{Access, Lanes, Order};

/// A fault, as far as it is prescribed. The party: block, warp, and whether it wrote; of a writer also lane and site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Finding {
    wrong: Wrong,
    lane: u32,
    other: Option<Other>,
}

type Other = (u64, u32, bool, Option<(u32, Site)>);

impl Finding {
    pub(super) fn of(fault: &Fault) -> Finding {
        let other = fault.other.map(|(party, wrote)| {
            (party.block, party.warp, wrote, wrote.then_some((party.lane, party.site)))
        });
        Finding { wrong: fault.wrong, lane: fault.lane, other }
    }

    /// Of many readers and of lanes that touch one word together, one stands for the others.
    pub(super) fn is_met_by(&self, found: &Finding) -> bool {
        let block = |finding: &Finding| finding.other.map(|(block, _, wrote, _)| (block, wrote));
        let warp = |finding: &Finding| finding.other.map(|(_, warp, ..)| warp);
        let wrote = self.other.is_some_and(|(_, _, wrote, _)| wrote);
        let constant_read = self.wrong == Wrong::ReadOnly && !wrote;
        self.wrong == found.wrong
            && (block(self) == block(found) || constant_read)
            && (!wrote || warp(self) == warp(found))
            && (self.wrong != Wrong::Uninitialised || self.lane == found.lane)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Event {
    block: u64,
    warp: u32,
    lane: u32,
    clock: u32,
    site: Site,
    byte: u64,
    writes: bool,
    order: Order,
}

#[derive(Default)]
pub(super) struct Model {
    /// By block, warp, warp.
    knows: Vec<Vec<Vec<u32>>>,
    events: Vec<Event>,
    pub(super) bytes: Vec<Option<u8>>,
}

impl Model {
    pub(super) fn new(blocks: usize, warps: usize, bytes: usize) -> Model {
        let start = |warp| (0..warps).map(|other| u32::from(other == warp)).collect();
        let block: Vec<Vec<u32>> = (0..warps).map(start).collect();
        Model { knows: vec![block; blocks], events: Vec::new(), bytes: vec![None; bytes] }
    }

    pub(super) fn barrier(&mut self, block: usize, warps: &[u32]) {
        let knows = &mut self.knows[block];
        let most = |other: usize| warps.iter().map(|warp| knows[*warp as usize][other]).max().unwrap_or(0);
        let joined: Vec<u32> = (0..knows.len()).map(most).collect();
        for &warp in warps {
            knows[warp as usize].clone_from(&joined);
            knows[warp as usize][warp as usize] += 1;
        }
    }

    /// All that is wrong with an access, whose addresses count from the start of the allocation.
    pub(super) fn findings(
        &self,
        block: u64,
        access: &Access,
        data: &[Lanes; 4],
        what: What,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        let writes = what != What::Load;
        for lane in lanes_of(access.mask) {
            for byte in access.address[lane]..access.address[lane] + u64::from(access.bytes) {
                let mut add = |wrong, other: Option<&Event>| {
                    let other = other.map(|event| {
                        let exact = event.writes.then_some((event.lane, event.site));
                        (event.block, event.warp, event.writes, exact)
                    });
                    found.push(Finding { wrong, lane: lane as u32, other });
                };
                if what != What::Store && self.bytes[byte as usize].is_none() {
                    add(Wrong::Uninitialised, None);
                }
                for event in self.events.iter().filter(|event| event.byte == byte && (event.writes || writes))
                {
                    let ordered = event.block == block
                        && (event.warp == access.warp
                            || event.clock
                                <= self.knows[block as usize][access.warp as usize][event.warp as usize]);
                    let constant = event.order == Order::Constant || access.order == Order::Constant;
                    let strong = event.order == Order::Strong
                        && (access.order == Order::Strong || what == What::Atomic);
                    if constant {
                        add(Wrong::ReadOnly, Some(event));
                    }
                    if !ordered && !strong {
                        add(Wrong::Race, Some(event));
                    }
                }
            }
        }
        if what == What::Store && access.order != Order::Strong {
            found.extend(clashes(block, access, data));
        }
        found
    }

    /// Does what [`Model::findings`] has nothing against; gives what was read.
    pub(super) fn apply(&mut self, block: u64, access: &Access, data: &[Lanes; 4], what: What) -> [Lanes; 4] {
        let mut out = [[7; 32]; 4];
        let clock = self.knows[block as usize][access.warp as usize][access.warp as usize];
        for lane in lanes_of(access.mask) {
            let range = access.address[lane]..access.address[lane] + u64::from(access.bytes);
            let old: Vec<u8> = range.clone().map(|byte| self.bytes[byte as usize].unwrap_or(0)).collect();
            if what != What::Store {
                for (word, chunk) in old.chunks(4).enumerate() {
                    out[word][lane] = chunk.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
                }
            }
            let wide = old.iter().take(8).rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
            let updated = (wide.wrapping_mul(3) + 1).to_le_bytes();
            for (index, byte) in range.enumerate() {
                match what {
                    What::Load => {}
                    What::Store => self.bytes[byte as usize] = Some(value(data, lane, index)),
                    What::Atomic => self.bytes[byte as usize] = Some(updated[index]),
                }
                let order = if what == What::Atomic { Order::Strong } else { access.order };
                let (warp, site, lane) = (access.warp, access.site, lane as u32);
                let event = Event { block, warp, lane, clock, site, byte, writes: what != What::Load, order };
                if !self.events.contains(&event) {
                    self.events.push(event);
                }
            }
        }
        out
    }
}

fn value(data: &[Lanes; 4], lane: usize, index: usize) -> u8 {
    data[index / 4][lane].to_le_bytes()[index % 4]
}

fn clashes(block: u64, access: &Access, data: &[Lanes; 4]) -> Vec<Finding> {
    let mut found = Vec::new();
    for lane in lanes_of(access.mask) {
        for other in lanes_of(access.mask).take_while(|other| *other < lane) {
            let same = access.address[lane] == access.address[other];
            if same && (0..access.bytes as usize).any(|i| value(data, lane, i) != value(data, other, i)) {
                let exact = Some((other as u32, access.site));
                let other = Some((block, access.warp, true, exact));
                found.push(Finding { wrong: Wrong::Race, lane: lane as u32, other });
            }
        }
    }
    found
}
