//! Bank conflicts of shared memory.
//!
//! 32 banks of 4 bytes: word `i` lies in bank `i % 32`. One wavefront serves each bank once; lanes that ask for the same word
//! are served together. Accesses of up to 4 bytes go by whole warps, of 8 bytes by half-warps, of 16 bytes by quarters,
//! since no wavefront carries more than 128 bytes. An access of 8 or 16 bytes takes 2 or 4 neighbouring banks, always the
//! same ones together, so that it conflicts as a unit.
//!
//! ```text
//! ld.shared.f32 [4 * lane]         1 wavefront
//! ld.shared.f32 [128 * lane]       32: all in bank 0
//! ld.shared.v4.f32 [16 * lane]     4, the fewest
//! ```
//!
//! Source: CUDA C++ Programming Guide, "Shared Memory" of compute capability 5.x and later; the cuts into halves and quarters
//! are those that profilers show.

use super::Access;
use super::lanes::Shape;

/// Wavefronts of a warp's access, and the fewest it could take: one for each part (warp, half, quarter) that has a lane.
pub(crate) fn wavefronts(access: &Access) -> (u32, u32) {
    let Access { mask, address, bytes, .. } = *access;
    if Shape::of(access) != Shape::Any {
        let parts = bytes.div_ceil(4);
        return (parts, parts);
    }
    let unit = bytes.clamp(4, 16).trailing_zeros();
    let lanes = 128 >> unit;
    let (mut total, mut least) = (0, 0);
    let mut start = 0;
    while start < 32 {
        let part = mask & (u32::MAX >> (32 - lanes)) << start;
        if part != 0 {
            let neighbours = &address[start as usize..(start + lanes) as usize];
            total += if is_spread(part >> start, neighbours, unit) {
                1
            } else {
                passes(part, address, unit, lanes)
            };
            least += 1;
        }
        start += lanes;
    }
    (total, least)
}

/// Whether each lane of a part asks for a bank of its own, as they mostly do. There are as many banks as lanes.
#[inline]
fn is_spread(part: u32, address: &[u64], unit: u32) -> bool {
    let banks = address.len() as u32;
    let asked = address.iter().zip(0..32).fold(0u32, |asked, (address, lane)| {
        asked | (part >> lane & 1) << ((address >> unit) as u32 & (banks - 1))
    });
    let lanes = part & (u32::MAX >> (32 - banks));
    asked.count_ones() == lanes.count_ones()
}

/// The most distinct units that one bank (of `banks`, each as wide as a unit) is asked for.
fn passes(part: u32, address: &[u64; 32], unit: u32, banks: u32) -> u32 {
    let mut left = part;
    let mut count = 0;
    // Each turn is a wavefront: a bank serves the first unit that it is asked for, to all who ask.
    while left != 0 {
        let mut served = [u32::MAX; 32];
        let (mut later, mut lanes) = (0, left);
        let mut last = u32::MAX;
        while lanes != 0 {
            let lane = lanes.trailing_zeros();
            lanes &= lanes - 1;
            let wanted = (address[lane as usize] >> unit) as u32;
            if wanted == last {
                // Its neighbour asks for both.
                continue;
            }
            last = wanted;
            let bank = &mut served[(wanted & (banks - 1)) as usize];
            if *bank == u32::MAX {
                *bank = wanted;
            } else if *bank != wanted {
                later |= 1 << lane;
            }
        }
        left = later;
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Site;
    use crate::memory::Order;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// By the definition, word by word: for each part and bank the distinct words.
    fn counted(mask: u32, address: &[u64; 32], bytes: u32) -> (u32, u32) {
        let parts = bytes.div_ceil(4) as usize;
        let (mut total, mut least) = (0, 0);
        for part in 0..parts {
            let lanes = (32 / parts * part..32 / parts * (part + 1)).filter(|lane| mask >> lane & 1 == 1);
            let words: BTreeSet<u64> = lanes
                .flat_map(|lane| address[lane] / 4..(address[lane] + u64::from(bytes)).div_ceil(4))
                .collect();
            let in_bank = |bank| words.iter().filter(|word| *word % 32 == bank).count() as u32;
            total += (0..32).map(in_bank).max().unwrap_or(0);
            least += u32::from(!words.is_empty());
        }
        (total, least)
    }

    fn taken(mask: u32, address: &[u64; 32], bytes: u32) -> (u32, u32) {
        wavefronts(&Access { warp: 0, site: Site(0), mask, address, bytes, order: Order::Weak })
    }

    proptest! {
        #[test]
        fn agrees_with_a_count_by_words(
            mask: u32, size in 0u32..5, stride in 0u64..70, spread in prop::array::uniform32(0u64..64), mix in 0u64..3,
        ) {
            let bytes = 1 << size;
            let address: [u64; 32] = std::array::from_fn(|lane| {
                let index = if mix == 0 { spread[lane] } else { stride * lane as u64 + spread[lane] % mix };
                index * u64::from(bytes)
            });
            for mask in [mask, u32::MAX] {
                prop_assert_eq!(taken(mask, &address, bytes), counted(mask, &address, bytes));
            }
        }
    }

    #[test]
    fn known_patterns() {
        let by = |stride: u64| std::array::from_fn(|lane| stride * lane as u64);
        let cases: [(u64, u32, u32, (u32, u32)); 11] = [
            (4, 4, u32::MAX, (1, 1)),
            (0, 4, u32::MAX, (1, 1)),
            (8, 4, u32::MAX, (2, 1)),
            (128, 4, u32::MAX, (32, 1)),
            (132, 4, u32::MAX, (1, 1)),
            (2, 2, u32::MAX, (1, 1)),
            (128, 2, 0xff, (8, 1)),
            (8, 8, u32::MAX, (2, 2)),
            (16, 16, u32::MAX, (4, 4)),
            (128, 16, u32::MAX, (32, 4)),
            (16, 16, 0xff, (1, 1)),
        ];
        for (stride, bytes, mask, expected) in cases {
            assert_eq!(taken(mask, &by(stride), bytes), expected, "stride {stride}, {bytes} bytes");
        }
        assert_eq!(taken(0, &by(4), 4), (0, 0));
    }
}
