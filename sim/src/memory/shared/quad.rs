//! The record of four words of shared memory: 16 bytes at a multiple of 16, which one lane touches at once.
//!
//! ```text
//! ldmatrix, ld.v4.b32, st.v4.b32, cp.async 16      one record for the four words: `whole`
//! ld.b32, st.u16, atom, ..                         records of words and bytes (see `shadow`), and their newest stamps here
//! ```
//!
//! A record is a fact: these lanes read, or this lane wrote, all of these bytes at that time. An access is judged by the
//! facts of both kinds and recorded as one of them. A fact may stay when a newer one, of the other kind, has made it
//! superfluous: whatever comes after the newer one also comes after it. So neither record has to know the other, but for
//! stamps that tell at once that there is nothing to be asked, and for which of them holds the last write of each byte.

use super::cell::{Cell, Meaning, Now};
use super::shadow::Shadow;
use crate::memory::history::Kind;

#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Quad {
    /// Accesses to all of it. Its written bytes are all or none, and none means nothing: words have their own.
    pub(super) whole: Cell,
    /// The newest access to part of it; 0: none. Part may have records only if this is not 0 or something flies.
    newest: u32,
    /// The newest write of part of it.
    newest_write: u32,
    /// Words that a copy of 4 or 8 bytes is writing.
    flying: u32,
    /// Bytes (a bit each) that were last written by an access to part.
    parts: u32,
}

impl Quad {
    /// A read of all of it that needs no thought; see [`Cell::read_at_once`].
    #[inline]
    pub(super) fn read_at_once(&mut self, now: &Now, lanes: u32) -> bool {
        self.newest_write <= now.floor && self.flying == 0 && self.whole.read_at_once(now, lanes)
    }

    /// Whether nobody was here since everyone last met.
    #[inline]
    pub(super) fn is_old(&self, floor: u32) -> bool {
        self.whole.is_old(floor) && self.newest <= floor && self.flying == 0
    }

    /// Records a write of all of it; what was there comes before it.
    #[inline]
    pub(super) fn write(&mut self, now: &Now, lane: u32) {
        self.whole.set_written(0xf);
        self.whole.write(now, lane);
        self.parts = 0;
    }

    /// Notes an access to some bytes (a bit each) of it.
    #[inline]
    pub(super) fn note(&mut self, now: &Now, writes: bool, bytes: u32) {
        self.newest = self.newest.max(now.stamp);
        if writes {
            self.newest_write = self.newest_write.max(now.stamp);
            self.parts |= bytes;
        }
    }

    /// Whether parts may have records.
    pub(super) fn has_parts(&self) -> bool {
        self.newest != 0 || self.flying != 0
    }

    /// The bytes of a word (a bit each) whose last write was one of all of it.
    pub(super) fn last_written_whole(&self, word: usize) -> u32 {
        !(self.parts >> (4 * (word % 4))) & 0xf
    }

    /// A copy to a word of it sets out.
    pub(super) fn depart(&mut self) {
        self.flying += 1;
    }

    /// A copy to a word of it lands.
    pub(super) fn land(&mut self) {
        self.flying -= 1;
    }
}

impl Shadow {
    /// The record of four words.
    #[inline]
    pub(super) fn quad(&mut self, quad: usize) -> &mut Quad {
        &mut self.quads[quad]
    }

    /// Whether nobody was at four words since everyone last met.
    #[inline]
    pub(super) fn quad_is_old(&self, now: &Now, quad: usize) -> bool {
        self.quads[quad].is_old(now.floor)
    }

    /// Records a read of a quad, to which there is no objection.
    pub(super) fn read_quad(&mut self, now: &Now, lane: u32, quad: usize) {
        let whole = &mut self.quads[quad].whole;
        // Or else there would be one.
        whole.set_written(0xf);
        if !whole.read(now, lane) {
            (4 * quad..4 * quad + 4).for_each(|word| self.record(now, lane, word, 0xf, Kind::Read));
        }
    }

    /// Records a write of a quad, to which there is no objection. Whether it had to be recorded word by word, since another
    /// lane of this warp wrote the quad at this very time.
    #[inline]
    pub(super) fn write_quad(&mut self, now: &Now, lane: u32, quad: usize) -> bool {
        let beside = self.quads[quad].whole.written_beside(now, lane);
        if beside {
            (4 * quad..4 * quad + 4).for_each(|word| self.record(now, lane, word, 0xf, Kind::Write));
        } else {
            self.quads[quad].write(now, lane);
        }
        beside
    }

    /// A copy sets out to a quad: nobody may touch it. Whether one was on its way already.
    pub(super) fn depart_quad(&mut self, quad: usize) -> bool {
        let whole = &mut self.quads[quad].whole;
        let doubled = whole.meaning() == Meaning::Flight;
        whole.set_meaning(Meaning::Flight);
        doubled
    }

    /// A copy lands on a quad: the lane that waited has written it.
    pub(super) fn land_quad(&mut self, now: &Now, lane: u32, quad: usize) {
        self.quads[quad].whole.set_meaning(Meaning::Compact);
        self.quads[quad].write(now, lane);
    }
}

/// The bits of some bytes of a word among those of its quad.
#[inline]
pub(super) fn bytes_of_quad(word: usize, bytes: u32) -> u32 {
    bytes << (4 * (word % 4))
}
