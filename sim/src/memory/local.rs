//! Memory of each lane: arrays of a thread's own that it indexes by a variable, and what a compiler spills.
//!
//! ```text
//! st.local.f32 [16], %f1       lane 3's word 4 is written
//! ld.local.f32 %f2, [16]       lane 3 reads it; lane 4, which did not write its own, reads bytes that nobody wrote
//! ```
//!
//! Each lane sees addresses `0..bytes` of its own, so nothing races. Words of one address lie side by side for the 32
//! lanes, as hardware interleaves them.

use super::lanes::{bytes_of, lanes_of, low_bits};
use super::{Access, Lanes, Strictness};
use crate::check::{Fault, Wrong};

/// Local memory of a warp.
#[derive(Clone, Debug)]
pub struct Local {
    bytes: u64,
    data: Vec<Lanes>,
    /// By word and byte of it, the lanes that have written it. Empty without checks.
    written: Vec<[u32; 4]>,
}

impl Local {
    /// Local memory of a warp, of that many bytes a lane.
    pub fn new(bytes: u32, strictness: Strictness) -> Local {
        let words = bytes.div_ceil(4) as usize;
        let tracked = if strictness > Strictness::Bounds { words } else { 0 };
        Local { bytes: bytes.into(), data: vec![[u32::MAX; 32]; words], written: vec![[0; 4]; tracked] }
    }

    /// A new block begins: nothing is written.
    pub fn reset(&mut self) {
        self.data.fill([u32::MAX; 32]);
        self.written.fill([0; 4]);
    }

    /// `ld.local`; each lane reads its own bytes.
    pub fn load(&self, access: &Access, out: &mut [Lanes; 4]) -> Result<(), Fault> {
        for lane in lanes_of(access.mask) {
            self.bounds(access, lane, false)?;
            let (start, shift, bytes) = split(access, lane);
            for (word, row) in out.iter_mut().enumerate().take(words(access)) {
                if let Some(written) = self.written.get(start + word)
                    && (0..4).any(|byte| bytes >> byte & 1 == 1 && written[byte] >> lane & 1 == 0)
                {
                    return Err(fault(
                        access,
                        lane,
                        Wrong::Uninitialised,
                        false,
                        "this thread never wrote it",
                    ));
                }
                row[lane] = (self.data[start + word][lane] >> shift) & low_bits(access.bytes);
            }
        }
        Ok(())
    }

    /// `st.local`
    pub fn store(&mut self, access: &Access, data: &[Lanes; 4]) -> Result<(), Fault> {
        for lane in lanes_of(access.mask) {
            self.bounds(access, lane, true)?;
            let (start, shift, bytes) = split(access, lane);
            let mask = low_bits(access.bytes) << shift;
            for (word, row) in data.iter().enumerate().take(words(access)) {
                let cell = &mut self.data[start + word][lane];
                *cell = (*cell & !mask) | (row[lane] << shift & mask);
                if let Some(written) = self.written.get_mut(start + word) {
                    (0..4).filter(|byte| bytes >> byte & 1 == 1).for_each(|byte| written[byte] |= 1 << lane);
                }
            }
        }
        Ok(())
    }

    fn bounds(&self, access: &Access, lane: usize, writes: bool) -> Result<(), Fault> {
        let (address, size) = (access.address[lane], u64::from(access.bytes));
        if address.checked_add(size).is_none_or(|end| end > self.bytes) {
            let detail = format!("a thread has {} bytes of local memory", self.bytes);
            return Err(fault(access, lane, Wrong::OutOfBounds, writes, &detail));
        }
        if !address.is_multiple_of(size) {
            return Err(fault(access, lane, Wrong::Misaligned, writes, ""));
        }
        Ok(())
    }
}

/// The first word, how far its bytes lie from the low end, and which bytes of each word.
fn split(access: &Access, lane: usize) -> (usize, u32, u32) {
    let address = access.address[lane];
    (address as usize / 4, 8 * (address as u32 & 3), bytes_of(address, access.bytes))
}

fn words(access: &Access) -> usize {
    access.bytes.div_ceil(4) as usize
}

fn fault(access: &Access, lane: usize, wrong: Wrong, writes: bool, detail: &str) -> Fault {
    Fault {
        wrong,
        lane: lane as u32,
        address: Some(access.address[lane]),
        space: "local",
        bytes: access.bytes,
        writes,
        other: None,
        detail: detail.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Site;
    use crate::memory::Order;

    fn access(address: &[u64; 32], mask: u32, bytes: u32) -> Access<'_> {
        Access { warp: 0, site: Site(0), mask, address, bytes, order: Order::Weak }
    }

    #[test]
    fn each_lane_has_its_own_bytes() -> Result<(), Fault> {
        let mut local = Local::new(32, Strictness::Lanes);
        let address = [16; 32];
        let data = std::array::from_fn(|word| std::array::from_fn(|lane| 100 * word as u32 + lane as u32));
        let mut out = [[9; 32]; 4];
        local.store(&access(&address, u32::MAX, 16), &data)?;
        local.load(&access(&address, 0xffff_0000, 16), &mut out)?;
        assert_eq!((out[3][31], out[0][16], out[2][15]), (331, 16, 9));
        Ok(())
    }

    #[test]
    fn parts_of_words_are_read_as_written() -> Result<(), Fault> {
        let mut local = Local::new(8, Strictness::Lanes);
        let (mut out, mut data) = ([[9; 32]; 4], [[0; 32]; 4]);
        for (at, value) in [(6, 0xffff_1122), (4, 0x3344)] {
            data[0] = [value; 32];
            local.store(&access(&[at; 32], 2, 2), &data)?;
        }
        local.load(&access(&[4; 32], 2, 4), &mut out)?;
        assert_eq!(out[0][1], 0x1122_3344);
        local.load(&access(&[7; 32], 2, 1), &mut out)?;
        assert_eq!(out[0][1], 0x11);
        Ok(())
    }

    #[test]
    fn every_fault() {
        let data = [[0; 32]; 4];
        let mut local = Local::new(12, Strictness::Lanes);
        let cases = [(12, 4, Wrong::OutOfBounds), (8, 8, Wrong::OutOfBounds), (2, 4, Wrong::Misaligned)];
        for (at, bytes, wrong) in cases {
            let fault =
                local.store(&access(&[at; 32], 4, bytes), &data).map_err(|fault| (fault.wrong, fault.lane));
            assert_eq!(fault, Err((wrong, 2)));
        }
        let far = [u64::MAX - 3; 32];
        assert!(local.load(&access(&far, 1, 4), &mut [[0; 32]; 4]).is_err());
        assert!(local.store(&access(&[0; 32], 1, 2), &data).is_ok());
        let read = |local: &Local, mask, bytes| {
            local.load(&access(&[0; 32], mask, bytes), &mut [[0; 32]; 4]).map_err(|fault| fault.wrong)
        };
        assert_eq!(read(&local, 1, 2), Ok(()));
        assert_eq!(read(&local, 1, 4), Err(Wrong::Uninitialised));
        assert_eq!(read(&local, 2, 2), Err(Wrong::Uninitialised));
        local.reset();
        assert_eq!(read(&local, 1, 2), Err(Wrong::Uninitialised));
        assert_eq!(read(&Local::new(12, Strictness::Bounds), 1, 4), Ok(()));
    }
}
