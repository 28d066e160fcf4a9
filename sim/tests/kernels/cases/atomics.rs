//! Atomics: the result does not depend on the order in which lanes and blocks come.

use super::{Case, bytes, changed, input, int, output};
use crate::random::Random;

/// Threads of a block: more than bins, and no power of two.
const THREADS: usize = 96;

fn case(name: String, kernel: &'static str, blocks: u32, args: Vec<super::Arg>) -> Case {
    Case {
        name,
        text: include_str!("../atomics.ptx"),
        kernel,
        grid: [blocks, 1, 1],
        block: [THREADS as u32, 1, 1],
        dynamic: 0,
        args,
    }
}

/// Counts of bytes modulo 64.
pub(crate) fn histogram(n: usize, blocks: u32, seed: u64) -> Case {
    let mut random = Random::new(seed);
    let data: Vec<u8> = (0..n).map(|_| random.integer(0, 256) as u8).collect();
    let before: Vec<u32> = (0..64).map(|_| random.integer(0, 10) as u32).collect();
    let mut after = before.clone();
    for byte in &data {
        after[usize::from(byte % 64)] += 1;
    }
    let args = vec![input(data), changed(bytes(&before), bytes(&after)), int(n as i32)];
    case(format!("histogram {n}, {blocks} blocks"), "histogram", blocks, args)
}

/// All the other atomics.
pub(crate) fn extremes(n: usize, blocks: u32, seed: u64) -> Case {
    let data = Random::new(seed).integers(n, -100_000, 100_000);
    let before: [u64; 10] =
        [i32::MAX as u64, i32::MIN as u32 as u64, 0, 0, u64::from(u32::MAX), 0, 0, 0, 0, 0];
    let mut after = before;
    let sum = data.iter().map(|&x| i64::from(x)).sum::<i64>();
    let small = data.iter().map(|x| x & 15).sum::<i32>() as f32;
    after[0] = data.iter().fold(i32::MAX, |a, &x| a.min(x)) as u32 as u64;
    after[1] = data.iter().fold(i32::MIN, |a, &x| a.max(x)) as u32 as u64;
    after[2] = u64::from(data.iter().fold(0, |a, &x| a | x as u32));
    after[3] = u64::from(data.iter().fold(0, |a, &x| a ^ x as u32));
    after[4] = u64::from(data.iter().fold(u32::MAX, |a, &x| a & x as u32));
    after[5] = sum as u64;
    after[6] = u64::from(small.to_bits());
    after[7] = n as u64 % 11;
    after[8] = (sum << 20) as u64;
    after[9] = sum as u64;
    let args = vec![input(bytes(&data)), changed(bytes(&before), bytes(&after)), int(n as i32)];
    case(format!("extremes {n}, {blocks} blocks"), "extremes", blocks, args)
}

/// A sum in one launch, by the block that comes last.
pub(crate) fn last_block(n: usize, blocks: u32, seed: u64) -> Case {
    let data = Random::new(seed).integers(n, -100_000, 100_000);
    let threads = blocks as usize * THREADS;
    let part = |warp: usize| -> i32 {
        let mine = |i: &usize| i % threads / 32 == warp;
        (0..n).filter(mine).map(|i| data[i]).sum()
    };
    let parts: Vec<i32> = (0..threads / 32).map(part).collect();
    let sum: i32 = data.iter().sum();
    let args = vec![
        input(bytes(&data)),
        output(bytes(&parts)),
        changed(bytes(&[0u32]), bytes(&[blocks])),
        changed(bytes(&[5i32]), bytes(&[5 + sum])),
        int(n as i32),
    ];
    case(format!("last_block {n}, {blocks} blocks"), "last_block", blocks, args)
}
