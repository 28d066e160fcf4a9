//! What lanes of a warp and warps of a block tell each other.

use super::{Arg, Case, bytes, input, output};
use crate::random::Random;

fn case(kernel: &'static str, blocks: usize, args: Vec<Arg>) -> Case {
    Case {
        name: format!("{kernel}, {blocks} blocks"),
        text: include_str!("../warp.ptx"),
        kernel,
        grid: [blocks as u32, 1, 1],
        block: [64, 1, 1],
        dynamic: 0,
        args,
    }
}

/// Reductions, votes, matches and shuffles, 12 words a warp.
pub(crate) fn collectives(blocks: usize, seed: u64) -> Case {
    let mut random = Random::new(seed);
    let mut data = random.integers(blocks * 64, -40, 60);
    // Every other warp is all alike once divided by 1000.
    for warp in data.chunks_mut(32).step_by(2) {
        warp.iter_mut().for_each(|x| *x = 5000 + x.abs());
    }
    let words: Vec<u32> = data.chunks(32).flat_map(words).collect();
    case("collectives", blocks, vec![input(bytes(&data)), output(bytes(&words))])
}

/// The 12 words of a warp.
fn words(x: &[i32]) -> [u32; 12] {
    let bits = |f: &dyn Fn(u32, u32) -> u32| x.iter().map(|&x| x as u32).reduce(f).unwrap_or(0);
    let crowd = |y: &i32| x.iter().filter(|x| *x == y).count() as u32;
    let alike = x.iter().all(|y| y / 1000 == x[0] / 1000);
    let turned: Vec<i32> = (0..32).map(|lane| x[(lane + 5) % 32]).collect();
    // A read beyond the end of a segment of 8 gives the lane's own.
    let down = |lane: usize| turned[if lane % 8 + 3 < 8 { lane + 3 } else { lane }];
    let weigh = |f: &dyn Fn(usize) -> i32| {
        (0..32).map(|lane| f(lane).wrapping_mul(lane as i32 + 1)).fold(0, i32::wrapping_add) as u32
    };
    [
        x.iter().sum::<i32>() as u32,
        x.iter().fold(i32::MAX, |a, &x| a.min(x)) as u32,
        x.iter().fold(i32::MIN, |a, &x| a.max(x)) as u32,
        bits(&|a, b| a & b),
        bits(&|a, b| a | b),
        bits(&|a, b| a ^ b),
        x.iter().enumerate().fold(0, |votes, (lane, &x)| votes | u32::from(x > 0) << lane),
        u32::from(x.iter().any(|x| x % 7 == 3)) + 2 * u32::from(x.iter().all(|&x| x != 5)),
        x.iter().map(crowd).max().unwrap_or(0),
        if alike { u32::MAX.wrapping_add(2) } else { 0 },
        weigh(&|lane| turned[lane]),
        weigh(&|lane| down(lane) ^ x[7]),
    ]
}

/// Two halves of a warp with collectives of their own.
pub(crate) fn halves(blocks: usize, seed: u64) -> Case {
    let data = Random::new(seed).integers(blocks * 64, -1000, 1000);
    let mut out = Vec::with_capacity(data.len());
    for x in data.chunks(32) {
        let sum: i32 = x[..16].iter().sum();
        let box1: Vec<i32> =
            (0..32).map(|i| if i < 16 { sum + x[i] } else { x[16 + (i ^ 9) % 16] * 3 }).collect();
        let box2: Vec<i32> =
            (0..32).map(|i| if i < 16 { box1[15 - i] } else { box1[i] - box1[16 + (i + 1) % 16] }).collect();
        out.extend((0..32).map(|i| box2[(i + 13) % 32]));
    }
    case("halves", blocks, vec![input(bytes(&data)), output(bytes(&out))])
}

/// Three words a block.
pub(crate) fn block_votes(blocks: usize, seed: u64) -> Case {
    let mut random = Random::new(seed);
    let mut data = random.integers(blocks * 64, -1000, 1000);
    // Blocks take turns: one has a 17 and nothing below -899, the next neither.
    for (i, block) in data.chunks_mut(64).enumerate() {
        block.iter_mut().filter(|x| **x == 17).for_each(|x| *x = 18);
        if i % 2 == 0 {
            block.iter_mut().for_each(|x| *x = (*x).max(-899));
            block[random.integer(0, 64) as usize] = 17;
        } else {
            block[random.integer(0, 64) as usize] = -950;
        }
    }
    let vote = |x: &[i32]| {
        let positive = x.iter().filter(|x| **x > 0).count() as i32;
        [positive, i32::from(x.contains(&17)), i32::from(x.iter().all(|&x| x > -900))]
    };
    let out: Vec<i32> = data.chunks(64).flat_map(vote).collect();
    case("block_votes", blocks, vec![input(bytes(&data)), output(bytes(&out))])
}
