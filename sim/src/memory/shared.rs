//! Memory of a block.

use super::clock::Clocks;
use super::{Access, Lanes, Strictness, Traffic};
use crate::check::Fault;

/// Who moves data asynchronously.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Agent {
    /// `cp.async`: the thread's own, in the generic proxy, completed by its groups.
    CpAsync,
}

/// Memory of a block, at addresses `0..bytes`.
#[derive(Clone, Debug)]
pub struct Shared {
    data: Vec<u32>,
}

impl Shared {
    /// Memory of that many bytes for the block of that linear index.
    pub fn new(bytes: u32, _block: u64, _strictness: Strictness) -> Shared {
        Shared { data: vec![0; bytes.div_ceil(4) as usize] }
    }

    /// Another block begins: nothing is written, nothing in flight.
    pub fn reset(&mut self, _block: u64) {}

    /// `ld.shared`; `ldmatrix` is a load of 16 bytes by the lanes that give its rows.
    pub fn load(
        &mut self,
        _clocks: &Clocks,
        access: &Access,
        out: &mut [Lanes; 4],
    ) -> Result<Traffic, Fault> {
        for lane in (0..32).filter(|lane| access.mask >> lane & 1 == 1) {
            for word in 0..access.bytes.div_ceil(4) as usize {
                out[word][lane] = self.data[access.address[lane] as usize / 4 + word];
            }
        }
        Ok(Traffic { wavefronts: 1, least_wavefronts: 1, sectors: 0 })
    }

    /// `st.shared`
    pub fn store(&mut self, _clocks: &Clocks, access: &Access, data: &[Lanes; 4]) -> Result<Traffic, Fault> {
        for lane in (0..32).filter(|lane| access.mask >> lane & 1 == 1) {
            for word in 0..access.bytes.div_ceil(4) as usize {
                self.data[access.address[lane] as usize / 4 + word] = data[word][lane];
            }
        }
        Ok(Traffic { wavefronts: 1, least_wavefronts: 1, sectors: 0 })
    }

    /// `atom.shared`, `red.shared`: lane by lane in order, `update(lane, old)` gives what to write; 2, 4 or 8 bytes.
    pub fn atomic(
        &mut self,
        _clocks: &Clocks,
        access: &Access,
        update: &mut dyn FnMut(usize, u64) -> u64,
        old: &mut [Lanes; 4],
    ) -> Result<Traffic, Fault> {
        for lane in (0..32).filter(|lane| access.mask >> lane & 1 == 1) {
            let cell = &mut self.data[access.address[lane] as usize / 4];
            old[0][lane] = *cell;
            *cell = update(lane, u64::from(*cell)) as u32;
        }
        Ok(Traffic { wavefronts: 1, least_wavefronts: 1, sectors: 0 })
    }

    /// `cp.async`: the data (zero fill included, 4, 8 or 16 bytes a lane) set out, and land when the lane waits.
    pub fn copy(&mut self, clocks: &Clocks, access: &Access, data: &[Lanes; 4]) -> Result<Traffic, Fault> {
        self.store(clocks, access, data)
    }

    /// `cp.async.commit_group`: closes the group of each lane's copies so far.
    pub fn commit(&mut self, _warp: u32, _mask: u32) {}

    /// `cp.async.wait_group`: all but the `newest` newest committed groups of each lane land.
    pub fn wait(&mut self, _clocks: &Clocks, _warp: u32, _mask: u32, _newest: u32) {}

    /// `cp.async.wait_all`: all copies of each lane land, committed or not.
    pub fn wait_all(&mut self, _clocks: &Clocks, _warp: u32, _mask: u32) {}
}
