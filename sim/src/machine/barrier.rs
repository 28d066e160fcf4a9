//! The sixteen barriers of a block.
//!
//! ```text
//! bar.sync 0;            all warps of the block that have not ended
//! bar.sync 1, 64;        two warps, whichever come first; both wait
//! bar.arrive 1, 64;      counts as one of the two, and goes on
//! bar.red.popc 0, p;     waits, and tells everyone how many threads have p
//! ```
//!
//! A warp counts as 32 threads, whether all of its lanes exist or not, since hardware counts warps. A barrier without a
//! count waits for the warps that have not ended: one that ends may complete it. All arrivals of one use have to name
//! the same count. Source: PTX ISA, "Parallel Synchronization and Communication Instructions: bar, barrier", and "exit".

use crate::check::{Fault, Wrong};

/// Barriers of a block.
pub(crate) const COUNT: usize = 16;

/// A warp's arrival.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// The warp.
    pub(crate) warp: u32,
    /// Threads that the barrier waits for; `None` means all of the block.
    pub(crate) threads: Option<u32>,
    /// Whether the warp stops until the barrier is complete.
    pub(crate) waits: bool,
    /// How many of its lanes arrive, and how many of them have the predicate of a reduction.
    pub(crate) lanes: u32,
    /// See `lanes`.
    pub(crate) holding: u32,
    /// What it has behind it.
    pub(crate) path: Path,
}

/// The longest chain of instructions that ends at a point of a warp, through the barriers that it waited at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) struct Path {
    /// Warp instructions.
    pub(crate) instructions: u64,
    /// Barriers.
    pub(crate) barriers: u64,
}

/// A barrier in use.
#[derive(Clone, Default, Debug)]
pub(crate) struct Barrier {
    arrivals: Vec<Arrival>,
}

/// What a complete barrier tells.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Completion {
    /// The warps that waited.
    pub(crate) waited: Vec<u32>,
    /// Threads that arrived.
    pub(crate) lanes: u32,
    /// Threads with the predicate.
    pub(crate) holding: u32,
    /// The longest of their paths.
    pub(crate) path: Path,
}

impl Barrier {
    /// Nobody is here.
    pub(crate) fn reset(&mut self) {
        self.arrivals.clear();
    }

    /// A warp arrives, in a block of so many warps.
    pub(crate) fn arrive(&mut self, number: usize, warps: u32, arrival: Arrival) -> Result<(), Fault> {
        let fault = |detail| Err(Fault::new(Wrong::Barrier, 0, detail));
        if let Some(threads) = arrival.threads
            && (threads == 0 || !threads.is_multiple_of(32))
        {
            return fault(format!("barrier {number} is to count {threads} threads"));
        }
        if let Some(first) = self.arrivals.first()
            && first.threads.unwrap_or(32 * warps) != arrival.threads.unwrap_or(32 * warps)
        {
            let say = |threads: Option<u32>| threads.map_or("all threads".into(), |n| format!("{n} threads"));
            return fault(format!(
                "barrier {number} counts {} here, and {} for warp {}, which arrived before",
                say(arrival.threads),
                say(first.threads),
                first.warp
            ));
        }
        self.arrivals.push(arrival);
        Ok(())
    }

    /// Whether enough warps have arrived, given how many of the block have not ended; then the barrier is free again.
    pub(crate) fn complete(&mut self, live_warps: u32) -> Option<Completion> {
        let needed = self.arrivals.first()?.threads.map_or(live_warps, |threads| threads / 32);
        if (self.arrivals.len() as u32) < needed {
            return None;
        }
        let all = &self.arrivals;
        let done = Completion {
            waited: all.iter().filter(|a| a.waits).map(|a| a.warp).collect(),
            lanes: all.iter().map(|a| a.lanes).sum(),
            holding: all.iter().map(|a| a.holding).sum(),
            path: all.iter().map(|a| a.path).max().unwrap_or_default(),
        };
        self.arrivals.clear();
        Some(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(warp: u32, threads: Option<u32>, waits: bool) -> Arrival {
        Arrival {
            warp,
            threads,
            waits,
            lanes: 32,
            holding: warp,
            path: Path { instructions: warp.into(), barriers: 0 },
        }
    }

    #[test]
    fn a_barrier_without_count_waits_for_the_warps_that_are_left() {
        let mut barrier = Barrier::default();
        for warp in 0..3 {
            barrier.arrive(0, 4, arrival(warp, None, true)).unwrap();
            assert_eq!(barrier.complete(4), None);
        }
        let done = barrier.complete(3).unwrap();
        assert_eq!((done.waited, done.lanes, done.holding), (vec![0, 1, 2], 96, 3));
        assert_eq!(barrier.complete(0), None, "the barrier is free again");
    }

    #[test]
    fn arrivals_count_and_do_not_wait() {
        let mut barrier = Barrier::default();
        barrier.arrive(1, 8, arrival(0, Some(64), false)).unwrap();
        assert_eq!(barrier.complete(8), None);
        barrier.arrive(1, 8, arrival(5, Some(64), true)).unwrap();
        let done = barrier.complete(8).unwrap();
        assert_eq!((done.waited, done.lanes), (vec![5], 64));
    }

    #[test]
    fn counts_are_multiples_of_a_warp_and_agree() {
        let mut barrier = Barrier::default();
        assert_eq!(barrier.arrive(1, 8, arrival(0, Some(33), true)).unwrap_err().wrong, Wrong::Barrier);
        barrier.arrive(1, 8, arrival(0, Some(64), true)).unwrap();
        assert_eq!(barrier.arrive(1, 8, arrival(1, Some(96), true)).unwrap_err().wrong, Wrong::Barrier);
    }
}
