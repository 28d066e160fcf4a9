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
//! sums of integers, and of several violations the one in the lowest block is reported.

pub mod launch;
pub mod module;

mod access;
mod atomic;
mod barrier;
mod block;
mod collective;
mod compare;
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
