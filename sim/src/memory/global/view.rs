//! What the warps of one block do to global memory.

use super::page::{PAGE, Page};
use super::sector::{Row, SECTOR};
use super::{Allocation, Launch};
use crate::check::{Fault, Party, Wrong};
use crate::memory::clock::Clocks;
use crate::memory::history::Kind;
use crate::memory::lanes::{clash, lanes_of, low_bits};
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
#[derive(Clone, Copy, Default, Debug)]
struct Place<'a> {
    page: Option<&'a Page>,
    start: u64,
    end: u64,
}

/// What neighbouring lanes touch of one sector.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch<'a> {
    pub(super) page: &'a Page,
    /// The lanes.
    mask: u32,
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
        Ok(traffic(&self.touched))
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
        Ok(traffic(&self.touched))
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
        let traffic = traffic(&self.touched);
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
        Ok(traffic)
    }

    /// Makes sure that a lane's bytes are in `place`, a page; gives the page.
    #[inline]
    fn find(
        &mut self,
        place: &mut Place<'a>,
        access: &Access,
        lane: usize,
        writes: bool,
    ) -> Result<&'a Page, Fault> {
        let (address, size) = (access.address[lane], u64::from(access.bytes));
        if let Some(page) = place.page
            && place.holds(address, size)
        {
            return Ok(page);
        }
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
        let (base, start) = (self.last.base, address & !(PAGE - 1));
        let (page, end) = (self.last.page(address), (base + self.last.bytes).min(start + PAGE));
        *place = Place { page: Some(page), start: base.max(start), end };
        Ok(page)
    }

    /// Notes what the lanes touch, sector by sector.
    fn find_all(&mut self, access: &Access, writes: bool) -> Result<(), Fault> {
        self.touched.clear();
        let size = u64::from(access.bytes);
        let mut place = Place::default();
        let mut left = access.mask;
        while left != 0 {
            let lane = left.trailing_zeros() as usize & 31;
            let page = self.find(&mut place, access, lane, writes)?;
            if let Some(touch) = Touch::of_row(access, left, lane, &place) {
                left &= !touch.mask;
                self.touched.push(touch);
                continue;
            }
            let mut touch = Touch::of(access, lane, page);
            left &= left - 1;
            // Those behind it in the same sector.
            let end = place.end.min(touch.start + SECTOR);
            while left != 0 {
                let lane = left.trailing_zeros() as usize & 31;
                let at = access.address[lane];
                if at < touch.start.max(place.start) || at > end - size || at & (size - 1) != 0 {
                    break;
                }
                touch.add(&Touch::of(access, lane, page));
                left &= left - 1;
            }
            self.touched.push(touch);
        }
        Ok(())
    }

    /// Moves data from memory.
    fn fetch(&mut self, access: &Access, out: &mut [Lanes; 4], writes: bool) -> Result<(), Fault> {
        self.find_all(access, writes)?;
        if self.launch.strictness > Strictness::Bounds {
            self.check_written(access, writes)?;
        }
        match access.bytes {
            4 => self.fetch_words::<1>(access, out),
            8 => self.fetch_words::<2>(access, out),
            16 => self.fetch_words::<4>(access, out),
            bytes => {
                for (page, lane) in self.lanes() {
                    let at = access.address[lane];
                    out[0][lane] = page.word(at).load(Relaxed) >> (8 * (at & 3)) & low_bits(bytes);
                }
            }
        }
        Ok(())
    }

    fn check_written(&self, access: &Access, writes: bool) -> Result<(), Fault> {
        let Some(touch) = self.touched.iter().find(|touch| !touch.page.is_written(touch.start, touch.bytes))
        else {
            return Ok(());
        };
        let missing = |lane: &usize| {
            let at = access.address[*lane];
            !touch.page.is_written(at, (u32::MAX >> (32 - access.bytes)) << (at & (SECTOR - 1)))
        };
        let lane = lanes_of(touch.mask).find(missing).unwrap_or(0);
        let detail = format!("in {}", self.last);
        Err(Fault { detail, ..fault(access, lane, Wrong::Uninitialised, writes) })
    }

    #[inline]
    fn fetch_words<const WORDS: usize>(&self, access: &Access, out: &mut [Lanes; 4]) {
        for (page, lane) in self.lanes() {
            for (row, word) in out.iter_mut().zip(page.words::<WORDS>(access.address[lane])) {
                row[lane] = word.load(Relaxed);
            }
        }
    }

    /// The lanes that were found, with their pages.
    #[inline]
    fn lanes(&self) -> impl Iterator<Item = (&'a Page, usize)> {
        self.touched.iter().flat_map(|touch| lanes_of(touch.mask).map(|lane| (touch.page, lane)))
    }

    /// Moves data to memory.
    fn put(&mut self, access: &Access, data: &[Lanes; 4]) -> Result<(), Fault> {
        self.find_all(access, true)?;
        self.touched.iter().for_each(|touch| touch.page.set_written(touch.start, touch.bytes));
        match access.bytes {
            4 => self.put_words::<1>(access, data),
            8 => self.put_words::<2>(access, data),
            16 => self.put_words::<4>(access, data),
            bytes => {
                for (page, lane) in self.lanes() {
                    let at = access.address[lane];
                    let shift = 8 * (at & 3) as u32;
                    page.put_part(at, low_bits(bytes) << shift, data[0][lane] << shift);
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn put_words<const WORDS: usize>(&self, access: &Access, data: &[Lanes; 4]) {
        for (page, lane) in self.lanes() {
            for (row, word) in data.iter().zip(page.words::<WORDS>(access.address[lane])) {
                word.store(row[lane], Relaxed);
            }
        }
    }
}

impl Place<'_> {
    /// Whether bytes are in the page, and aligned.
    #[inline]
    fn holds(&self, address: u64, size: u64) -> bool {
        address >= self.start && address < self.end && self.end - address >= size && address & (size - 1) == 0
    }
}

impl<'a> Touch<'a> {
    /// What one lane touches.
    #[inline(always)]
    fn of(access: &Access, lane: usize, page: &'a Page) -> Touch<'a> {
        let (at, size) = (access.address[lane], access.bytes.trailing_zeros());
        let place = at as u32 & (SECTOR as u32 - 1);
        // A byte for each word that is touched.
        let words = (u64::MAX >> (64 - 8 * access.bytes.div_ceil(4))) << (8 * (place / 4));
        Touch {
            page,
            mask: 1 << lane,
            start: at & !(SECTOR - 1),
            bytes: (u32::MAX >> (32 - access.bytes)) << place,
            lanes: (lane as u64 * 0x0101_0101_0101_0101) & words,
            row: Row { lane: (lane as u32).wrapping_sub(place >> size), size },
            is_row: true,
        }
    }

    /// A whole sector that neighbouring lanes touch in order.
    #[inline(always)]
    fn of_row(access: &Access, left: u32, lane: usize, place: &Place<'a>) -> Option<Touch<'a>> {
        let (start, size) = (access.address[lane], access.bytes.trailing_zeros());
        let count = SECTOR as usize >> size;
        let mask = u32::MAX >> (32 - count) << lane;
        let addresses = access.address.get(lane..lane + count)?;
        if start % SECTOR != 0 || left & mask != mask || access.bytes < 4 {
            return None;
        }
        let (mut stray, mut expected) = (0, start);
        for address in addresses {
            stray |= address ^ expected;
            expected += u64::from(access.bytes);
        }
        let is_row = stray == 0 && start >= place.start && place.end - start >= SECTOR;
        // By word a byte: which lane of the row it is of.
        let words = [0x0706_0504_0302_0100, 0x0303_0202_0101_0000, 0x0101_0101_0000_0000];
        let page = place.page.filter(|_| is_row)?;
        Some(Touch {
            page,
            mask,
            start,
            bytes: u32::MAX,
            lanes: lane as u64 * 0x0101_0101_0101_0101 + words[(size as usize - 2) % 3],
            row: Row { lane: lane as u32, size },
            is_row: true,
        })
    }

    /// What another lane touches of the same sector.
    #[inline(always)]
    fn add(&mut self, new: &Touch) {
        self.mask |= new.mask;
        if self.bytes & new.bytes == new.bytes {
            // A broadcast.
            return;
        }
        // Halves of one word belong to the lane of the first one.
        if self.bytes >> (new.bytes.trailing_zeros() & !3) & 0xf == 0 {
            self.lanes |= new.lanes;
        }
        self.bytes |= new.bytes;
        self.is_row &= self.row == new.row;
    }
}

/// Counts the distinct sectors.
fn traffic(touched: &[Touch]) -> Traffic {
    let is_rising = touched.windows(2).all(|pair| pair[0].start < pair[1].start);
    let count = if is_rising {
        touched.len()
    } else {
        let mut sectors = [0; 32];
        let sectors = &mut sectors[..touched.len().min(32)];
        sectors.iter_mut().zip(touched).for_each(|(sector, touch)| *sector = touch.start);
        sectors.sort_unstable();
        sectors.chunk_by(|a, b| a == b).count()
    };
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
