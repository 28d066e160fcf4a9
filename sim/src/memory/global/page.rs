//! A page of global memory: 4 KiB of data, which bytes are written, and who was there during the launch. Addresses are
//! absolute: a page looks at the low bits.
//!
//! Blocks run on several threads and reach the same pages, so that all is atomic words, read and written in no particular
//! order: what a kernel's weak accesses mean on a GPU.

use super::sector::{SECTOR, Sector};
use super::trace::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// Bytes of a page.
pub(super) const PAGE: u64 = 4096;

const WORDS: usize = PAGE as usize / 4;

/// The records of a page's words.
pub(super) type Trace = [Cell; WORDS];

/// The records of a page's sectors.
type Sectors = [Sector; (PAGE / SECTOR) as usize];

/// A page. Bytes that nobody wrote are `0xff`.
#[derive(Debug)]
pub(super) struct Page {
    words: [AtomicU32; WORDS],
    /// A bit a byte, a sector a word.
    written: [AtomicU32; (PAGE / SECTOR) as usize],
    sectors: OnceLock<Box<Sectors>>,
    trace: OnceLock<Box<Trace>>,
    /// Whether the sectors have been used since they were last cleared. Those of words are cleared when they are.
    used: AtomicBool,
}

impl Page {
    pub(super) fn new() -> Page {
        Page {
            words: std::array::from_fn(|_| AtomicU32::new(u32::MAX)),
            written: std::array::from_fn(|_| AtomicU32::new(0)),
            sectors: OnceLock::new(),
            trace: OnceLock::new(),
            used: AtomicBool::new(false),
        }
    }

    /// The word that holds this byte.
    #[inline]
    pub(super) fn word(&self, at: u64) -> &AtomicU32 {
        &self.words[(at % PAGE) as usize / 4]
    }

    /// Words from this byte on.
    #[inline]
    pub(super) fn words<const COUNT: usize>(&self, at: u64) -> &[AtomicU32] {
        let start = (at % PAGE) as usize / 4;
        &self.words[start..start + COUNT]
    }

    /// Replaces some bits of a word; its other bits may be others' at the same time.
    pub(super) fn put_part(&self, at: u64, mask: u32, value: u32) {
        let word = self.word(at);
        if mask == u32::MAX {
            word.store(value, Relaxed);
            return;
        }
        let mut old = word.load(Relaxed);
        while let Err(now) = word.compare_exchange_weak(old, (old & !mask) | (value & mask), Relaxed, Relaxed)
        {
            old = now;
        }
    }

    /// Whether these bytes (a bit each) of the sector that holds this address are written.
    #[inline]
    pub(super) fn is_written(&self, at: u64, bytes: u32) -> bool {
        self.written[(at % PAGE / SECTOR) as usize].load(Relaxed) & bytes == bytes
    }

    /// Notes that these bytes (a bit each) of the sector that holds this address are written.
    #[inline]
    pub(super) fn set_written(&self, at: u64, bytes: u32) {
        let written = &self.written[(at % PAGE / SECTOR) as usize];
        if written.load(Relaxed) & bytes != bytes {
            written.fetch_or(bytes, Relaxed);
        }
    }

    /// The record of the sector that holds this byte.
    #[inline]
    pub(super) fn sector(&self, at: u64) -> &Sector {
        if !self.used.load(Relaxed) {
            self.used.store(true, Relaxed);
        }
        let sectors = self.sectors.get_or_init(|| Box::new(std::array::from_fn(|_| Sector::default())));
        &sectors[(at % PAGE / SECTOR) as usize]
    }

    /// The records of all words.
    #[inline]
    pub(super) fn trace(&self) -> &Trace {
        self.trace.get_or_init(|| Box::new(std::array::from_fn(|_| Cell::default())))
    }

    /// A launch begins.
    pub(super) fn clear_trace(&mut self) {
        if std::mem::take(self.used.get_mut())
            && let Some(sectors) = self.sectors.get_mut()
        {
            sectors.fill_with(Sector::default);
        }
    }
}
