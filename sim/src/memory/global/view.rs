//! What the warps of one block do to global memory.

use super::page::{PAGE, Page};
use super::sector::{Row, SECTOR};
use super::{Allocation, Launch};
use crate::check::{Fault, Party, Wrong};
use crate::memory::clock::Clocks;
use crate::memory::history::Kind;
use crate::memory::lanes::{Shape, clash, lanes_of, low_bits};
use crate::memory::{Access, Lanes, Order, Strictness, Traffic};
use std::sync::atomic::Ordering::Relaxed;

/// The memory as one block uses it.
#[derive(Debug)]
pub struct View<'a> {
    pub(super) launch: Launch<'a>,
    pub(super) block: u64,
    /// The allocation that was used last: most likely the next one.
    last: &'a Allocation,
    /// What the access at hand touches; kept for its room.
    pub(super) touched: Vec<Touch<'a>>,
}

/// A page, and which of its addresses are allocated.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    page: &'a Page,
    start: u64,
    end: u64,
}

/// What neighbouring lanes touch of one sector.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch<'a> {
    pub(super) page: &'a Page,
    /// Where the sector starts.
    pub(super) start: u64,
    /// Which of its bytes are touched, a bit each.
    pub(super) bytes: u32,
    /// By word a byte, the first lane that touches it.
    pub(super) lanes: u64,
    /// The lanes as a row that begins where the sector does,
    pub(super) row: Row,
    /// if they are one.
    pub(super) is_row: bool,
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

    /// The page of a lane's bytes.
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
        let (base, page) = (self.last.base, address & !(PAGE - 1));
        let end = (base + self.last.bytes).min(page + PAGE);
        Ok(Place { page: self.last.page(address), start: base.max(page), end })
    }

    /// Notes the bytes that a lane touches.
    #[inline]
    fn touch(&mut self, access: &Access, lane: usize, page: &'a Page) {
        let (at, size) = (access.address[lane], access.bytes.trailing_zeros());
        let (start, place) = (at & !(SECTOR - 1), at as u32 & (SECTOR as u32 - 1));
        let bytes = (u32::MAX >> (32 - access.bytes)) << place;
        let row = Row { lane: (lane as u32).wrapping_sub(place >> size), size };
        // A byte for each word that is touched.
        let words = (u64::MAX >> (64 - 8 * access.bytes.div_ceil(4))) << (8 * (place / 4));
        let lanes = lane as u64 * 0x0101_0101_0101_0101 & words;
        match self.touched.last_mut().filter(|last| last.start == start) {
            Some(last) if last.bytes & bytes == bytes => {}
            Some(last) => {
                if last.bytes >> (place & !3) & 0xf == 0 {
                    last.lanes |= lanes;
                }
                last.bytes |= bytes;
                last.is_row &= last.row == row;
            }
            None => self.touched.push(Touch { page, start, bytes, lanes, row, is_row: true }),
        }
    }

    /// Moves data from memory.
    fn fetch(&mut self, access: &Access, out: &mut [Lanes; 4], writes: bool) -> Result<(), Fault> {
        self.touched.clear();
        let checked = self.launch.strictness > Strictness::Bounds;
        let mut place: Option<Place> = None;
        for lane in lanes_of(access.mask) {
            let found = match place.filter(|place| place.holds(access, lane)) {
                Some(place) => place,
                None => self.find(access, lane, writes)?,
            };
            place = Some(found);
            let (at, page) = (access.address[lane], found.page);
            if checked {
                self.touch(access, lane, page);
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
        let checked = self.launch.strictness > Strictness::Bounds;
        let mut place: Option<Place> = None;
        for lane in lanes_of(access.mask) {
            let found = match place.filter(|place| place.holds(access, lane)) {
                Some(place) => place,
                None => self.find(access, lane, true)?,
            };
            place = Some(found);
            let (at, page) = (access.address[lane], found.page);
            if checked {
                self.touch(access, lane, page);
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
}

impl Place<'_> {
    /// Whether a lane's bytes are in the page, and aligned.
    #[inline]
    fn holds(&self, access: &Access, lane: usize) -> bool {
        let (address, size) = (access.address[lane], u64::from(access.bytes));
        address >= self.start && address < self.end && self.end - address >= size && address & (size - 1) == 0
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

pub(super) fn fault(access: &Access, lane: usize, wrong: Wrong, writes: bool) -> Fault {
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
