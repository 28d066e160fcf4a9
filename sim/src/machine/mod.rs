//! Warps, blocks, grids: the part that runs.
//!
//! ```text
//! Module --kernel("name")--> Kernel --run(launch, arguments, memory, options)--> Report, or an Error
//!
//! grid      blocks in parallel, each with shared memory and clocks of its own
//! block     warps in turns, barriers
//! warp      fetch, guard, control;  splits: lanes that part and meet again
//! execute   registers in, registers out;  access: memories;  collective: lanes together;  tensor: matrices
//! ```
//!
//! Results are the same from run to run: blocks are independent unless the kernel uses atomics between them, counts are
//! sums of integers, and of several violations the one in the lowest block is reported. (A race between two blocks is found
//! in the one that comes second; with `Options::threads` = 1 that is always the higher one.)
//!
//! Where it is stricter than a GPU, besides what the memories check: lanes that shuffle, vote, match or reduce together have to
//! do so at one instruction, while `bar.warp.sync` and `barrier` without `.aligned` may be reached at several; a shuffle may
//! not read a lane that takes no part; a register is not read before it is written, but by a `mov` or `prmt`, which hands that
//! on (see `decode::unwritten`). Where it is laxer: registers that nobody wrote are 0 without checks. What it cannot do: blocks
//! that wait for higher ones need all of them at once (cooperative grids), which there are not; such a kernel is endless.

pub mod launch;
pub mod module;

mod access;
mod atomic;
mod barrier;
mod block;
mod collective;
mod compare;
mod copies;
mod execute;
mod faults;
mod floats;
mod grid;
mod integers;
mod moves;
mod registers;
mod splits;
mod tally;
mod tensor;
mod warp;

pub use launch::{Arguments, Error, Launch, Options, max_shared};
pub use module::{Kernel, Module};
