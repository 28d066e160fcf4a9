//! Data of shared memory, moved without a question; accesses are in bounds here.

use super::Shared;
use crate::memory::lanes::{Shape, lanes_of, low_bits};
use crate::memory::{Access, Lanes};

impl Shared {
    /// Moves data from memory; the access is in bounds.
    pub(super) fn fetch(&self, access: &Access, out: &mut [Lanes; 4]) {
        match access.bytes {
            4 => self.fetch_words::<1>(access, out),
            8 => self.fetch_words::<2>(access, out),
            16 => self.fetch_words::<4>(access, out),
            bytes => {
                for lane in lanes_of(access.mask) {
                    let address = access.address[lane];
                    let word = self.data[address as usize / 4] >> (8 * (address & 3));
                    out[0][lane] = word & (low_bits(bytes));
                }
            }
        }
    }

    pub(super) fn fetch_words<const WORDS: usize>(&self, access: &Access, out: &mut [Lanes; 4]) {
        if WORDS == 1 && Shape::of(access) == Shape::Run {
            let start = access.address[0] as usize / 4;
            out[0].copy_from_slice(&self.data[start..start + 32]);
            return;
        }
        for lane in lanes_of(access.mask) {
            let start = access.address[lane] as usize / 4;
            for (word, value) in self.data[start..start + WORDS].iter().enumerate() {
                out[word][lane] = *value;
            }
        }
    }

    /// Moves data to memory; the access is in bounds.
    pub(super) fn put(&mut self, access: &Access, data: &[Lanes]) {
        match access.bytes {
            4 => self.put_words::<1>(access, data),
            8 => self.put_words::<2>(access, data),
            16 => self.put_words::<4>(access, data),
            bytes => {
                for lane in lanes_of(access.mask) {
                    let address = access.address[lane];
                    let shift = 8 * (address as u32 & 3);
                    let mask = low_bits(bytes) << shift;
                    let word = &mut self.data[address as usize / 4];
                    *word = *word & !mask | data[0][lane] << shift & mask;
                }
            }
        }
    }

    fn put_words<const WORDS: usize>(&mut self, access: &Access, data: &[Lanes]) {
        let Some(data) = data.first_chunk::<WORDS>() else { return };
        for lane in lanes_of(access.mask) {
            let start = access.address[lane] as usize / 4;
            for (word, row) in self.data[start..start + WORDS].iter_mut().zip(data) {
                *word = row[lane];
            }
        }
    }
}
