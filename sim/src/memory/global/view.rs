//! What the warps of one block do to global memory.

use super::page::{PAGE, Page, Trace};
use super::trace::{Cell, Now, Objection, Outcome};
use super::{Allocation, Launch};
use crate::check::{Fault, Party, Wrong};
use crate::memory::clock::Clocks;
use crate::memory::history::Kind;
use crate::memory::lanes::{Shape, bytes_of, clash, lanes_of, low_bits};
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

/// A page, and its trace if there are checks.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    page: &'a Page,
    trace: Option<&'a Trace>,
}

/// Words that some lanes touch, and the first of these lanes.
#[derive(Clone, Copy, Debug)]
struct Touch<'a> {
    /// Their records, in a row.
    cells: &'a [Cell],
    /// Of the first word.
    address: u64,
    lane: u32,
    /// The bytes of a single word that are touched; all, if there are several.
    bytes: u32,
}

impl<'a> View<'a> {
    pub(super) fn new(launch: Launch<'a>, block: u64) -> View<'a> {
        View { launch, block, last: &launch.global.none, touched: Vec::with_capacity(32) }
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

    /// The page that holds all lanes' bytes, if one does, and they are aligned.
    #[inline]
    fn common_place(&mut self, access: &Access) -> Option<Place<'a>> {
        let first = access.address[access.mask.trailing_zeros() as usize & 31];
        let (mut spread, mut low) = (0, 0);
        for (lane, address) in access.address.iter().enumerate() {
            let address = if access.mask >> lane & 1 == 1 { *address } else { first };
            spread |= address ^ first;
            low |= address;
        }
        let size = u64::from(access.bytes);
        if spread >= PAGE || low & (size - 1) != 0 {
            return None;
        }
        if !self.last.holds(first, size) {
            self.last = self.launch.global.holder(first, size)?;
        }
        let last = self.last;
        let inside = last.holds(first & !(PAGE - 1), PAGE)
            || lanes_of(access.mask).all(|lane| last.holds(access.address[lane], size));
        inside.then(|| self.place(last.page(first)))
    }

    #[inline]
    fn place(&self, page: &'a Page) -> Place<'a> {
        Place { page, trace: (self.launch.strictness > Strictness::Bounds).then(|| page.trace()) }
    }

    /// The page of a lane's bytes.
    #[inline]
    fn find(&mut self, access: &Access, lane: usize, writes: bool) -> Result<Place<'a>, Fault> {
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
        Ok(self.place(self.last.page(address)))
    }

    /// Notes the words that a lane touches.
    #[inline]
    fn touch(&mut self, access: &Access, lane: usize, trace: &'a Trace) {
        let at = access.address[lane];
        let (address, bytes) = (at & !3, bytes_of(at, access.bytes));
        // Neighbours that touch the same words: a broadcast, or halves of one word.
        if let Some(last) = self.touched.last_mut()
            && last.address == address
        {
            last.bytes |= bytes;
            return;
        }
        let start = (at % PAGE) as usize / 4;
        let cells = &trace[start..start + access.bytes.div_ceil(4) as usize];
        self.touched.push(Touch { cells, address, lane: lane as u32, bytes });
    }

    /// Moves data from memory.
    fn fetch(&mut self, access: &Access, out: &mut [Lanes; 4], writes: bool) -> Result<(), Fault> {
        self.touched.clear();
        let common = self.common_place(access);
        let checked = self.launch.strictness > Strictness::Bounds;
        for lane in lanes_of(access.mask) {
            let Place { page, trace } = match common {
                Some(place) => place,
                None => self.find(access, lane, writes)?,
            };
            let at = access.address[lane];
            if let Some(trace) = trace {
                self.touch(access, lane, trace);
            }
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
        let common = self.common_place(access);
        for lane in lanes_of(access.mask) {
            let Place { page, trace } = match common {
                Some(place) => place,
                None => self.find(access, lane, true)?,
            };
            let at = access.address[lane];
            if let Some(trace) = trace {
                self.touch(access, lane, trace);
            }
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
            let Touch { cells, lane, bytes, .. } = *touch;
            for (word, cell) in cells.iter().enumerate() {
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
                    self.check_wide(&now, access, touch, word, kind)?;
                }
            }
        }
        if stored {
            fence(SeqCst);
        }
        if kind.is_strong() {
            return Ok(());
        }
        for touch in &self.touched {
            for cell in touch.cells {
                if let Some(objection) = cell.objection(&now, touch.bytes, writes, constant) {
                    return Err(self.fault(access, touch, objection, writes));
                }
            }
        }
        Ok(())
    }

    /// An access to a word that has, or needs, a history.
    fn check_wide(
        &self,
        now: &Now,
        access: &Access,
        touch: &Touch,
        word: usize,
        kind: Kind,
    ) -> Result<(), Fault> {
        let address = touch.address + 4 * word as u64;
        let constant = access.order == Order::Constant;
        let histories = self.launch.global.histories(address);
        let mut histories = histories.lock().unwrap_or_else(PoisonError::into_inner);
        let history = histories.entry(address).or_default();
        match touch.cells[word].record_wide(history, now, touch.lane, touch.bytes, kind, constant) {
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
    let [first, .., last] = *access.address;
    if Shape::of(access) != Shape::Any {
        let sectors = (last >> 5) - (first >> 5) + 1;
        return Traffic { sectors: sectors as u32, ..Traffic::default() };
    }
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
    Traffic { sectors: count as u32, ..Traffic::default() }
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
