//! One block: its warps in turns, its barriers, its memories.
//!
//! ```text
//! warp 0  runs a slice .. stops at bar.sync      warp 1  runs a slice ..      warp 2 ..
//! all warps stopped or ended: barriers that are complete let warps go; if none is, the block is dead
//! ```
//!
//! Warps take turns by slices, so that one may spin until another has written. The result of a race-free kernel does not
//! depend on the turns; what races is found by the clocks of `memory`, not by the order that happens to be run here.

use super::barrier::{self, Barrier, Path};
use super::collective;
use super::faults;
use super::grid::Run;
use super::tally::Tally;
use super::warp::{self, State, Warp};
use crate::check::{Fault, Site, Wrong};
use crate::memory::clock::Clocks;
use crate::memory::global::View;
use crate::memory::local::Local;
use crate::memory::shared::Shared;

/// Instructions of a warp before the next one has its turn.
const SLICE: u32 = 2048;

/// Turns that each of the other warps gets to write what a warp read too early.
const LATE_SLICES: u32 = 64;

/// What the warps of a block share.
pub(crate) struct Surroundings<'a> {
    /// The launch.
    pub(crate) run: &'a Run<'a>,
    /// Linear index of the block.
    pub(crate) block: u64,
    /// Its coordinates.
    pub(crate) coordinates: [u32; 3],
    /// Shared memory.
    pub(crate) shared: Shared,
    /// Global memory.
    pub(crate) global: View<'a>,
    /// Local memory of each warp.
    pub(crate) local: Vec<Local>,
    /// Who has seen what of whom.
    pub(crate) clocks: Clocks,
    /// The barriers.
    pub(crate) barriers: [Barrier; barrier::COUNT],
    /// Barriers that somebody has arrived at, a bit each.
    pub(crate) arrived: u32,
    /// A barrier may be complete: the warp that runs has to stop and let the block look.
    pub(crate) pause: bool,
    /// Counts by instruction.
    pub(crate) tally: Tally,
    /// The instruction that runs.
    pub(crate) pc: u32,
    /// Warp instructions of this block so far.
    pub(crate) executed: u64,
}

/// A block; its memory is reused by the next one on the same thread.
pub(crate) struct Block<'a> {
    warps: Vec<Warp>,
    pub(crate) around: Surroundings<'a>,
}

/// A fault, with the warp and the instruction.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) fault: Fault,
    pub(crate) warp: u32,
    pub(crate) site: Site,
    pub(crate) coordinates: [u32; 3],
}

impl<'a> Block<'a> {
    /// Room for the blocks of a launch.
    pub(crate) fn new(run: &'a Run<'a>) -> Block<'a> {
        let warps = run.launch.threads().div_ceil(32);
        let kernel = &run.program.kernel;
        Block {
            warps: (0..warps).map(|index| Warp { index, ..Warp::default() }).collect(),
            around: Surroundings {
                run,
                block: 0,
                coordinates: [0; 3],
                shared: Shared::new(kernel.shared_bytes + run.launch.dynamic_shared, 0, run.options.checks),
                global: run.memory.view(0),
                local: (0..warps).map(|_| Local::new(kernel.local_bytes, run.options.checks)).collect(),
                clocks: Clocks::new(run.launch.threads()),
                barriers: Default::default(),
                arrived: 0,
                pause: false,
                tally: Tally::new(kernel.code.len()),
                pc: 0,
                executed: 0,
            },
        }
    }

    /// Runs one block.
    pub(crate) fn run(&mut self, index: u64) -> Result<(), Box<Found>> {
        self.reset(index);
        loop {
            let mut moved = false;
            for w in 0..self.warps.len() {
                if self.warps[w].state == State::Ready {
                    moved = true;
                    let outcome = warp::run(&mut self.warps[w], &mut self.around, SLICE);
                    if let Err(fault) = outcome.and_then(|()| self.limit()) {
                        let found = self.found(w, fault);
                        return Err(self.too_early(w, found));
                    }
                    self.barriers();
                }
            }
            if self.warps.iter().all(|warp| warp.state == State::Ended) {
                let longest = self.warps.iter().map(|warp| warp.path).max().unwrap_or_default();
                self.around.tally.path(longest);
                return Ok(());
            }
            if !moved {
                let (warp, fault) = faults::deadlock(&mut self.around, &self.warps);
                return Err(self.found(warp, fault));
            }
        }
    }

    fn reset(&mut self, index: u64) {
        let run = self.around.run;
        let (around, launch) = (&mut self.around, &run.launch);
        let [x, y, _] = launch.grid.map(u64::from);
        around.block = index;
        around.coordinates = [index % x, index / x % y, index / x / y].map(|n| n as u32);
        around.shared.reset(index);
        around.global = run.memory.view(index);
        around.local.iter_mut().for_each(Local::reset);
        around.clocks.reset();
        around.barriers.iter_mut().for_each(Barrier::reset);
        (around.arrived, around.executed, around.pause) = (0, 0, false);
        let threads = launch.threads();
        for warp in &mut self.warps {
            warp.registers.reset(run.program.kernel.banks, run.program.kernel.suspects.names.len());
            let lanes = (threads - 32 * warp.index).min(32);
            warp.splits.start(u32::MAX >> (32 - lanes));
            warp.state = State::Ready;
            warp.path = Path::default();
        }
    }

    /// Lets warps go on whose barrier is complete.
    fn barriers(&mut self) {
        if self.around.arrived == 0 {
            return;
        }
        let live = self.warps.iter().filter(|warp| warp.state != State::Ended).count() as u32;
        for number in 0..barrier::COUNT {
            if self.around.arrived >> number & 1 == 0 {
                continue;
            }
            let Some(done) = self.around.barriers[number].complete(live) else { continue };
            self.around.arrived &= !(1 << number);
            self.around.clocks.release(number as u32, &done.waited);
            for warp in &done.waited {
                collective::pass(&mut self.warps[*warp as usize], &self.around, &done);
            }
        }
    }

    /// Says of a read of bytes that nobody wrote whether another warp was about to write them: then a barrier is missing,
    /// which is the better thing to say. The other warps go on until they stop, and the warp at fault reads once more.
    fn too_early(&mut self, w: usize, found: Box<Found>) -> Box<Found> {
        if found.fault.wrong != Wrong::Uninitialised {
            return found;
        }
        for other in (0..self.warps.len()).filter(|other| *other != w) {
            let mut slices = 0..LATE_SLICES;
            while self.warps[other].state == State::Ready && slices.next().is_some() {
                if warp::run(&mut self.warps[other], &mut self.around, SLICE).is_err() {
                    break;
                }
                self.barriers();
            }
        }
        match warp::run(&mut self.warps[w], &mut self.around, 1) {
            Err(fault) if fault.wrong == Wrong::Race && Site(self.around.pc) == found.site => {
                let detail = match fault.detail.as_str() {
                    "" => "the write had not even happened yet".to_string(),
                    detail => format!("the write had not even happened yet; {detail}"),
                };
                self.found(w, Fault { detail, ..fault })
            }
            _ => found,
        }
    }

    fn limit(&self) -> Result<(), Fault> {
        let limit = self.around.run.options.instruction_limit;
        if self.around.executed <= limit {
            return Ok(());
        }
        Err(Fault::new(Wrong::Endless, 0, format!("the block has executed {limit} warp instructions")))
    }

    fn found(&self, warp: usize, fault: Fault) -> Box<Found> {
        Box::new(Found {
            fault,
            warp: warp as u32,
            site: Site(self.around.pc),
            coordinates: self.around.coordinates,
        })
    }
}
