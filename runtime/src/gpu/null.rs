//! A machine that does nothing and counts what it is asked for: what is left of a launch is the host's part, to be measured,
//! and what a launch asks of a driver, to be held to.
//!
//! It loads any binary, has as much memory as there are addresses, which mean nothing, and every result is zero.

use super::driver::{Call, Driver, Queue};
use crate::error::{Error, Result};
use crate::nvrtc::{Binary, Code};
use chunkwise_codegen::{Arch, Kernel};
use std::ffi::c_void;
use std::sync::Arc;

/// A machine that does nothing.
#[derive(Debug)]
pub(crate) struct Null(pub(crate) Arch);

/// What was asked of the queue of a device that does nothing ([`Device::null`](crate::Device::null)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Requests {
    /// Launches of kernels.
    pub launches: u64,
    /// Blocks of all launches together.
    pub blocks: u64,
    /// Requests for memory.
    pub allocations: u64,
    /// Copies, to the machine or from it.
    pub copies: u64,
    /// Times that the host waited for the machine.
    pub waits: u64,
}

/// Counts.
#[derive(Debug)]
pub(crate) struct NullQueue {
    pub(crate) requests: Requests,
    /// Where the next allocation begins.
    next: u64,
}

impl Driver for Null {
    type Function = ();
    type Queue = NullQueue;

    fn arch(&self) -> Arch {
        self.0
    }

    fn multiprocessors(&self) -> usize {
        1
    }

    fn code(&self) -> Code {
        Code::Machine
    }

    fn compiler_options(&self) -> &'static [&'static str] {
        &[]
    }

    fn stands_in(&self) -> bool {
        true
    }

    fn load(&self, _: &Binary, _: &Kernel) -> Result<()> {
        Ok(())
    }

    fn queue(self: &Arc<Self>) -> Result<NullQueue> {
        Ok(NullQueue { requests: Requests::default(), next: 256 })
    }

    unsafe fn queue_on(self: &Arc<Self>, _: *mut c_void) -> Result<NullQueue> {
        self.queue()
    }
}

impl Queue for NullQueue {
    type Function = ();

    fn upload(&mut self, name: &str, bytes: &[u8]) -> Result<u64> {
        self.requests.copies += 1;
        self.allocate(name, bytes.len())
    }

    fn allocate(&mut self, name: &str, bytes: usize) -> Result<u64> {
        let address = self.next;
        // No two allocations begin at one address, not even empty ones.
        let end = address.checked_add(bytes as u64 + 1).and_then(|end| end.checked_next_multiple_of(256));
        self.next = end.ok_or_else(|| {
            Error::limitation(
                format!("no addresses are left for the {bytes} bytes of `{name}`"),
                "ask for fewer",
            )
        })?;
        self.requests.allocations += 1;
        Ok(address)
    }

    fn launch(&mut self, call: Call<'_, ()>) -> Result<()> {
        self.requests.launches += 1;
        self.requests.blocks += u64::from(call.blocks);
        // What a driver does with the arguments: it reads them all.
        std::hint::black_box(call.arguments.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)));
        Ok(())
    }

    fn wait(&mut self) -> Result<()> {
        self.requests.waits += 1;
        Ok(())
    }

    fn time(&mut self, sets: &[Vec<Call<'_, ()>>], repeats: usize) -> Result<Vec<f64>> {
        sets.iter()
            .cycle()
            .take(repeats)
            .try_for_each(|calls| calls.iter().try_for_each(|&c| self.launch(c)))?;
        Ok(vec![0.0; repeats])
    }

    fn unwritten(&self, _: u64, _: usize) -> Option<usize> {
        None
    }

    fn download(&mut self, _: u64, bytes: usize) -> Result<Vec<u8>> {
        self.requests.copies += 1;
        Ok(vec![0; bytes])
    }
}
