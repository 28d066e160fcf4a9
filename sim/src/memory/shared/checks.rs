//! What shared memory has against an access, and the record of one against which it has nothing.
//!
//! Whole words, and quads of them, go through cells that decide at once; whatever these cannot decide, and all parts of words,
//! atomics and strong accesses, through the shadow, word by word. A store is first judged for all lanes, then recorded.

use super::cell::{Meaning, Now};
use super::flight::{Agent, Issuer};
use super::shadow::Objection;
use super::{Shared, fault};
use crate::check::{Fault, Party, Wrong};
use crate::memory::history::Kind;
use crate::memory::lanes::{Shape, bytes_of, clash, groups_of, lanes_of, low_bits};
use crate::memory::{Access, Lanes, Order};

/// What an instruction does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Does {
    Read,
    Write,
    Atomic,
}

impl Does {
    pub(super) fn kind(self, access: &Access) -> Kind {
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

impl Shared {
    pub(super) fn check_store(&mut self, now: &Now, access: &Access, data: &[Lanes; 4]) -> Result<(), Fault> {
        match (access.bytes, access.order) {
            (_, Order::Strong) | (1 | 2, _) => {
                if now.by_lane && access.order != Order::Strong {
                    self.no_clash(access, data)?;
                }
                self.check_parts(now, access, Does::Write)
            }
            (4, _) => self.check_write::<1>(now, access, data),
            (8, _) => self.check_write::<2>(now, access, data),
            _ => self.check_quads_write(now, access, data),
        }
    }

    /// The lanes whose store only repeats what another warp's lane stored by the same instruction: the same values to the
    /// same bytes. Compilers that hold copies of one number in several warps let each of them write it.
    pub(super) fn echoes(&self, now: &Now, access: &Access, data: &[Lanes; 4]) -> u32 {
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

    /// Checks and records a read of quads of words.
    pub(super) fn check_quads_read(&mut self, now: &Now, access: &Access) -> Result<(), Fault> {
        for (lane, quad) in quads_of(access) {
            if !self.shadow.quad(quad).read_at_once(now, 1 << lane) {
                self.check_quad(now, access, lane, quad, Does::Read)?;
                self.shadow.read_quad(now, lane, quad);
            }
        }
        Ok(())
    }

    /// Checks and records a write of quads of words, in the order of [`Shared::check_write`].
    fn check_quads_write(&mut self, now: &Now, access: &Access, data: &[Lanes; 4]) -> Result<(), Fault> {
        quads_of(access).try_for_each(|(lane, quad)| self.check_quad_write(now, access, lane, quad))?;
        let mut beside = false;
        for (lane, quad) in quads_of(access) {
            beside |= self.shadow.write_quad(now, lane, quad);
        }
        if beside && now.by_lane { self.no_clash(access, data) } else { Ok(()) }
    }

    /// Checks a write of four words.
    #[inline]
    pub(super) fn check_quad_write(
        &self,
        now: &Now,
        access: &Access,
        lane: u32,
        quad: usize,
    ) -> Result<(), Fault> {
        if self.shadow.quad_is_old(now, quad) {
            return Ok(());
        }
        self.check_quad(now, access, lane, quad, Does::Write)
    }

    /// Checks a weak access to four words, word by word.
    fn check_quad(
        &self,
        now: &Now,
        access: &Access,
        lane: u32,
        quad: usize,
        does: Does,
    ) -> Result<(), Fault> {
        for word in 4 * quad..4 * quad + 4 {
            let objection = self.shadow.objection(now, lane, word, 0xf, does.kind(access), does.reads());
            if let Some(objection) = objection {
                return Err(self.fault(access, lane, word, does.writes(), objection));
            }
        }
        Ok(())
    }

    /// Checks and records a read of one or two words a lane.
    pub(super) fn check_read<const WORDS: usize>(&mut self, now: &Now, access: &Access) -> Result<(), Fault> {
        let mut left = access.mask;
        let start = access.address[0] as usize / 4;
        if Shape::of(access) == Shape::Run
            && self.shadow.are_whole(start, 32 * WORDS, |whole| whole.is_settled(now.floor))
        {
            self.shadow.note(now, start, 32 * WORDS, false);
            let cells = self.shadow.words(start, 32 * WORDS);
            for (lane, cells) in cells.chunks_exact_mut(WORDS).enumerate() {
                let done = cells.iter_mut().fold(true, |done, cell| done & cell.read_at_once(now, 1 << lane));
                left &= !(u32::from(done) << lane);
            }
        }
        for (lane, mut lanes) in groups_of(&Access { mask: left, ..*access }) {
            let start = access.address[lane] as usize / 4;
            // What holds up the first of them may be out of the way then.
            while lanes != 0 && !self.shadow.read_words_at_once(now, start, WORDS, lanes) {
                for word in start..start + WORDS {
                    self.check_part(now, access, lanes.trailing_zeros(), word, 0xf, Does::Read)?;
                }
                lanes &= lanes - 1;
            }
        }
        Ok(())
    }

    /// Checks and records a write of one or two words a lane: first that nobody stands in its way, then that lanes which
    /// write the same bytes write the same values.
    pub(super) fn check_write<const WORDS: usize>(
        &mut self,
        now: &Now,
        access: &Access,
        data: &[Lanes; 4],
    ) -> Result<(), Fault> {
        let start = access.address[0] as usize / 4;
        if Shape::of(access) == Shape::Run
            && self.shadow.are_whole(start, 32 * WORDS, |whole| whole.is_old(now.floor))
        {
            let cells = self.shadow.words(start, 32 * WORDS);
            if cells.iter().all(|cell| cell.is_old(now.floor)) {
                for (word, cell) in cells.iter_mut().enumerate() {
                    cell.set_written(0xf);
                    cell.write(now, (word / WORDS) as u32);
                }
                self.shadow.note(now, start, 32 * WORDS, true);
                return Ok(());
            }
        }
        for lane in lanes_of(access.mask) {
            let start = access.address[lane] as usize / 4;
            if self.shadow.are_old(now, start, WORDS) {
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
            self.shadow.note(now, start, WORDS, true);
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
    pub(super) fn check_parts(&mut self, now: &Now, access: &Access, does: Does) -> Result<(), Fault> {
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

    pub(super) fn check_part(
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
    pub(super) fn no_clash(&self, access: &Access, data: &[Lanes; 4]) -> Result<(), Fault> {
        let Some((lane, other)) = clash(access, data) else { return Ok(()) };
        let party = Party { block: self.block, warp: access.warp, lane: other as u32, site: access.site };
        Err(Fault {
            other: Some((party, true)),
            detail: "two lanes of one instruction write different values to the same bytes".into(),
            ..fault(access, lane as u32, Wrong::Race, true)
        })
    }

    /// Says what is wrong, and who else was there.
    pub(super) fn fault(
        &self,
        access: &Access,
        lane: u32,
        word: usize,
        writes: bool,
        objection: Objection,
    ) -> Fault {
        let (wrong, mut other) = objection;
        let mut detail = "";
        match wrong {
            Wrong::CopyInFlight => {
                if let Some(Issuer { agent, warp, lane, site, committed }) = self.flights.issuer(word) {
                    other = Some((Party { block: self.block, warp, lane, site }, true));
                    detail = match (agent, committed) {
                        (Agent::CpAsync, true) => {
                            "the copy's group is committed, and its thread has not waited for it"
                        }
                        (Agent::CpAsync, false) => {
                            "the copy belongs to no committed group yet: cp.async.commit_group comes first"
                        }
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
}

/// Lane and word of all that an access of whole words touches.
pub(super) fn words_of<'a>(access: &'a Access) -> impl Iterator<Item = (u32, usize)> + use<'a> {
    parts_of(access).map(|(lane, word, _)| (lane, word))
}

/// Lane and quad of all that an access of 16 bytes touches.
#[inline]
pub(super) fn quads_of<'a>(access: &'a Access) -> impl Iterator<Item = (u32, usize)> + use<'a> {
    lanes_of(access.mask).map(|lane| (lane as u32, access.address[lane] as usize / 16))
}

/// Lane, word and bytes of it (a bit each) of all that an access touches.
pub(super) fn parts_of<'a>(access: &'a Access) -> impl Iterator<Item = (u32, usize, u32)> + use<'a> {
    let words = access.bytes.div_ceil(4) as usize;
    lanes_of(access.mask).flat_map(move |lane| {
        let address = access.address[lane];
        let bytes = bytes_of(address, access.bytes);
        (0..words).map(move |word| (lane as u32, address as usize / 4 + word, bytes))
    })
}
