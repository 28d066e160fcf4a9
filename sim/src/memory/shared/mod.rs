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
mod flight;
mod shadow;
#[cfg(test)]
mod tests;

use self::cell::{Meaning, Now};
use self::flight::{Flights, Issuer, Wait};
use self::shadow::{Objection, Shadow};
use super::clock::Clocks;
use super::history::Kind;
use super::lanes::{Shape, bytes_of, clash, lanes_of, low_bits};
use super::{Access, Lanes, Order, Strictness, Traffic, banks};
use crate::check::{Fault, Party, Wrong};

/// The sites that a compact record can name; a kernel has fewer instructions.
const SITES: u32 = 1 << 22;

/// Who moves data asynchronously.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Agent {
    /// `cp.async`: the thread's own, in the generic proxy, completed by its groups.
    CpAsync,
}

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
                _ => self.check_read::<4>(&now, access)?,
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

    fn check_store(&mut self, now: &Now, access: &Access, data: &[Lanes; 4]) -> Result<(), Fault> {
        match (access.bytes, access.order) {
            (_, Order::Strong) | (1 | 2, _) => {
                if now.by_lane && access.order != Order::Strong {
                    self.no_clash(access, data)?;
                }
                self.check_parts(now, access, Does::Write)
            }
            (4, _) => self.check_write::<1>(now, access, data),
            (8, _) => self.check_write::<2>(now, access, data),
            _ => self.check_write::<4>(now, access, data),
        }
    }

    /// The lanes whose store only repeats what another warp's lane stored by the same instruction: the same values to the
    /// same bytes. Compilers that hold copies of one number in several warps let each of them write it.
    fn echoes(&self, now: &Now, access: &Access, data: &[Lanes; 4]) -> u32 {
        let mut there = [[0; 32]; 4];
        self.fetch(access, &mut there);
        let words = access.bytes.div_ceil(4) as usize;
        let repeats = |lane: usize| {
            let mut rows = there.iter().zip(data).take(words);
            rows.all(|(there, data)| (there[lane] ^ data[lane]) & low_bits(access.bytes) == 0)
        };
        let (mut echoes, mut others) = (0, 0);
        for (lane, word, bytes) in parts_of(access) {
            if self.shadow.objection(now, lane, word, bytes, Kind::Write, false).is_none() {
                continue;
            }
            if repeats(lane as usize) && self.shadow.echoes(now, lane, word, bytes) {
                echoes |= 1 << lane;
            } else {
                others |= 1 << lane;
            }
        }
        echoes & !others
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
        let now = self.now(clocks, access);
        for (lane, word) in words_of(access) {
            if let Some(objection) = self.shadow.objection(&now, lane, word, 0xf, Kind::Write, false) {
                return Err(self.fault(access, lane, word, true, objection));
            }
        }
        let mut doubled = false;
        for (_, word) in words_of(access) {
            if self.shadow.word(word).meaning() == Meaning::Flight && !doubled {
                doubled = true;
                self.no_clash(access, data)?;
            }
            self.shadow.depart(word);
        }
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
            let rest = Access { mask: flying, ..access };
            for (lane, word) in words_of(&access) {
                if copy.doubled && words_of(&rest).any(|(_, other)| other == word) {
                    continue;
                }
                if copy.doubled && self.shadow.word(word).meaning() != Meaning::Flight {
                    self.shadow.record(&now, lane, word, 0xf, Kind::Write);
                } else {
                    self.shadow.land(&now, lane, word);
                }
            }
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
        let found = match Shape::of(access) {
            // The first and the last speak for those between.
            Shape::Run | Shape::Same if !wrong(&0) && !wrong(&31) => None,
            _ => lanes_of(access.mask).find(wrong),
        };
        let Some(lane) = found else { return Ok(()) };
        let inside = last.is_some_and(|last| access.address[lane] <= last);
        let (wrong, detail) = if inside {
            (Wrong::Misaligned, String::new())
        } else {
            (Wrong::OutOfBounds, format!("the block has {} bytes of shared memory", self.bytes))
        };
        Err(Fault { detail, ..fault(access, lane as u32, wrong, writes) })
    }

    /// Checks and records a read of whole words.
    fn check_read<const WORDS: usize>(&mut self, now: &Now, access: &Access) -> Result<(), Fault> {
        for lane in lanes_of(access.mask) {
            let start = access.address[lane] as usize / 4;
            let lane = lane as u32;
            let mut thought = 0;
            for (word, cell) in self.shadow.words(start, WORDS).iter_mut().enumerate() {
                thought |= u32::from(!cell.read_at_once(now, lane)) << word;
            }
            for word in lanes_of(thought) {
                self.check_part(now, access, lane, start + word, 0xf, Does::Read)?;
            }
        }
        Ok(())
    }

    /// Checks and records a write of whole words: first that nobody stands in its way, then that lanes which write the same
    /// bytes write the same values.
    fn check_write<const WORDS: usize>(
        &mut self,
        now: &Now,
        access: &Access,
        data: &[Lanes; 4],
    ) -> Result<(), Fault> {
        for lane in lanes_of(access.mask) {
            let start = access.address[lane] as usize / 4;
            let floor = now.floor;
            if self.shadow.words(start, WORDS).iter().all(|cell| cell.is_old(floor)) {
                continue;
            }
            for word in start..start + WORDS {
                let objection = self.shadow.objection(now, lane as u32, word, 0xf, Kind::Write, false);
                if let Some(objection) = objection {
                    return Err(self.fault(access, lane as u32, word, true, objection));
                }
            }
        }
        let mut compared = !now.by_lane;
        for lane in lanes_of(access.mask) {
            let start = access.address[lane] as usize / 4;
            let lane = lane as u32;
            let mut thought = 0;
            for (word, cell) in self.shadow.words(start, WORDS).iter_mut().enumerate() {
                if cell.meaning() == Meaning::Compact && !cell.written_beside(now, lane) {
                    cell.set_written(0xf);
                    cell.write(now, lane);
                } else {
                    thought |= 1 << word;
                }
            }
            for word in lanes_of(thought) {
                if !std::mem::replace(&mut compared, true) {
                    self.no_clash(access, data)?;
                }
                self.shadow.record(now, lane, start + word, 0xf, Kind::Write);
            }
        }
        Ok(())
    }

    /// Checks and records any access, word by word and part by part.
    fn check_parts(&mut self, now: &Now, access: &Access, does: Does) -> Result<(), Fault> {
        let kind = does.kind(access);
        if kind == Kind::Read {
            for (lane, word, bytes) in parts_of(access) {
                if !self.shadow.read_at_once(now, lane, word, bytes) {
                    self.check_part(now, access, lane, word, bytes, does)?;
                }
            }
            return Ok(());
        }
        for (lane, word, bytes) in parts_of(access) {
            if self.shadow.is_old(now, word, bytes) && !does.reads() {
                continue;
            }
            if let Some(objection) = self.shadow.objection(now, lane, word, bytes, kind, does.reads()) {
                return Err(self.fault(access, lane, word, does.writes(), objection));
            }
        }
        for (lane, word, bytes) in parts_of(access) {
            if kind != Kind::Write || !self.shadow.write_at_once(now, lane, word, bytes) {
                self.shadow.record(now, lane, word, bytes, kind);
            }
        }
        Ok(())
    }

    fn check_part(
        &mut self,
        now: &Now,
        access: &Access,
        lane: u32,
        word: usize,
        bytes: u32,
        does: Does,
    ) -> Result<(), Fault> {
        let kind = does.kind(access);
        if let Some(objection) = self.shadow.objection(now, lane, word, bytes, kind, does.reads()) {
            return Err(self.fault(access, lane, word, does.writes(), objection));
        }
        self.shadow.record(now, lane, word, bytes, kind);
        Ok(())
    }

    /// Lanes of one instruction that write the same bytes write the same values.
    fn no_clash(&self, access: &Access, data: &[Lanes; 4]) -> Result<(), Fault> {
        let Some((lane, other)) = clash(access, data) else { return Ok(()) };
        let party = Party { block: self.block, warp: access.warp, lane: other as u32, site: access.site };
        Err(Fault {
            other: Some((party, true)),
            detail: "two lanes of one instruction write different values to the same bytes".into(),
            ..fault(access, lane as u32, Wrong::Race, true)
        })
    }

    /// Says what is wrong, and who else was there.
    fn fault(&self, access: &Access, lane: u32, word: usize, writes: bool, objection: Objection) -> Fault {
        let (wrong, mut other) = objection;
        let mut detail = "";
        match wrong {
            Wrong::CopyInFlight => {
                if let Some(Issuer { warp, lane, site, committed }) = self.flights.issuer(word) {
                    other = Some((Party { block: self.block, warp, lane, site }, true));
                    detail = if committed {
                        "the copy's group is committed, and its thread has not waited for it"
                    } else {
                        "the copy belongs to no committed group yet: cp.async.commit_group comes first"
                    };
                }
            }
            Wrong::Race if other.is_some_and(|(party, _)| party.warp == access.warp) => {
                detail = "two lanes of one warp may run in any order: bar.warp.sync (__syncwarp) orders them";
            }
            Wrong::Uninitialised => detail = "nobody in this block wrote all of these bytes",
            _ => {}
        }
        Fault { other, detail: detail.into(), ..fault(access, lane, wrong, writes) }
    }

    /// Moves data from memory; the access is in bounds.
    fn fetch(&self, access: &Access, out: &mut [Lanes; 4]) {
        match access.bytes {
            4 => self.fetch_words::<1>(access, out),
            8 => self.fetch_words::<2>(access, out),
            16 => self.fetch_words::<4>(access, out),
            bytes => {
                for lane in lanes_of(access.mask) {
                    let address = access.address[lane];
                    let word = self.data[address as usize / 4] >> (8 * (address & 3));
                    out[0][lane] = word & (low_bits(bytes));
                }
            }
        }
    }

    fn fetch_words<const WORDS: usize>(&self, access: &Access, out: &mut [Lanes; 4]) {
        if WORDS == 1 && Shape::of(access) == Shape::Run {
            let start = access.address[0] as usize / 4;
            out[0].copy_from_slice(&self.data[start..start + 32]);
            return;
        }
        for lane in lanes_of(access.mask) {
            let start = access.address[lane] as usize / 4;
            for (word, value) in self.data[start..start + WORDS].iter().enumerate() {
                out[word][lane] = *value;
            }
        }
    }

    /// Moves data to memory; the access is in bounds.
    fn put(&mut self, access: &Access, data: &[Lanes]) {
        let words = access.bytes as usize / 4;
        for lane in lanes_of(access.mask) {
            let address = access.address[lane];
            let start = address as usize / 4;
            if words == 0 {
                let shift = 8 * (address as u32 & 3);
                let mask = low_bits(access.bytes) << shift;
                let cell = &mut self.data[start];
                *cell = *cell & !mask | data[0][lane] << shift & mask;
                continue;
            }
            for (word, value) in self.data[start..start + words].iter_mut().enumerate() {
                *value = data[word][lane];
            }
        }
    }
}

/// What an instruction does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Does {
    Read,
    Write,
    Atomic,
}

impl Does {
    fn kind(self, access: &Access) -> Kind {
        match self {
            Does::Read => Kind::read(access.order),
            Does::Write => Kind::write(access.order),
            Does::Atomic => Kind::StrongWrite,
        }
    }

    fn reads(self) -> bool {
        self != Does::Write
    }

    fn writes(self) -> bool {
        self != Does::Read
    }
}

fn traffic(access: &Access) -> Traffic {
    let (wavefronts, least_wavefronts) = banks::wavefronts(access);
    Traffic { wavefronts, least_wavefronts, sectors: 0 }
}

/// Lane and word of all that an access of whole words touches.
fn words_of<'a>(access: &'a Access) -> impl Iterator<Item = (u32, usize)> + use<'a> {
    parts_of(access).map(|(lane, word, _)| (lane, word))
}

/// Lane, word and bytes of it (a bit each) of all that an access touches.
fn parts_of<'a>(access: &'a Access) -> impl Iterator<Item = (u32, usize, u32)> + use<'a> {
    let words = access.bytes.div_ceil(4) as usize;
    lanes_of(access.mask).flat_map(move |lane| {
        let address = access.address[lane];
        let bytes = bytes_of(address, access.bytes);
        (0..words).map(move |word| (lane as u32, address as usize / 4 + word, bytes))
    })
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
