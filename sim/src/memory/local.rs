//! Memory of each lane: arrays of a thread's own, and spills.

use super::{Access, Lanes, Strictness};
use crate::check::Fault;

/// Local memory of a warp: each lane has as many bytes, at addresses `0..bytes` of its own.
#[derive(Clone, Debug)]
pub struct Local {
    data: Vec<Lanes>,
}

impl Local {
    /// Local memory of a warp, of that many bytes a lane.
    pub fn new(bytes: u32, _strictness: Strictness) -> Local {
        Local { data: vec![[0; 32]; bytes.div_ceil(4) as usize] }
    }

    /// A new block begins: nothing is written.
    pub fn reset(&mut self) {}

    /// `ld.local`; each lane reads its own bytes.
    pub fn load(&self, access: &Access, out: &mut [Lanes; 4]) -> Result<(), Fault> {
        for lane in (0..32).filter(|lane| access.mask >> lane & 1 == 1) {
            for word in 0..access.bytes.div_ceil(4) as usize {
                out[word][lane] = self.data[access.address[lane] as usize / 4 + word][lane];
            }
        }
        Ok(())
    }

    /// `st.local`
    pub fn store(&mut self, access: &Access, data: &[Lanes; 4]) -> Result<(), Fault> {
        for lane in (0..32).filter(|lane| access.mask >> lane & 1 == 1) {
            for word in 0..access.bytes.div_ceil(4) as usize {
                self.data[access.address[lane] as usize / 4 + word][lane] = data[word][lane];
            }
        }
        Ok(())
    }
}
