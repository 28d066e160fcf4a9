//! The command line, tested from outside: every test runs the real binary.

mod bad_input;
mod bench;
mod binary;
mod commands;
mod help;
mod robust;
mod run;
mod simulator;
