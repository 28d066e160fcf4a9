//! What global memory has against the accesses of a warp, and the records of those against which it has nothing.
//!
//! ```text
//! what is touched, by sectors      [16 .. 32) of one: by words    [32 .. 64), [64 .. 96): whole    [96 .. 112): by words
//! recorded, a fence, judged by the records of sectors and of words
//! ```
//!
//! A write is judged before it is recorded too, since its record may take the place of what it races with. Where one thread
//! runs all blocks there is nobody to be told in time, and all is judged once.

use super::page::PAGE;
use super::trace::{Cell, Now, Objection, Outcome};
use super::view::{Touch, View, fault};
use crate::check::{Fault, Wrong};
use crate::memory::clock::Clocks;
use crate::memory::history::{History, Kind};
use crate::memory::{Access, Order, Strictness};
use std::sync::PoisonError;
use std::sync::atomic::{Ordering::SeqCst, fence};

/// What all of an access has in common.
struct Judge<'a> {
    now: Now<'a>,
    access: &'a Access<'a>,
    kind: Kind,
    /// Whether it counts as a write in messages; an atomic does.
    writes: bool,
    constant: bool,
}

/// A word that an access touches.
#[derive(Clone, Copy)]
struct Word<'a> {
    cell: &'a Cell,
    address: u64,
    /// The first lane.
    lane: u32,
    /// A bit each.
    bytes: u32,
}

impl<'a> Touch<'a> {
    /// Frees the words of the sector of what an earlier launch left.
    fn clear(&self) {
        let first = (self.start % PAGE) as usize / 4;
        self.page.trace()[first..first + 8].iter().for_each(Cell::clear);
    }

    fn words(&self) -> impl Iterator<Item = Word<'a>> + use<'a> {
        let Touch { page, start, bytes, lanes, .. } = *self;
        let cells = &page.trace()[(start % PAGE) as usize / 4..];
        let mut left = bytes;
        std::iter::from_fn(move || {
            let word = left.trailing_zeros() as usize / 4;
            let cell = cells.get(word)?;
            if left == 0 {
                return None;
            }
            let bytes = left >> (4 * word) & 0xf;
            left &= !(0xf << (4 * word));
            let lane = (lanes >> (8 * word)) as u32 & 31;
            Some(Word { cell, address: start + 4 * word as u64, lane, bytes })
        })
    }
}

impl View<'_> {
    /// Judges and records what an access touches.
    pub(super) fn check(
        &mut self,
        clocks: &Clocks,
        access: &Access,
        kind: Kind,
        writes: bool,
    ) -> Result<(), Fault> {
        if self.launch.strictness == Strictness::Bounds {
            return Ok(());
        }
        let now = Now::new(clocks, self.block as u32, access.warp, access.site);
        let judge = Judge { now, access, kind, writes, constant: access.order == Order::Constant };
        let mut stored = false;
        for touch in &self.touched {
            if writes || self.launch.alone {
                self.judge(&judge, touch)?;
            }
            stored |= self.record(&judge, touch)?;
        }
        if self.launch.alone {
            return Ok(());
        }
        if stored {
            fence(SeqCst);
        }
        self.touched.iter().try_for_each(|touch| self.judge(&judge, touch))
    }

    /// Records what is touched of a sector; whether something was stored.
    #[inline]
    fn record(&self, judge: &Judge, touch: &Touch) -> Result<bool, Fault> {
        let sector = touch.page.sector(touch.start);
        let whole = touch.bytes == u32::MAX && touch.is_row;
        if whole && judge.kind == Kind::Write {
            sector.write(&judge.now, touch.row);
            return Ok(true);
        }
        if whole && judge.kind == Kind::Read {
            let outcome = sector.read(&judge.now, touch.row, judge.constant);
            if outcome != Outcome::Wide {
                return Ok(outcome == Outcome::Stored);
            }
        }
        let mut stored = sector.note_parts(judge.writes || judge.kind.is_strong(), || touch.clear());
        for word in touch.words() {
            stored |= self.record_word(judge, &word)?;
        }
        Ok(stored)
    }

    #[inline]
    fn record_word(&self, judge: &Judge, word: &Word) -> Result<bool, Fault> {
        let (now, Word { cell, lane, bytes, .. }) = (&judge.now, *word);
        let outcome = match judge.kind {
            Kind::Read => cell.read(now, lane, bytes, judge.constant),
            Kind::Write => cell.write(now, lane, bytes),
            _ => Outcome::Wide,
        };
        if outcome == Outcome::Wide {
            let objection = self.with_history(word.address, |history| {
                cell.record_wide(history, now, lane, bytes, judge.kind, judge.constant)
            });
            if let Some(objection) = objection {
                return Err(self.fault(judge, lane, word.address, objection));
            }
        }
        Ok(outcome != Outcome::Known)
    }

    /// Judges what is touched of a sector by all records that there are.
    #[inline]
    fn judge(&self, judge: &Judge, touch: &Touch) -> Result<(), Fault> {
        let (sector, place) = (touch.page.sector(touch.start), touch.bytes.trailing_zeros());
        if let Some(objection) = sector.objection(&judge.now, place, judge.writes, judge.constant) {
            let lane = (touch.lanes >> (place / 4 * 8)) as u32 & 31;
            return Err(self.fault(judge, lane, touch.start + u64::from(place), objection));
        }
        // Strong accesses are in histories, which have judged them.
        if judge.kind.is_strong() || !sector.has_parts(judge.writes) {
            return Ok(());
        }
        touch.words().try_for_each(|word| self.judge_word(judge, &word))
    }

    #[inline]
    fn judge_word(&self, judge: &Judge, word: &Word) -> Result<(), Fault> {
        let Word { cell, address, lane, bytes } = *word;
        if cell.is_clear() {
            return Ok(());
        }
        let objection = cell.objection(&judge.now, bytes, judge.writes, judge.constant).or_else(|| {
            let told = |history: &mut History| judge.objection_of(history, lane, bytes);
            if cell.is_wide() { self.with_history(address, told) } else { None }
        });
        objection.map_or(Ok(()), |objection| Err(self.fault(judge, lane, address, objection)))
    }

    /// Does something with the history of a word, under its lock.
    fn with_history<T>(&self, address: u64, work: impl FnOnce(&mut History) -> T) -> T {
        let mut histories =
            self.launch.global.histories(address).lock().unwrap_or_else(PoisonError::into_inner);
        work(histories.entry(address).or_default())
    }

    fn fault(&self, judge: &Judge, lane: u32, address: u64, objection: Objection) -> Fault {
        let (wrong, other) = objection;
        let elsewhere = other.is_some_and(|(party, _)| party.block != self.block);
        let detail = match wrong {
            Wrong::ReadOnly => "what ld.global.nc reads, nobody may write during the launch",
            _ if elsewhere => "blocks run in any order, and no barrier orders them: only atomics may meet",
            _ => "",
        };
        let place = self.launch.global.holder(address, 1).map(|a| format!("in {a}"));
        let detail = [detail, place.as_deref().unwrap_or_default()];
        let detail = detail.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
        Fault { other, detail, ..fault(judge.access, lane as usize, wrong, judge.writes) }
    }
}

impl Judge<'_> {
    /// What a word's history has against the access.
    fn objection_of(&self, history: &History, lane: u32, bytes: u32) -> Option<Objection> {
        if self.constant
            && let Some(other) = history.writer(bytes as u8)
        {
            return Some((Wrong::ReadOnly, Some((other, true))));
        }
        let other = history.race(&self.now.actor(lane), self.kind, bytes as u8)?;
        Some((Wrong::Race, Some(other)))
    }
}
