//! What happened to each byte of shared memory.
//!
//! Accesses of 16 bytes have records of their own, for [`Quad`]s of words; see there how the two kinds live side by side.
//! A word has a compact [`Cell`]. The first access to a part of it gives its four bytes cells of their own, until the whole
//! word is written again or nothing about it matters any more. A cell that cannot say what happened points to a [`History`].
//!
//! ```text
//! quads   [words 0..4 | words 4..8 | ...]
//! cells   [word 0 | word 1 | ... | word n | bytes of word 7 | bytes of word 2 | ...]
//!                    |  Split(n + 4) ----------------------------^
//! ```

use super::cell::{Cell, Meaning, Now};
use super::quad::{Quad, bytes_of_quad};
use crate::check::{Party, Wrong};
use crate::memory::history::{Entry, History, Kind};

/// The records of a block's shared memory.
#[derive(Clone, Default, Debug)]
pub(super) struct Shadow {
    /// By word, as many as make whole quads; behind them, in fours, by byte.
    cells: Vec<Cell>,
    pub(super) quads: Vec<Quad>,
    /// Where fours are free.
    parts: Vec<usize>,
    histories: Vec<History>,
    /// Histories that are free.
    spare: Vec<usize>,
}

/// What is wrong with an access: the fault, and the other party, with whether it wrote.
pub(super) type Objection = (Wrong, Option<(Party, bool)>);

impl Shadow {
    pub(super) fn new(words: usize) -> Shadow {
        let quads = words.div_ceil(4);
        Shadow {
            cells: vec![Cell::default(); 4 * quads],
            quads: vec![Quad::default(); quads],
            ..Shadow::default()
        }
    }

    /// Nothing happened yet.
    pub(super) fn reset(&mut self) {
        self.cells.truncate(4 * self.quads.len());
        for (quad, cells) in self.quads.iter_mut().zip(self.cells.chunks_exact_mut(4)) {
            if quad.has_parts() {
                cells.fill(Cell::default());
            }
            *quad = Quad::default();
        }
        self.parts.clear();
        self.histories.iter_mut().for_each(|history| history.entries.clear());
        self.spare = (0..self.histories.len()).collect();
    }

    /// The records of some words.
    #[inline]
    pub(super) fn words(&mut self, start: usize, count: usize) -> &mut [Cell] {
        &mut self.cells[start..start + count]
    }

    pub(super) fn word(&mut self, word: usize) -> &mut Cell {
        &mut self.cells[word]
    }

    /// Whether all of the quads that some words are of, apart from accesses to part of them, are as told.
    #[inline]
    pub(super) fn are_whole(&self, start: usize, count: usize, told: impl Fn(&Cell) -> bool) -> bool {
        self.quads[start / 4..(start + count).div_ceil(4)].iter().all(|quad| told(&quad.whole))
    }

    /// Notes an access to some words with their quads.
    #[inline]
    pub(super) fn note(&mut self, now: &Now, start: usize, count: usize, writes: bool) {
        let end = start + count;
        for (index, quad) in self.quads.iter_mut().enumerate().take(end.div_ceil(4)).skip(start / 4) {
            let (first, last) = (start.max(4 * index), end.min(4 * index + 4));
            quad.note(now, writes, bytes_of_quad(first, (1 << (4 * (last - first))) - 1));
        }
    }

    /// A read of neighbouring words of one quad that needs no thought; see [`Cell::read_at_once`].
    #[inline]
    pub(super) fn read_words_at_once(&mut self, now: &Now, start: usize, count: usize, lanes: u32) -> bool {
        let quad = &mut self.quads[start / 4];
        if !quad.whole.is_settled(now.floor) {
            return false;
        }
        quad.note(now, false, 0);
        let cells = &mut self.cells[start..start + count];
        cells.iter_mut().fold(true, |done, cell| done & cell.read_at_once(now, lanes))
    }

    /// Whether nobody was at neighbouring words of one quad since everyone last met.
    #[inline]
    pub(super) fn are_old(&self, now: &Now, start: usize, count: usize) -> bool {
        let cells = &self.cells[start..start + count];
        self.quads[start / 4].whole.is_old(now.floor) && cells.iter().all(|cell| cell.is_old(now.floor))
    }

    /// The cells of neighbouring bytes (a bit each), if the word has such.
    #[inline]
    fn parts(&mut self, word: usize, bytes: u32) -> Option<&mut [Cell]> {
        let Meaning::Split(start) = self.cells[word].meaning() else { return None };
        let first = start + bytes.trailing_zeros() as usize;
        Some(&mut self.cells[first..first + bytes.count_ones() as usize])
    }

    /// A read of part of a word that needs no thought; see [`Cell::read_at_once`].
    #[inline]
    pub(super) fn read_at_once(&mut self, now: &Now, lane: u32, word: usize, bytes: u32) -> bool {
        let written = self.cells[word].written() & bytes == bytes;
        if !written || !self.quads[word / 4].whole.is_settled(now.floor) {
            return false;
        }
        self.quads[word / 4].note(now, false, 0);
        let at_once = |cells: &mut [Cell]| {
            cells.iter_mut().fold(true, |done, cell| done & cell.read_at_once(now, 1 << lane))
        };
        self.parts(word, bytes).is_some_and(at_once)
    }

    /// Whether nobody was at part of a word since everyone last met.
    #[inline]
    pub(super) fn is_old(&mut self, now: &Now, word: usize, bytes: u32) -> bool {
        let old = |cells: &mut [Cell]| cells.iter().all(|cell| cell.is_old(now.floor));
        self.quads[word / 4].whole.is_old(now.floor)
            && (self.cells[word].is_old(now.floor) || self.parts(word, bytes).is_some_and(old))
    }

    /// A write of part of a word, against which nothing is to be said, that needs no thought.
    #[inline]
    pub(super) fn write_at_once(&mut self, now: &Now, lane: u32, word: usize, bytes: u32) -> bool {
        let simple = |cell: &Cell| cell.meaning() == Meaning::Compact && !cell.written_beside(now, lane);
        let Some(cells) = self.parts(word, bytes) else { return false };
        if !cells.iter().all(simple) {
            return false;
        }
        cells.iter_mut().for_each(|cell| cell.write(now, lane));
        self.cells[word].set_written(bytes);
        self.quads[word / 4].note(now, true, bytes_of_quad(word, bytes));
        true
    }

    /// What is wrong with an access to some bytes (a bit each) of a word. A copy in flight is for the caller to name.
    pub(super) fn objection(
        &self,
        now: &Now,
        lane: u32,
        word: usize,
        bytes: u32,
        kind: Kind,
        reads: bool,
    ) -> Option<Objection> {
        let (cell, quad) = (&self.cells[word], &self.quads[word / 4]);
        if cell.meaning() == Meaning::Flight || quad.whole.meaning() == Meaning::Flight {
            return Some((Wrong::CopyInFlight, None));
        }
        if reads && !(cell.written() | quad.whole.written()) & bytes != 0 {
            return Some((Wrong::Uninitialised, None));
        }
        let of_part = || match cell.meaning() {
            Meaning::Split(start) => (0..4)
                .filter(|byte| bytes >> byte & 1 == 1)
                .find_map(|byte| self.race(now, lane, start + byte, kind)),
            _ => self.race(now, lane, word, kind),
        };
        let of_whole = || quad.whole.race(now, lane, kind);
        let race = match quad.last_written_whole(word) & bytes {
            0 => of_part().or_else(of_whole),
            _ => of_whole().or_else(of_part),
        };
        race.map(|other| (Wrong::Race, Some(other)))
    }

    /// Whether all that a write to these bytes races with was last written by the same instruction of another warp.
    pub(super) fn echoes(&self, now: &Now, lane: u32, word: usize, bytes: u32) -> bool {
        let whole = &self.quads[word / 4].whole;
        let by_whole = self.quads[word / 4].last_written_whole(word);
        let start = match (self.cells[word].meaning(), whole.meaning()) {
            (Meaning::Flight, _) | (_, Meaning::Flight) => return false,
            (Meaning::Split(start), _) => Some(start),
            _ => None,
        };
        (0..4).filter(|byte| bytes >> byte & 1 == 1).all(|byte| {
            let index = start.map_or(word, |start| start + byte);
            let races = self.race(now, lane, index, Kind::Write).is_some()
                || whole.race(now, lane, Kind::Write).is_some();
            let same = |party: Party| party.site.0 == now.site && party.warp != now.warp;
            match by_whole >> byte & 1 {
                _ if !races => true,
                0 => self.echoes_unit(now, lane, index),
                _ => whole.writer_beside(now, lane).is_some_and(same),
            }
        })
    }

    fn echoes_unit(&self, now: &Now, lane: u32, index: usize) -> bool {
        let same = |party: Party| party.site.0 == now.site && party.warp != now.warp;
        let cell = &self.cells[index];
        let Meaning::History(history) = cell.meaning() else {
            return cell.writer_beside(now, lane).is_some_and(same);
        };
        let actor = now.actor(lane);
        let writes = self.histories[history].entries.iter().filter(|entry| entry.kind.writes());
        let mut beside = writes.filter_map(|entry| entry.beside(&actor).map(|lane| (entry, lane))).peekable();
        beside.peek().is_some()
            && beside.all(|(entry, lane)| entry.kind == Kind::Write && same(entry.party(lane)))
    }

    fn race(&self, now: &Now, lane: u32, index: usize, kind: Kind) -> Option<(Party, bool)> {
        let cell = &self.cells[index];
        if let Meaning::History(history) = cell.meaning() {
            return self.histories[history].race(&now.actor(lane), kind, 1);
        }
        cell.race(now, lane, kind)
    }

    /// Records an access to some bytes of a word, to which there is no objection.
    pub(super) fn record(&mut self, now: &Now, lane: u32, word: usize, bytes: u32, kind: Kind) {
        let whole = bytes == 0xf;
        let quad = &mut self.quads[word / 4];
        quad.note(now, kind.writes(), bytes_of_quad(word, bytes));
        let written = if kind.writes() { bytes } else { 0 } | quad.whole.written();
        self.cells[word].set_written(written);
        if let Meaning::Split(start) = self.cells[word].meaning()
            && whole
            && (kind == Kind::Write || self.all_settled(now, start))
        {
            self.join(word, start);
        }
        match self.cells[word].meaning() {
            Meaning::Split(start) => self.record_parts(now, lane, start, bytes, kind),
            _ if whole => self.record_unit(now, lane, word, kind),
            _ => {
                let start = self.split(word);
                self.record_parts(now, lane, start, bytes, kind);
            }
        }
    }

    /// A copy sets out to a word: nobody may touch it. Whether one was on its way already.
    pub(super) fn depart(&mut self, word: usize) -> bool {
        match self.cells[word].meaning() {
            Meaning::Split(start) => self.join(word, start),
            Meaning::History(_) => self.forget(word),
            Meaning::Compact => {}
            Meaning::Flight => return true,
        }
        self.cells[word].set_meaning(Meaning::Flight);
        self.quads[word / 4].depart();
        false
    }

    /// A copy lands on a word: the lane that waited has written it.
    pub(super) fn land(&mut self, now: &Now, lane: u32, word: usize) {
        let cell = &mut self.cells[word];
        cell.set_meaning(Meaning::Compact);
        cell.set_written(0xf);
        cell.write(now, lane);
        self.quads[word / 4].land();
        self.quads[word / 4].note(now, true, bytes_of_quad(word, 0xf));
    }

    fn all_settled(&self, now: &Now, start: usize) -> bool {
        let settled = now.clocks.settled();
        self.cells[start..start + 4]
            .iter()
            .all(|cell| cell.meaning() == Meaning::Compact && cell.is_old(settled))
    }

    fn record_parts(&mut self, now: &Now, lane: u32, start: usize, bytes: u32, kind: Kind) {
        for byte in (0..4).filter(|byte| bytes >> byte & 1 == 1) {
            self.record_unit(now, lane, start + byte, kind);
        }
    }

    /// Records an access to all that a cell stands for.
    fn record_unit(&mut self, now: &Now, lane: u32, index: usize, kind: Kind) {
        let cell = &mut self.cells[index];
        if let Meaning::History(history) = cell.meaning() {
            self.histories[history].settle(now.clocks);
            if !self.histories[history].entries.is_empty() {
                let actor = now.actor(lane);
                self.histories[history].record(&actor, kind, 1);
                if kind != Kind::Write || self.histories[history].entries != [Entry::now(&actor, kind, 1)] {
                    return;
                }
            }
            self.forget(index);
        }
        let cell = &mut self.cells[index];
        match kind {
            Kind::Write if !cell.written_beside(now, lane) => return cell.write(now, lane),
            Kind::Read if cell.read(now, lane) => return,
            _ => {}
        }
        let history = self.widen(now.block, index);
        self.histories[history].record(&now.actor(lane), kind, 1);
    }

    /// Gives a cell a history that says what its compact record says.
    fn widen(&mut self, block: u64, index: usize) -> usize {
        let history = self.spare.pop().unwrap_or_else(|| {
            self.histories.push(History::default());
            self.histories.len() - 1
        });
        self.cells[index].tell(block, &mut self.histories[history]);
        self.cells[index].set_meaning(Meaning::History(history));
        history
    }

    /// Takes a cell's history from it.
    fn forget(&mut self, index: usize) {
        if let Meaning::History(history) = self.cells[index].meaning() {
            self.histories[history].entries.clear();
            self.spare.push(history);
        }
        self.cells[index].set_meaning(Meaning::Compact);
    }

    /// Gives the bytes of a word cells of their own.
    fn split(&mut self, word: usize) -> usize {
        let start = self.parts.pop().unwrap_or_else(|| {
            self.cells.resize(self.cells.len() + 4, Cell::default());
            self.cells.len() - 4
        });
        let mut whole = self.cells[word];
        // Whether a byte is written the word says, for all four.
        whole.set_written(0xf);
        self.cells[start..start + 4].fill(whole);
        whole = self.cells[word];
        if let Meaning::History(history) = whole.meaning() {
            let entries = std::mem::take(&mut self.histories[history].entries);
            for index in start..start + 4 {
                self.cells[index].set_meaning(Meaning::Compact);
                let own = self.widen(0, index);
                self.histories[own].entries.extend_from_slice(&entries);
            }
            self.histories[history].entries = entries;
            self.forget(word);
            whole = self.cells[word];
        }
        whole.set_meaning(Meaning::Split(start));
        self.cells[word] = whole;
        start
    }

    /// Gives a word one record again, an empty one.
    fn join(&mut self, word: usize, start: usize) {
        for index in start..start + 4 {
            self.forget(index);
        }
        self.parts.push(start);
        self.cells[word].set_meaning(Meaning::Compact);
    }
}
