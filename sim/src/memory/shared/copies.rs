//! What copies to shared memory do to its records: when they set out, and when they land.
//!
//! Copies of 16 bytes go by quads, those of 4 and 8 by words.

use super::Shared;
use super::cell::{Meaning, Now};
use super::checks::{quads_of, words_of};
use super::flight::Copy;
use crate::check::Fault;
use crate::memory::history::Kind;
use crate::memory::{Access, Lanes};

impl Shared {
    /// What is to be said against a copy's setting out.
    pub(super) fn check_copy(&self, now: &Now, access: &Access) -> Result<(), Fault> {
        if access.bytes == 16 {
            return quads_of(access)
                .try_for_each(|(lane, quad)| self.check_quad_write(now, access, lane, quad));
        }
        words_of(access).try_for_each(|(lane, word)| {
            let objection = self.shadow.objection(now, lane, word, 0xf, Kind::Write, false);
            objection.map_or(Ok(()), |objection| Err(self.fault(access, lane, word, true, objection)))
        })
    }

    /// A copy sets out, against which nothing is to be said. Whether two of its lanes copy to the same place; then they
    /// copy the same bytes.
    pub(super) fn depart(&mut self, access: &Access, data: &[Lanes; 4]) -> Result<bool, Fault> {
        let mut doubled = false;
        if access.bytes == 16 {
            for (_, quad) in quads_of(access) {
                doubled |= self.shadow.depart_quad(quad);
            }
        } else {
            for (_, word) in words_of(access) {
                doubled |= self.shadow.depart(word);
            }
        }
        if doubled {
            self.no_clash(access, data)?;
        }
        Ok(doubled)
    }

    /// Some lanes of a copy have landed: they have written what it wrote. Of lanes that copied to one place the last one
    /// to land counts, and `flying` are still on their way.
    pub(super) fn landed(&mut self, now: &Now, access: &Access, copy: &Copy, flying: u32) {
        let rest = Access { mask: flying, ..*access };
        if access.bytes == 16 {
            for (lane, quad) in quads_of(access) {
                if copy.doubled && quads_of(&rest).any(|(_, other)| other == quad) {
                    continue;
                }
                if copy.doubled && self.shadow.quad(quad).whole.meaning() != Meaning::Flight {
                    self.shadow.write_quad(now, lane, quad);
                } else {
                    self.shadow.land_quad(now, lane, quad);
                }
            }
            return;
        }
        for (lane, word) in words_of(access) {
            if copy.doubled && words_of(&rest).any(|(_, other)| other == word) {
                continue;
            }
            if copy.doubled && self.shadow.word(word).meaning() != Meaning::Flight {
                self.shadow.record(now, lane, word, 0xf, Kind::Write);
            } else {
                self.shadow.land(now, lane, word);
            }
        }
    }
}
