//! Memory of all blocks, and of the host between launches.
//!
//! ```text
//! let mut memory = Global::new();
//! let q = memory.alloc_named(4096, 256, "q")?;              an address above 4 GiB, with gaps around
//! memory.write(q, &bytes)?;
//! let launch = memory.launch(Strictness::Lanes);            shared by all threads of the machine
//! let mut view = launch.view(block);                        one for each block
//! view.load(&clocks, &access, &mut out)?;
//! ```
//!
//! What is checked during a launch, beyond bounds and alignment (see [`Strictness`]):
//! - bytes that neither the host nor a kernel wrote are not read;
//! - two warps of one block access a byte in an order that barriers give, if one of the two writes (see `clock`); the lanes of
//!   one warp are not told apart here, but those of one store write the same values where they meet;
//! - two blocks do not access a byte at all, if one of the two writes: blocks run in any order. Strong accesses and atomics
//!   do not race with one another; they order nothing else. A kernel whose last block reads what the others left behind a
//!   flag or a counter is therefore a race here, though a GPU may be made to run it;
//! - what `ld.global.nc` reads, nobody writes during the launch.
//!
//! The other party of a race is a warp that took part; where several read the byte, lane and instruction are those of one of
//! them. Which of two racing blocks is found first depends on the order in which threads run them; that one is found does not.
//!
//! Allocations lie apart by more than their own size, so that a wrong index lands nowhere; their addresses are multiples of
//! what was asked for and of no more, so that a kernel cannot rely on more. Pages come into being when they are touched.

mod judge;
mod page;
mod sector;
#[cfg(test)]
mod tests;
mod trace;
mod view;

use self::page::{PAGE, Page};
use self::sector::SECTOR;
use super::Strictness;
use super::history::History;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

pub use self::view::View;

/// Where the first allocation may lie.
const START: u64 = 1 << 40;

/// Where allocations end: below the windows of the other spaces.
const END: u64 = super::PARAM_WINDOW;

/// The least distance between allocations.
const GAP: u64 = 1 << 20;

/// Locks over histories; enough that threads rarely meet.
const SHARDS: usize = 64;

/// What a host did wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HostError {
    /// An alignment that is no power of two, or above 1 GiB.
    #[error("an alignment has to be a power of two up to 2^30, not {0}")]
    Alignment(u64),
    /// More than the addresses or the machine hold.
    #[error("{0} bytes do not fit the simulated address space, or this machine")]
    TooLarge(u64),
    /// Bytes of no allocation, or beyond its end.
    #[error("{bytes} bytes at {address:#x} are not inside an allocation: {near}")]
    Range {
        /// The first byte.
        address: u64,
        /// How many.
        bytes: u64,
        /// Where the nearest allocation is.
        near: String,
    },
    /// An address to free that no allocation begins at.
    #[error("no allocation begins at {0:#x}")]
    NotAllocated(u64),
}

/// What was allocated together.
#[derive(Debug, Default)]
struct Allocation {
    base: u64,
    bytes: u64,
    name: String,
    /// From the one that holds `base`: pages begin at multiples of their size.
    pages: Vec<OnceLock<Box<Page>>>,
}

/// Memory of all blocks, and of the host between launches.
#[derive(Debug)]
pub struct Global {
    /// By address.
    allocations: Vec<Allocation>,
    next: u64,
    /// An allocation without bytes.
    none: Allocation,
    /// Of words whose compact record does not do, by address; during a launch.
    histories: Vec<Mutex<HashMap<u64, History>>>,
    /// Held by atomics.
    atomics: Mutex<()>,
    /// Where the variables of modules lie, by what tells modules apart; the machine's to keep.
    pub(crate) modules: BTreeMap<u64, Vec<u64>>,
}

impl Default for Global {
    fn default() -> Global {
        Global::new()
    }
}

impl Global {
    /// Nothing is allocated.
    pub fn new() -> Global {
        Global {
            allocations: Vec::new(),
            next: START,
            none: Allocation::default(),
            histories: (0..SHARDS).map(|_| Mutex::default()).collect(),
            atomics: Mutex::new(()),
            modules: BTreeMap::new(),
        }
    }

    /// Allocates bytes that nobody has written, at a multiple of `align` (a power of two; at least 16) and of no more.
    ///
    /// # Errors
    /// [`HostError::Alignment`], [`HostError::TooLarge`].
    pub fn alloc(&mut self, bytes: u64, align: u64) -> Result<u64, HostError> {
        self.alloc_named(bytes, align, "")
    }

    /// The same, with a name for messages.
    ///
    /// # Errors
    /// [`HostError::Alignment`], [`HostError::TooLarge`].
    pub fn alloc_named(&mut self, bytes: u64, align: u64, name: &str) -> Result<u64, HostError> {
        if !align.is_power_of_two() || align > 1 << 30 {
            return Err(HostError::Alignment(align));
        }
        let align = align.max(16);
        let too_large = HostError::TooLarge(bytes);
        let base = self.next.next_multiple_of(2 * align) + align;
        let gap = GAP.max(bytes);
        let next = base.checked_add(bytes).and_then(|end| end.checked_add(gap));
        let Some(next) = next.filter(|next| *next <= END) else { return Err(too_large) };
        let count = (base + bytes).div_ceil(PAGE) - base / PAGE;
        let Ok(count) = usize::try_from(count) else { return Err(too_large) };
        let mut pages = Vec::new();
        if pages.try_reserve_exact(count).is_err() {
            return Err(too_large);
        }
        pages.resize_with(count, OnceLock::new);
        self.next = next;
        self.allocations.push(Allocation { base, bytes, name: name.into(), pages });
        Ok(base)
    }

    /// Gives back what begins at this address, which is never used again.
    ///
    /// # Errors
    /// [`HostError::NotAllocated`].
    pub fn free(&mut self, address: u64) -> Result<(), HostError> {
        let found = self.allocations.binary_search_by_key(&address, |allocation| allocation.base);
        let index = found.map_err(|_| HostError::NotAllocated(address))?;
        self.allocations.remove(index);
        Ok(())
    }

    /// Writes bytes from the host.
    ///
    /// # Errors
    /// [`HostError::Range`].
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), HostError> {
        self.put(address, bytes.len() as u64, |index| bytes[index])
    }

    /// Writes one byte over and over.
    ///
    /// # Errors
    /// [`HostError::Range`].
    pub fn fill(&mut self, address: u64, bytes: u64, value: u8) -> Result<(), HostError> {
        self.put(address, bytes, |_| value)
    }

    fn put(&mut self, address: u64, bytes: u64, value: impl Fn(usize) -> u8) -> Result<(), HostError> {
        let allocation = self.range(address, bytes)?;
        let end = address + bytes;
        let mut at = address;
        while at < end {
            // Up to the end of the sector.
            let stop = end.min((at & !31) + 32);
            let page = allocation.page(at);
            page.set_written(at, bytes_of_sector(at, stop));
            while at < stop {
                // Up to the end of the word.
                let next = stop.min((at & !3) + 4);
                let (mut word, mut mask) = (0, 0);
                for byte in at..next {
                    word |= u32::from(value((byte - address) as usize)) << (8 * (byte & 3));
                    mask |= 0xff << (8 * (byte & 3));
                }
                page.put_part(at, mask, word);
                at = next;
            }
        }
        Ok(())
    }

    /// Reads bytes; those that nobody wrote are `0xff` (NaN in any floating type).
    ///
    /// # Errors
    /// [`HostError::Range`].
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), HostError> {
        let allocation = self.range(address, bytes.len() as u64)?;
        let mut left = bytes;
        let mut at = address;
        while !left.is_empty() {
            let word = allocation.page(at).word(at).load(Relaxed).to_le_bytes();
            let word = &word[(at & 3) as usize..];
            let count = word.len().min(left.len());
            let (now, later) = left.split_at_mut(count);
            now.copy_from_slice(&word[..count]);
            (left, at) = (later, at + count as u64);
        }
        Ok(())
    }

    /// Whether all bytes of the range are written, by the host or by kernels.
    ///
    /// # Errors
    /// [`HostError::Range`].
    pub fn written(&self, address: u64, bytes: u64) -> Result<bool, HostError> {
        let allocation = self.range(address, bytes)?;
        let end = address + bytes;
        let mut at = address;
        while at < end {
            let stop = end.min((at & !31) + 32);
            if !allocation.page(at).is_written(at, bytes_of_sector(at, stop)) {
                return Ok(false);
            }
            at = stop;
        }
        Ok(true)
    }

    /// A launch begins: what earlier ones did races with nothing any more.
    pub fn launch(&mut self, strictness: Strictness) -> Launch<'_> {
        for page in self.allocations.iter_mut().flat_map(|allocation| &mut allocation.pages) {
            if let Some(page) = page.get_mut() {
                page.clear_trace();
            }
        }
        for shard in &mut self.histories {
            shard.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        }
        Launch { global: self, strictness, alone: false }
    }

    /// The allocation that holds a range.
    fn range(&self, address: u64, bytes: u64) -> Result<&Allocation, HostError> {
        match self.holder(address, bytes) {
            Some(allocation) => Ok(allocation),
            None => Err(HostError::Range { address, bytes, near: self.nearest(address, bytes) }),
        }
    }

    fn holder(&self, address: u64, bytes: u64) -> Option<&Allocation> {
        let after = self.allocations.partition_point(|allocation| allocation.base <= address);
        self.allocations[..after].last().filter(|allocation| allocation.holds(address, bytes))
    }

    /// Where the nearest allocation is, for a range that is in none.
    fn nearest(&self, address: u64, bytes: u64) -> String {
        if address < 1 << 16 {
            return "this is a null pointer, or an offset from one".into();
        }
        let after = self.allocations.partition_point(|allocation| allocation.base <= address);
        let below = self.allocations[..after]
            .last()
            .map(|below| (below, address - (below.base + below.bytes).min(address)));
        let above = self.allocations.get(after).map(|above| (above, above.base - address));
        match (below, above) {
            (Some((below, 0)), _) if address < below.base + below.bytes => {
                let past = address.saturating_add(bytes) - (below.base + below.bytes);
                format!("it ends {past} bytes past the end of {below}")
            }
            (Some((below, past)), above) if above.is_none_or(|(_, before)| past <= before) => {
                format!("{past} bytes past the end of {below}")
            }
            (_, Some((above, before))) => format!("{before} bytes before the start of {above}"),
            _ => "nothing is allocated".into(),
        }
    }

    fn histories(&self, address: u64) -> &Mutex<HashMap<u64, History>> {
        &self.histories[(address >> 2) as usize % SHARDS]
    }

    /// Holds atomics off.
    fn hold(&self) -> MutexGuard<'_, ()> {
        self.atomics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of one sector from one address up to another, a bit each.
fn bytes_of_sector(start: u64, end: u64) -> u32 {
    (u32::MAX >> (SECTOR - (end - start))) << (start % SECTOR)
}

impl Allocation {
    #[inline]
    fn holds(&self, address: u64, bytes: u64) -> bool {
        let at = address.wrapping_sub(self.base);
        at < self.bytes && bytes <= self.bytes - at || bytes == 0 && at == self.bytes
    }

    /// The page that holds this address, which is inside.
    #[inline]
    fn page(&self, address: u64) -> &Page {
        self.pages[(address / PAGE - self.base / PAGE) as usize].get_or_init(|| Box::new(Page::new()))
    }
}

impl fmt::Display for Allocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            write!(f, "an allocation of {} bytes at {:#x}", self.bytes, self.base)
        } else {
            write!(f, "`{}` ({} bytes)", self.name, self.bytes)
        }
    }
}

/// The memory during a launch; shared by the threads that run blocks.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    global: &'a Global,
    strictness: Strictness,
    /// Whether one thread alone runs all blocks.
    alone: bool,
}

impl<'a> Launch<'a> {
    /// The same, promised to be used by one thread at a time, which costs less.
    pub(crate) fn by_one_thread(self) -> Launch<'a> {
        Launch { alone: true, ..self }
    }

    /// The memory as the block of that linear index (up to 2^32) uses it.
    pub fn view(self, block: u64) -> View<'a> {
        View::new(self, block)
    }
}
