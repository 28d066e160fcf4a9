//! Bytes that only the host writes: constant memory and a kernel's parameters.

use super::{Access, Lanes};
use crate::check::{Fault, Wrong};

/// Bytes that a kernel only reads.
#[derive(Clone, Debug)]
pub struct Constant {
    space: &'static str,
    bytes: Vec<u8>,
}

impl Constant {
    /// Memory of a space: `const` or `param`.
    pub fn new(space: &'static str, bytes: &[u8]) -> Constant {
        Constant { space, bytes: bytes.to_vec() }
    }

    /// `ld.const`, `ld.param`.
    pub fn load(&self, access: &Access, out: &mut [Lanes; 4]) -> Result<(), Fault> {
        let size = access.bytes as usize;
        for lane in (0..32).filter(|lane| access.mask >> lane & 1 == 1) {
            let address = access.address[lane];
            let range = usize::try_from(address).ok().and_then(|start| Some(start..start.checked_add(size)?));
            let Some(bytes) = range.and_then(|range| self.bytes.get(range)) else {
                return Err(self.fault(Wrong::OutOfBounds, access, lane, false));
            };
            if !address.is_multiple_of(size as u64) {
                return Err(self.fault(Wrong::Misaligned, access, lane, false));
            }
            for (word, chunk) in bytes.chunks(4).enumerate() {
                let mut padded = [0; 4];
                padded[..chunk.len()].copy_from_slice(chunk);
                out[word][lane] = u32::from_le_bytes(padded);
            }
        }
        Ok(())
    }

    /// A store through a generic address: always a fault.
    pub fn store(&self, access: &Access) -> Result<(), Fault> {
        match access.mask {
            0 => Ok(()),
            mask => Err(self.fault(Wrong::ReadOnly, access, mask.trailing_zeros() as usize, true)),
        }
    }

    fn fault(&self, wrong: Wrong, access: &Access, lane: usize, writes: bool) -> Fault {
        Fault {
            wrong,
            lane: lane as u32,
            address: Some(access.address[lane]),
            space: self.space,
            bytes: access.bytes,
            writes,
            other: None,
            detail: format!("{} memory has {} bytes here", self.space, self.bytes.len()),
        }
    }
}
