//! The kernel cache as its users meet it: several threads and processes, writers killed at any moment, damaged entries,
//! folders that cannot be written.
//!
//! Processes are this test program itself, started again with [`worker`] as its only test; see `support`.

mod damage;
mod folders;
#[cfg(unix)]
mod processes;
mod sharing;
mod support;

/// Started by other tests as a process of its own; by itself, with nothing asked of it, it does nothing.
#[test]
fn worker() {
    support::work();
}
