//! A launch: blocks side by side on the threads of rayon, and their counts added up.
//!
//! ```text
//! next block 0 1 2 3 4 5 ..        thread A: 0, 2, 3, ..     thread B: 1, 4, 5, ..
//! block 4 violates                 threads finish what they have, and take no block above 4
//! ```
//!
//! Threads take blocks in order. So a block that waits for a lower one (a look-back scan) always ends; and of all
//! violations the one in the lowest block is found, since every lower block was taken before.

use super::block::{Block, Found};
use super::launch::{Error, Launch, Options};
use super::module::Program;
use super::tally::Tally;
use crate::check::{Fault, Party, Violation};
use crate::count::Report;
use crate::memory::constant::Constant;
use crate::memory::global;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// A launch that runs.
pub(crate) struct Run<'a> {
    pub(crate) program: &'a Program,
    pub(crate) launch: Launch,
    pub(crate) options: Options,
    /// Parameter space.
    pub(crate) params: Constant,
    /// Global memory.
    pub(crate) memory: global::Launch<'a>,
    /// Where each variable of the module lies in its space.
    pub(crate) variables: Vec<u64>,
    /// How many threads run blocks.
    pub(crate) threads: usize,
}

impl Run<'_> {
    /// Where a variable of the module lies in its space.
    pub(crate) fn variable(&self, index: u32) -> u64 {
        self.variables.get(index as usize).copied().unwrap_or(0)
    }
}

/// What the threads have in common.
struct Progress {
    next: AtomicU64,
    /// No block from this one on needs to run.
    end: AtomicU64,
    outcome: Mutex<Outcome>,
}

#[derive(Default)]
struct Outcome {
    tally: Tally,
    first: Option<(u64, Box<Found>)>,
}

/// Runs all blocks.
pub(crate) fn run(run: &Run<'_>) -> Result<Report, Error> {
    let blocks = run.launch.blocks();
    let progress = Progress {
        next: AtomicU64::new(0),
        end: AtomicU64::new(blocks),
        outcome: Mutex::new(Outcome { tally: Tally::new(run.program.kernel.code.len()), first: None }),
    };
    match run.threads {
        1 => work(run, &progress),
        threads => rayon::scope(|scope| (0..threads).for_each(|_| scope.spawn(|_| work(run, &progress)))),
    }
    let outcome = progress.outcome.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    match outcome.first {
        Some((block, found)) => Err(Error::Violation(Box::new(violation(run, block, *found)))),
        None => Ok(outcome.tally.report(&run.program.kernel, run.options.lines)),
    }
}

/// How many threads run the blocks of a launch.
pub(crate) fn threads(launch: &Launch, options: &Options) -> usize {
    let most = rayon::current_num_threads().min(usize::try_from(launch.blocks()).unwrap_or(usize::MAX));
    if options.threads == 0 { most } else { most.min(options.threads) }
}

/// Takes blocks and runs them until none is left.
fn work(run: &Run<'_>, progress: &Progress) {
    let mut block = Block::new(run);
    let mut found = None;
    loop {
        let index = progress.next.fetch_add(1, Ordering::Relaxed);
        if index >= progress.end.load(Ordering::Relaxed) {
            break;
        }
        if let Err(what) = block.run(index) {
            progress.end.fetch_min(index, Ordering::Relaxed);
            found = Some((index, what));
            break;
        }
    }
    let mut outcome = progress.outcome.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    outcome.tally.add(&block.around.tally);
    if let Some((index, found)) = found
        && outcome.first.as_ref().is_none_or(|(first, _)| index < *first)
    {
        outcome.first = Some((index, found));
    }
}

fn violation(run: &Run<'_>, block: u64, found: Found) -> Violation {
    let Fault { lane, .. } = found.fault;
    let other_place =
        found.fault.other.map_or_else(String::new, |(other, _)| run.program.place(other.site.0));
    Violation {
        kernel: run.program.kernel.name.clone(),
        party: Party { block, warp: found.warp, lane, site: found.site },
        block: found.coordinates,
        place: run.program.place(found.site.0),
        other_place,
        fault: found.fault,
    }
}
