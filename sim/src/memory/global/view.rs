//! What the warps of one block do to global memory.

use super::page::{PAGE, Page};
use super::trace::{Cell, Now, Objection, Outcome};
use super::{Allocation, Launch};
use crate::check::{Fault, Party, Wrong};
use crate::memory::clock::Clocks;
use crate::memory::history::Kind;
use crate::memory::lanes::{bytes_of, clash, lanes_of, low_bits};
use crate::memory::{Access, Lanes, Order, Strictness, Traffic};
use std::sync::PoisonError;
use std::sync::atomic::{Ordering::Relaxed, Ordering::SeqCst, fence};

/// The memory as one block uses it.
#[derive(Debug)]
pub struct View<'a> {
    launch: Launch<'a>,
    block: u64,
    /// The allocation that was used last: most likely the next one.
    last: &'a Allocation,
    /// The words of the access at hand; kept for its room.
    touched: Vec<Touch<'a>>,
}

/// A word, the bytes of it that some lanes touch, and the first of them.
#[derive(Clone, Copy, Debug)]
struct Touch<'a> {
    cell: &'a Cell,
    /// Of the word.
    address: u64,
    lane: u32,
    bytes: u32,
}

impl<'a> View<'a> {
    pub(super) fn new(launch: Launch<'a>, block: u64) -> View<'a> {
        View { launch, block, last: &launch.global.none, touched: Vec::with_capacity(128) }
    }

    /// `ld.global`
    pub fn load(&mut self, clocks: &Clocks, access: &Access, out: &mut [Lanes; 4]) -> Result<Traffic, Fault> {
        if access.order == Order::Strong {
            let _hold = (access.bytes > 4).then(|| self.launch.global.hold());
            self.fetch(access, out, false)?;
        } else {
            self.fetch(access, out, false)?;
        }
        let kind = Kind::read(access.order);
        self.check(clocks, access, kind, false)?;
        Ok(traffic(access))
    }

    /// `st.global`
    pub fn store(&mut self, clocks: &Clocks, access: &Access, data: &[Lanes; 4]) -> Result<Traffic, Fault> {
        if self.launch.strictness == Strictness::Lanes
            && access.order != Order::Strong
            && let Some((lane, other)) = clash(access, data)
        {
            let party = Party { block: self.block, warp: access.warp, lane: other as u32, site: access.site };
            let detail = "two lanes of one instruction write different values to the same bytes".into();
            return Err(Fault {
                other: Some((party, true)),
                detail,
                ..fault(access, lane, Wrong::Race, true)
            });
        }
        if access.order == Order::Strong {
            let _hold = self.launch.global.hold();
            self.put(access, data)?;
        } else {
            self.put(access, data)?;
        }
        self.check(clocks, access, Kind::write(access.order), true)?;
        Ok(traffic(access))
    }

    /// `atom.global`, `red.global`: lane by lane in order, `update(lane, old)` gives what to write; 2, 4 or 8 bytes. It may
    /// not come back to this memory: a lock is held while it runs.
    pub fn atomic(
        &mut self,
        clocks: &Clocks,
        access: &Access,
        update: &mut dyn FnMut(usize, u64) -> u64,
        old: &mut [Lanes; 4],
    ) -> Result<Traffic, Fault> {
        self.fetch(access, old, true)?;
        self.check(clocks, access, Kind::StrongWrite, true)?;
        for lane in lanes_of(access.mask) {
            let one = Access { mask: 1 << lane, ..*access };
            let _hold = self.launch.global.hold();
            self.fetch(&one, old, true)?;
            let high = if access.bytes == 8 { u64::from(old[1][lane]) << 32 } else { 0 };
            let new = update(lane, high | u64::from(old[0][lane]));
            let mut data = [[0; 32]; 4];
            (data[0][lane], data[1][lane]) = (new as u32, (new >> 32) as u32);
            self.put(&one, &data)?;
        }
        Ok(traffic(access))
    }

    /// The page of a lane's bytes, and where in it they lie; notes the words that are touched.
    #[inline]
    fn find(&mut self, access: &Access, lane: usize, writes: bool) -> Result<(&'a Page, u64), Fault> {
        let (address, size) = (access.address[lane], u64::from(access.bytes));
        if !self.last.holds(address, size) {
            match self.launch.global.holder(address, size) {
                Some(allocation) => self.last = allocation,
                None => {
                    let detail = self.launch.global.nearest(address, size);
                    return Err(Fault { detail, ..fault(access, lane, Wrong::OutOfBounds, writes) });
                }
            }
        }
        if address & (size - 1) != 0 {
            return Err(fault(access, lane, Wrong::Misaligned, writes));
        }
        let at = address - self.last.base;
        let page = self.last.page(at);
        if self.launch.strictness > Strictness::Bounds {
            self.touch(access, lane, page, at);
        }
        Ok((page, at % PAGE))
    }

    #[inline]
    fn touch(&mut self, access: &Access, lane: usize, page: &'a Page, at: u64) {
        let address = access.address[lane];
        let bytes = bytes_of(address, access.bytes);
        let word = address & !3;
        let count = access.bytes.div_ceil(4) as usize;
        let cells = page.cells(at, count);
        // Neighbours that touch the same words: a broadcast, or halves of one word.
        if let Some(end) = self.touched.len().checked_sub(count)
            && self.touched[end].address == word
        {
            self.touched[end].bytes |= bytes;
            return;
        }
        for (cell, address) in cells.iter().zip((word..).step_by(4)) {
            self.touched.push(Touch { cell, address, lane: lane as u32, bytes });
        }
    }

    /// Moves data from memory.
    fn fetch(&mut self, access: &Access, out: &mut [Lanes; 4], writes: bool) -> Result<(), Fault> {
        self.touched.clear();
        let checked = self.launch.strictness > Strictness::Bounds;
        for lane in lanes_of(access.mask) {
            let (page, at) = self.find(access, lane, writes)?;
            if checked && !page.is_written(at, access.bytes) {
                let detail = format!("in {}", self.last);
                return Err(Fault { detail, ..fault(access, lane, Wrong::Uninitialised, writes) });
            }
            match access.bytes {
                4 => out[0][lane] = page.word(at).load(Relaxed),
                8 => {
                    for (row, word) in out.iter_mut().zip(page.words::<2>(at)) {
                        row[lane] = word.load(Relaxed);
                    }
                }
                16 => {
                    for (row, word) in out.iter_mut().zip(page.words::<4>(at)) {
                        row[lane] = word.load(Relaxed);
                    }
                }
                bytes => {
                    let word = page.word(at).load(Relaxed);
                    out[0][lane] = word >> (8 * (at & 3)) & low_bits(bytes);
                }
            }
        }
        Ok(())
    }

    /// Moves data to memory.
    fn put(&mut self, access: &Access, data: &[Lanes; 4]) -> Result<(), Fault> {
        self.touched.clear();
        for lane in lanes_of(access.mask) {
            let (page, at) = self.find(access, lane, true)?;
            page.set_written(at, access.bytes);
            match access.bytes {
                4 => page.word(at).store(data[0][lane], Relaxed),
                8 => {
                    for (row, word) in data.iter().zip(page.words::<2>(at)) {
                        word.store(row[lane], Relaxed);
                    }
                }
                16 => {
                    for (row, word) in data.iter().zip(page.words::<4>(at)) {
                        word.store(row[lane], Relaxed);
                    }
                }
                bytes => {
                    let shift = 8 * (at & 3) as u32;
                    page.put_part(at, low_bits(bytes) << shift, data[0][lane] << shift);
                }
            }
        }
        Ok(())
    }

    /// Judges and records what `find` noted.
    fn check(&mut self, clocks: &Clocks, access: &Access, kind: Kind, writes: bool) -> Result<(), Fault> {
        if self.launch.strictness == Strictness::Bounds {
            return Ok(());
        }
        let now = Now::new(clocks, self.block as u32, access.warp, access.site);
        let constant = access.order == Order::Constant;
        let mut stored = false;
        for touch in &self.touched {
            let Touch { cell, lane, bytes, .. } = *touch;
            if writes && let Some(objection) = cell.objection(&now, bytes, true, false) {
                return Err(self.fault(access, touch, objection, writes));
            }
            let outcome = match kind {
                Kind::Read => cell.read(&now, lane, bytes, constant),
                Kind::Write => cell.write(&now, lane, bytes),
                _ => Outcome::Wide,
            };
            stored |= outcome == Outcome::Stored;
            if outcome == Outcome::Wide {
                self.check_wide(&now, access, touch, kind, constant)?;
            }
        }
        if stored {
            fence(SeqCst);
        }
        if kind.is_strong() {
            return Ok(());
        }
        for touch in &self.touched {
            if let Some(objection) = touch.cell.objection(&now, touch.bytes, writes, constant) {
                return Err(self.fault(access, touch, objection, writes));
            }
        }
        Ok(())
    }

    fn check_wide(
        &self,
        now: &Now,
        access: &Access,
        touch: &Touch,
        kind: Kind,
        constant: bool,
    ) -> Result<(), Fault> {
        let mut histories =
            self.launch.global.histories(touch.address).lock().unwrap_or_else(PoisonError::into_inner);
        let history = histories.entry(touch.address).or_default();
        match touch.cell.record_wide(history, now, touch.lane, touch.bytes, kind, constant) {
            Some(objection) => Err(self.fault(access, touch, objection, kind.writes())),
            None => Ok(()),
        }
    }

    fn fault(&self, access: &Access, touch: &Touch, objection: Objection, writes: bool) -> Fault {
        let (wrong, other) = objection;
        let elsewhere = other.is_some_and(|(party, _)| party.block != self.block);
        let detail = match wrong {
            Wrong::ReadOnly => "what ld.global.nc reads, nobody may write during the launch",
            _ if elsewhere => "blocks run in any order, and no barrier orders them: only atomics may meet",
            _ => "",
        };
        let place = self.launch.global.holder(touch.address, 1).map(|a| format!("in {a}"));
        let detail = [detail, place.as_deref().unwrap_or_default()];
        let detail = detail.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
        Fault { other, detail, ..fault(access, touch.lane as usize, wrong, writes) }
    }
}

/// Counts the distinct 32-byte sectors.
fn traffic(access: &Access) -> Traffic {
    let mut sectors = [0; 32];
    let (mut count, mut rising) = (0, true);
    for lane in lanes_of(access.mask) {
        let sector = access.address[lane] >> 5;
        if count == 0 || sectors[count - 1] != sector {
            rising &= count == 0 || sectors[count - 1] < sector;
            sectors[count] = sector;
            count += 1;
        }
    }
    if !rising {
        sectors[..count].sort_unstable();
        count = sectors[..count].chunk_by(|a, b| a == b).count();
    }
    Traffic { wavefronts: 0, least_wavefronts: 0, sectors: count as u32 }
}

fn fault(access: &Access, lane: usize, wrong: Wrong, writes: bool) -> Fault {
    Fault {
        wrong,
        lane: lane as u32,
        address: Some(access.address[lane]),
        space: "global",
        bytes: access.bytes,
        writes,
        other: None,
        detail: String::new(),
    }
}
