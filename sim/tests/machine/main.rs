//! The machine, construct by construct: small kernels in PTX, written by hand, against what the PTX ISA says.
//!
//! `harness` wraps a few lines of PTX into a kernel whose threads each write one number; a test says what each number has
//! to be. `faults` holds a golden message for each kind of violation.

mod barriers;
mod collectives;
mod control;
mod faults;
mod harness;
mod launches;
mod programs;
mod spaces;
mod unwritten;
