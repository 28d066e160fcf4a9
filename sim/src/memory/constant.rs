//! Bytes that only the host writes: constant memory and a kernel's parameters.

use super::lanes::lanes_of;
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
        for lane in lanes_of(access.mask) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Site;
    use crate::memory::Order;

    #[test]
    fn reads_what_the_host_wrote_and_nothing_else() {
        let memory = Constant::new("param", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        let load = |at: u64, bytes| {
            let mut out = [[0; 32]; 4];
            let address = [at; 32];
            let access =
                Access { warp: 0, site: Site(0), mask: 8, address: &address, bytes, order: Order::Weak };
            assert_eq!(memory.store(&access).map_err(|fault| fault.wrong), Err(Wrong::ReadOnly));
            memory
                .load(&access, &mut out)
                .map_err(|fault| (fault.wrong, fault.lane))
                .map(|()| [out[0][3], out[1][3]])
        };
        assert_eq!(load(0, 8), Ok([0x0403_0201, 0x0807_0605]));
        assert_eq!(load(8, 2), Ok([0x0a09, 0]));
        assert_eq!(load(8, 4), Err((Wrong::OutOfBounds, 3)));
        assert_eq!(load(2, 4), Err((Wrong::Misaligned, 3)));
        assert_eq!(load(u64::MAX, 1), Err((Wrong::OutOfBounds, 3)));
    }
}
