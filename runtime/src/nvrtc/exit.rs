//! The end of a process while one of its threads compiles.
//!
//! ```text
//! main    ... exit | waits .......... | NVRTC's globals are destroyed
//! thread       compiles ............ done
//! ```
//!
//! A process that exits destroys the globals of its libraries while threads still run, and a compilation that loses them ends
//! in a crash. So exit waits for compilations that are under way, and none begins any more. What is destroyed at exit goes in the
//! reverse order of registration, and NVRTC registers much of its own during its first compilation: ours, which has to go before,
//! is registered after that.

use super::error;
use crate::Error;
use std::ffi::c_int;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What the process compiles.
struct Compilations {
    running: usize,
    /// Whether exit waits for them.
    registered: bool,
    ending: bool,
}

static COMPILATIONS: Mutex<Compilations> =
    Mutex::new(Compilations { running: 0, registered: false, ending: false });
static ENDED: Condvar = Condvar::new();

unsafe extern "C" {
    /// Of the C library, on every system: has a function called when the process exits.
    fn atexit(call: extern "C" fn()) -> c_int;
}

/// While this lives, exit waits.
#[derive(Debug)]
pub struct Busy(());

impl Busy {
    /// Something begins that exit is to wait for.
    ///
    /// # Errors
    /// A bug where exit waits for nothing any more.
    pub(super) fn begin() -> Result<Busy, Error> {
        let mut all = compilations();
        if all.ending && all.running == 0 {
            return Err(error::call("nvrtcCompileProgram", "the process is ending"));
        }
        all.running += 1;
        Ok(Busy(()))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        compilations().running -= 1;
        ENDED.notify_all();
    }
}

/// Whether exit waits already.
pub(super) fn waits() -> bool {
    compilations().registered
}

/// Has exit wait from now on; to be called after a compilation.
pub(super) fn register() {
    let mut all = compilations();
    if !all.registered {
        // SAFETY: the function lives as long as the process, and nothing in it unwinds. A refusal leaves things as they were
        // without it.
        all.registered = unsafe { atexit(wait) } == 0;
    }
}

extern "C" fn wait() {
    let mut all = compilations();
    all.ending = true;
    while all.running > 0 {
        all = ENDED.wait(all).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Counts are whole after a panic elsewhere.
fn compilations() -> MutexGuard<'static, Compilations> {
    COMPILATIONS.lock().unwrap_or_else(PoisonError::into_inner)
}
