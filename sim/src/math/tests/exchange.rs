//! Shuffles against the ISA's pseudo-code for every lane and operand, and what CUDA's intrinsics make of them.

use super::super::copy;
use super::super::exchange::*;
use super::Random;

/// The ISA's pseudo-code, in signed numbers.
fn code(mode: Shuffle, lane: i32, b: i32, c: i32) -> (u32, bool) {
    let (bval, cval, segmask) = (b & 0x1f, c & 0x1f, c >> 8 & 0x1f);
    let max_lane = (lane & segmask) | (cval & !segmask & 0x1f);
    let min_lane = lane & segmask;
    let (j, pval) = match mode {
        Shuffle::Up => (lane - bval, lane - bval >= max_lane),
        Shuffle::Down => (lane + bval, lane + bval <= max_lane),
        Shuffle::Butterfly => (lane ^ bval, lane ^ bval <= max_lane),
        Shuffle::Index => {
            let j = min_lane | (bval & !segmask & 0x1f);
            (j, j <= max_lane)
        }
    };
    (if pval { j } else { lane } as u32, pval)
}

#[test]
fn sources_are_those_of_the_isa() {
    for mode in [Shuffle::Up, Shuffle::Down, Shuffle::Butterfly, Shuffle::Index] {
        for c in (0..32).flat_map(|clamp| (0..32).map(move |segment| segment << 8 | clamp)) {
            for lane in 0..32 {
                for b in [0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 31] {
                    let expected = code(mode, lane, b, c);
                    let got = source(mode, lane as u32, b as u32, c as u32);
                    assert_eq!(got, expected, "{mode:?} lane {lane} b {b} c {c:#x}");
                    assert!(got.0 < 32);
                    // Bits above those that count are ignored.
                    assert_eq!(
                        source(mode, lane as u32, b as u32 | 0xffff_ffe0, c as u32 | 0xffff_e0e0),
                        expected
                    );
                }
            }
        }
    }
}

#[test]
fn shuffles_of_cuda() {
    // __shfl_down_sync(mask, x, 4), width 32: c = 0x1f; lanes 28.. keep their own.
    let down: Vec<u32> = (0..32).map(|lane| source(Shuffle::Down, lane, 4, 0x1f).0).collect();
    assert_eq!(down[..3], [4, 5, 6]);
    assert_eq!(down[27..], [31, 28, 29, 30, 31]);
    // __shfl_up_sync(mask, x, 1), width 8: c = (32 - 8) << 8.
    let up: Vec<_> = (0..32).map(|lane| source(Shuffle::Up, lane, 1, 24 << 8)).collect();
    assert_eq!(up[7..10], [(6, true), (8, false), (8, true)]);
    // __shfl_sync(mask, x, 3, 8): c = (32 - 8) << 8 | 0x1f.
    let index: Vec<u32> = (0..32).map(|lane| source(Shuffle::Index, lane, 3, 24 << 8 | 0x1f).0).collect();
    assert_eq!([index[0], index[7], index[8], index[31]], [3, 3, 11, 27]);
}

#[test]
fn votes() {
    let members = 0x0000_00ff;
    assert!(vote(Vote::All, 0xffff_00ff, members) && !vote(Vote::All, 0x7f, members));
    assert!(vote(Vote::Any, 0x80, members) && !vote(Vote::Any, 0x100, members));
    assert!(vote(Vote::Uniform, 0, members) && vote(Vote::Uniform, 0xff, members));
    assert!(!vote(Vote::Uniform, 0x1, members));
}

#[test]
fn matches() {
    let mut values = [7u64; 32];
    values[3] = 1 << 40;
    values[9] = 1 << 40;
    let any = match_any(&values, 0x0000_02ff);
    assert_eq!((any[0], any[3], any[9], any[8]), (0xf7, 0x208, 0x208, 0));
    assert_eq!(match_all(&values, 0xff), (0, false));
    assert_eq!(match_all(&values, 0x208), (0x208, true));
}

#[test]
fn reductions_are_folds_over_members() {
    let mut random = Random::new();
    let values: [u32; 32] = std::array::from_fn(|_| random.u32());
    let members = random.u32() | 1;
    let held = || (0..32).filter(|lane| members >> lane & 1 == 1).map(|lane| values[lane]);
    assert_eq!(reduce(Reduce::Add, &values, members), held().fold(0, u32::wrapping_add));
    assert_eq!(Some(reduce(Reduce::Min, &values, members)), held().min());
    assert_eq!(Some(reduce(Reduce::Max, &values, members)), held().max());
    assert_eq!(Some(reduce(Reduce::MinSigned, &values, members) as i32), held().map(|v| v as i32).min());
    assert_eq!(Some(reduce(Reduce::MaxSigned, &values, members) as i32), held().map(|v| v as i32).max());
    assert_eq!(reduce(Reduce::And, &values, members), held().fold(u32::MAX, |a, b| a & b));
    assert_eq!(reduce(Reduce::Or, &values, members), held().fold(0, |a, b| a | b));
    assert_eq!(reduce(Reduce::Xor, &values, members), held().fold(0, |a, b| a ^ b));
}

#[test]
fn sizes_of_asynchronous_copies() {
    assert_eq!([4, 8, 16, 12, 0].map(|n| copy::is_size(n, false)), [true, true, true, false, false]);
    assert_eq!([4, 8, 16].map(|n| copy::is_size(n, true)), [false, false, true]);
    assert_eq!(copy::split(16, None, false), Some((16, 0)));
    assert_eq!(copy::split(16, Some(6), false), Some((6, 10)));
    assert_eq!(copy::split(8, Some(0), false), Some((0, 8)));
    assert_eq!(copy::split(8, None, true), Some((0, 8)));
    assert_eq!(copy::split(8, Some(9), false), None);
}
