//! Memory of all blocks.
//!
//! ```text
//! let mut memory = Global::new();
//! let q = memory.alloc_named(4096, 256, "q")?;              an address above 4 GiB, with gaps around
//! memory.write(q, &bytes)?;
//! let launch = memory.launch(Strictness::Lanes);            shared by all threads of the machine
//! let mut view = launch.view(block);                        one for each block
//! view.load(&clocks, &access, &mut out)?;
//! ```

use super::clock::Clocks;
use super::{Access, Lanes, Strictness, Traffic};
use crate::check::Fault;

/// What a host did wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HostError {
    /// An alignment that is no power of two.
    #[error("an alignment has to be a power of two, not {0}")]
    Alignment(u64),
    /// No addresses are left.
    #[error("{0} bytes do not fit the simulated address space")]
    TooLarge(u64),
    /// An address that no allocation starts at, or that lies in none.
    #[error("{bytes} bytes at {address:#x} lie in no allocation")]
    Range {
        /// The first byte.
        address: u64,
        /// How many.
        bytes: u64,
    },
}

/// Memory of all blocks, and of the host between launches.
#[derive(Debug, Default)]
pub struct Global {
    /// Where the variables of modules lie, by what tells modules apart; the machine's to keep.
    pub(crate) modules: std::collections::BTreeMap<u64, Vec<u64>>,
    next: u64,
}

impl Global {
    /// Nothing is allocated.
    pub fn new() -> Global {
        Global::default()
    }

    /// Allocates bytes that nobody has written, at a multiple of `align` (a power of two).
    pub fn alloc(&mut self, bytes: u64, align: u64) -> Result<u64, HostError> {
        self.alloc_named(bytes, align, "")
    }

    /// The same, with a name for messages.
    pub fn alloc_named(&mut self, bytes: u64, align: u64, _name: &str) -> Result<u64, HostError> {
        self.next = (self.next + bytes + 4096).next_multiple_of(align.max(256));
        Ok(self.next)
    }

    /// Gives back what begins at this address.
    pub fn free(&mut self, _address: u64) -> Result<(), HostError> {
        Ok(())
    }

    /// Writes bytes from the host.
    pub fn write(&mut self, _address: u64, _bytes: &[u8]) -> Result<(), HostError> {
        Ok(())
    }

    /// Writes one byte over and over.
    pub fn fill(&mut self, _address: u64, _bytes: u64, _value: u8) -> Result<(), HostError> {
        Ok(())
    }

    /// Reads bytes; those that nobody wrote are `0xff` (NaN in any floating type).
    pub fn read(&self, _address: u64, _bytes: &mut [u8]) -> Result<(), HostError> {
        Ok(())
    }

    /// Whether all bytes of the range are written.
    pub fn written(&self, _address: u64, _bytes: u64) -> Result<bool, HostError> {
        Ok(true)
    }

    /// A launch begins: what earlier ones did races with nothing any more.
    pub fn launch(&mut self, _strictness: Strictness) -> Launch<'_> {
        Launch { _global: self }
    }
}

/// The memory during a launch; shared by the threads that run blocks.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    _global: &'a Global,
}

impl<'a> Launch<'a> {
    /// The memory as the block of that linear index uses it.
    pub fn view(self, _block: u64) -> View<'a> {
        View { _launch: self }
    }
}

/// The memory as one block uses it.
#[derive(Debug)]
pub struct View<'a> {
    _launch: Launch<'a>,
}

impl View<'_> {
    /// `ld.global`
    pub fn load(
        &mut self,
        _clocks: &Clocks,
        _access: &Access,
        _out: &mut [Lanes; 4],
    ) -> Result<Traffic, Fault> {
        Ok(Traffic::default())
    }

    /// `st.global`
    pub fn store(
        &mut self,
        _clocks: &Clocks,
        _access: &Access,
        _data: &[Lanes; 4],
    ) -> Result<Traffic, Fault> {
        Ok(Traffic::default())
    }

    /// `atom.global`, `red.global`: lane by lane in order, `update(lane, old)` gives what to write; 2, 4 or 8 bytes.
    pub fn atomic(
        &mut self,
        _clocks: &Clocks,
        _access: &Access,
        _update: &mut dyn FnMut(usize, u64) -> u64,
        _old: &mut [Lanes; 4],
    ) -> Result<Traffic, Fault> {
        Ok(Traffic::default())
    }
}
