//! What is ordered before what inside a block: vector clocks over warps, and over the lanes of each warp.
//!
//! ```text
//! warp 0                warp 1
//! st [x]   stamp 1
//! bar.sync 0 ---------- bar.sync 0      warp 1 now knows stamp 1 of warp 0
//! st [y]   stamp 4      ld [x]          1 <= 1: ordered;  ld [y] would not be
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
//! Invariants, on which the compact records of `shared` and `global` rest:
//! - stamps are drawn from one counter of the block, so warps that leave one barrier together share a stamp;
//! - if `s <= known(w, v)` for some `v`, then whatever `w` itself did at stamps up to `s` is known to all lanes of `w`;
//! - hence `s <= floor(w)` alone says that all that anybody did at stamps up to `s` comes before what `w` does now.
//!
//! Source: Flanagan and Freund, "FastTrack: efficient and precise dynamic race detection" (PLDI 2009), with warps as threads.

/// The most warps of a block.
const WARPS: usize = 32;

/// Barriers of a block.
const BARRIERS: usize = 16;

/// Stamps by warp.
type Vector = [u32; WARPS];

/// Happens-before inside a block.
#[derive(Clone, Debug)]
pub struct Clocks {
    warps: Vec<Warp>,
    /// What those who arrived at each barrier knew.
    barriers: [Vector; BARRIERS],
    /// The newest stamp of any warp.
    counter: u32,
    /// Up to this stamp, everything comes before what anybody does now.
    settled: u32,
}

/// What a warp knows.
#[derive(Clone, Debug)]
struct Warp {
    stamp: u32,
    epoch: u32,
    /// The least of `known` over the warps of the block.
    floor: u32,
    /// By warp, the newest stamp that comes before what this warp does now. Its own: what all its lanes know of all.
    known: Vector,
    /// All lanes know what any of them did up to this time.
    common: u64,
    /// Lanes that exist.
    lanes: u32,
    /// Whether some lanes know more of others than `common`; then how much: `pairs[a][b]` is what `a` knows of `b`.
    apart: bool,
    pairs: Vec<[u64; 32]>,
}

/// A stamp and an epoch as one number that grows.
pub(crate) fn time(stamp: u32, epoch: u32) -> u64 {
    u64::from(stamp) << 32 | u64::from(epoch)
}

/// The stamp of a time.
pub(crate) fn stamp_of(time: u64) -> u32 {
    (time >> 32) as u32
}

impl Clocks {
    /// The clocks of a block of that many threads (1 to 1024; other numbers are taken as the nearest of these).
    pub fn new(threads: u32) -> Clocks {
        let threads = threads.clamp(1, 32 * WARPS as u32);
        let warp = |index: u32| {
            let lanes = (threads - 32 * index).min(32);
            Warp {
                stamp: 1,
                epoch: 0,
                floor: 0,
                known: [0; WARPS],
                common: 0,
                lanes: u32::MAX >> (32 - lanes),
                apart: false,
                pairs: Vec::new(),
            }
        };
        Clocks {
            warps: (0..threads.div_ceil(32)).map(warp).collect(),
            barriers: [[0; WARPS]; BARRIERS],
            counter: 1,
            settled: 0,
        }
    }

    /// Warps of the block.
    pub fn warps(&self) -> usize {
        self.warps.len()
    }

    /// A new block of as many threads begins.
    pub fn reset(&mut self) {
        for warp in &mut self.warps {
            (warp.stamp, warp.epoch, warp.floor, warp.common, warp.apart) = (1, 0, 0, 0, false);
            warp.known = [0; WARPS];
        }
        self.barriers = [[0; WARPS]; BARRIERS];
        (self.counter, self.settled) = (1, 0);
    }

    /// `bar.warp.sync`: orders the lanes of `mask` among one another. (Lanes that do not exist may be in the mask.)
    pub fn warp_sync(&mut self, warp: u32, mask: u32) {
        let alone = self.warps.len() == 1;
        let Some(this) = self.warps.get_mut(warp as usize) else { return };
        if this.lanes & !mask != 0 {
            this.sync_some(mask & this.lanes);
        } else if alone {
            // A block of one warp: the same as a barrier, which keeps its records short.
            self.release(0, &[warp]);
        } else {
            this.common = time(this.stamp, this.epoch);
            this.apart = false;
            this.epoch += 1;
        }
    }

    /// The warp arrives at a barrier (0..16): all that it did so far comes before what those do who are released there.
    pub fn arrive(&mut self, barrier: u32, warp: u32) {
        let (Some(joined), Some(this)) =
            (self.barriers.get_mut(barrier as usize), self.warps.get_mut(warp as usize))
        else {
            return;
        };
        join(joined, &this.known);
        joined[warp as usize] = this.stamp;
        self.counter += 1;
        (this.stamp, this.epoch) = (self.counter, 0);
    }

    /// The barrier is complete, and these warps, which waited, go on. Those that only arrived are not named.
    pub fn release(&mut self, barrier: u32, warps: &[u32]) {
        let Some(joined) = self.barriers.get_mut(barrier as usize) else { return };
        let joined = std::mem::replace(joined, [0; WARPS]);
        self.counter += 1;
        let count = self.warps.len();
        for &warp in warps {
            let Some(this) = self.warps.get_mut(warp as usize) else { continue };
            join(&mut this.known, &joined);
            this.known[warp as usize] = this.stamp;
            this.common = time(this.stamp, this.epoch);
            this.apart = false;
            (this.stamp, this.epoch) = (self.counter, 0);
            this.floor = this.known[..count].iter().copied().min().unwrap_or(0);
        }
        self.settled = self.warps.iter().map(|warp| warp.floor).min().unwrap_or(0);
    }

    /// The stamp of what the warp does now.
    pub(crate) fn stamp(&self, warp: u32) -> u32 {
        self.warps[warp as usize].stamp
    }

    /// The epoch of what the warp does now.
    pub(crate) fn epoch(&self, warp: u32) -> u32 {
        self.warps[warp as usize].epoch
    }

    /// Up to this stamp, all that anybody did comes before what the warp does now.
    pub(crate) fn floor(&self, warp: u32) -> u32 {
        self.warps[warp as usize].floor
    }

    /// Up to this stamp, all that anybody did comes before what anybody does now.
    pub(crate) fn settled(&self) -> u32 {
        self.settled
    }

    /// Up to this stamp, what `other` (another warp) did comes before what `warp` does now.
    pub(crate) fn known(&self, warp: u32, other: u32) -> u32 {
        self.warps[warp as usize].known[other as usize & (WARPS - 1)]
    }

    /// Whether what `other`, a lane of the same warp, did at that time comes before what `lane` does now.
    pub(crate) fn lanes_ordered(&self, warp: u32, lane: u32, other: u32, time: u64) -> bool {
        let warp = &self.warps[warp as usize];
        lane == other
            || time <= warp.common
            || warp.apart && time <= warp.pairs[lane as usize & 31][other as usize & 31]
    }
}

impl Warp {
    /// A `bar.warp.sync` by part of the warp: each of them learns what the others know, and what they did.
    fn sync_some(&mut self, mask: u32) {
        if !self.apart {
            self.pairs.clear();
            self.pairs.resize(32, [0; 32]);
            self.apart = true;
        }
        let mut joined = [0; 32];
        for lane in (0..32).filter(|lane| mask >> lane & 1 == 1) {
            for (most, known) in joined.iter_mut().zip(&self.pairs[lane]) {
                *most = (*most).max(*known);
            }
        }
        let now = time(self.stamp, self.epoch);
        for lane in (0..32).filter(|lane| mask >> lane & 1 == 1) {
            joined[lane] = now;
        }
        for lane in (0..32).filter(|lane| mask >> lane & 1 == 1) {
            self.pairs[lane] = joined;
        }
        self.epoch += 1;
    }
}

fn join(into: &mut Vector, from: &Vector) {
    for (most, known) in into.iter_mut().zip(from) {
        *most = (*most).max(*known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether what `v` did at `stamp` comes before what `w` does now.
    fn before(clocks: &Clocks, v: u32, stamp: u32, w: u32) -> bool {
        stamp <= clocks.known(w, v)
    }

    #[test]
    fn a_barrier_orders_what_came_before_it_and_nothing_after() {
        let mut clocks = Clocks::new(64);
        let first = clocks.stamp(0);
        assert!(!before(&clocks, 0, first, 1));
        clocks.arrive(0, 0);
        clocks.arrive(0, 1);
        clocks.release(0, &[0, 1]);
        assert!(before(&clocks, 0, first, 1) && clocks.floor(1) >= first && clocks.settled() >= first);
        assert!(!before(&clocks, 0, clocks.stamp(0), 1));
    }

    #[test]
    fn what_a_warp_does_after_bar_arrive_is_not_ordered_by_that_barrier() {
        let mut clocks = Clocks::new(64);
        let early = clocks.stamp(0);
        clocks.arrive(3, 0);
        let late = clocks.stamp(0);
        clocks.arrive(3, 1);
        clocks.release(3, &[1]);
        assert!(before(&clocks, 0, early, 1) && !before(&clocks, 0, late, 1));
        assert!(!before(&clocks, 1, 1, 0), "the one that only arrived learns nothing");
    }

    #[test]
    fn knowledge_travels_over_two_barriers() {
        let mut clocks = Clocks::new(96);
        let first = clocks.stamp(0);
        for (barrier, pair) in [(1, [0, 1]), (2, [1, 2])] {
            pair.into_iter().for_each(|warp| clocks.arrive(barrier, warp));
            clocks.release(barrier, &pair);
        }
        assert!(before(&clocks, 0, first, 2));
        assert!(!before(&clocks, 2, first, 0), "but not back");
    }

    #[test]
    fn part_of_a_warp_synchronises_with_itself_only() {
        let mut clocks = Clocks::new(64);
        let first = time(clocks.stamp(0), clocks.epoch(0));
        clocks.warp_sync(0, 0b0011);
        assert!(clocks.lanes_ordered(0, 0, 1, first) && !clocks.lanes_ordered(0, 0, 2, first));
        let second = time(clocks.stamp(0), clocks.epoch(0));
        clocks.warp_sync(0, 0b0110);
        assert!(clocks.lanes_ordered(0, 2, 0, first), "lane 1 passes on what it knows of lane 0");
        assert!(!clocks.lanes_ordered(0, 2, 0, second) && !clocks.lanes_ordered(0, 0, 1, second));
        clocks.warp_sync(0, u32::MAX);
        assert!(clocks.lanes_ordered(0, 31, 1, second));
    }

    #[test]
    fn lanes_that_do_not_exist_are_not_waited_for() {
        for threads in [5, 37] {
            let mut clocks = Clocks::new(threads);
            let warp = clocks.warps() as u32 - 1;
            let first = time(clocks.stamp(warp), clocks.epoch(warp));
            clocks.warp_sync(warp, 0b11111);
            assert!(clocks.lanes_ordered(warp, 4, 0, first));
            assert!(!clocks.warps[warp as usize].apart);
        }
    }

    #[test]
    fn numbers_out_of_range_do_nothing() {
        let mut clocks = Clocks::new(0);
        clocks.arrive(16, 0);
        clocks.arrive(0, 9);
        clocks.release(99, &[0]);
        clocks.release(0, &[7]);
        clocks.warp_sync(32, u32::MAX);
        assert_eq!(clocks.warps(), 1);
    }
}
