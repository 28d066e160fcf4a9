//! Addresses of every sort.

use super::{Arg, Case, bytes, input, int, long, output, parts};
use crate::random::Random;

fn case(name: String, kernel: &'static str, grid: u32, args: Vec<Arg>) -> Case {
    Case {
        name,
        text: include_str!("../memory.ptx"),
        kernel,
        grid: [grid, 1, 1],
        block: [32, 1, 1],
        dynamic: 0,
        args,
    }
}

/// Indices above 2^40.
pub(crate) fn index64(n: usize, seed: u64) -> Case {
    let mut random = Random::new(seed);
    let (d1, d2) = (random.integer(1 << 20, 1 << 24) as i64, random.integer(100, 200));
    let first = (1 << 44) + (random.bits() >> 34) as i64;
    let step = (1 << 33) + random.integer(0, 1000) as i64;
    let table = random.integers(d2 as usize, -1000, 1000);
    let value = |i: usize| {
        let index = first + step * i as i64;
        let (c2, c1, c0) = (index % i64::from(d2), index / i64::from(d2) % d1, index / i64::from(d2) / d1);
        c0 * 1_000_003 + c1 * 31 + i64::from(table[c2 as usize])
    };
    let out: Vec<i64> = (0..n).map(value).collect();
    let args = vec![
        input(bytes(&table)),
        output(bytes(&out)),
        long(first),
        long(step),
        long(d1),
        int(d2),
        int(n as i32),
    ];
    case(format!("index64 {n}"), "index64", parts(n, 32), args)
}

/// Blocks of `words` words, a multiple of 4, reversed in dynamic shared memory.
pub(crate) fn reverse(blocks: usize, words: usize, seed: u64) -> Case {
    let x = Random::new(seed).integers(blocks * words, i32::MIN, i32::MAX);
    let y: Vec<i32> = x.chunks(words).flat_map(|block| block.iter().rev().copied()).collect();
    let args = vec![input(bytes(&x)), output(bytes(&y)), int(words as i32)];
    Case {
        block: [256, 1, 1],
        dynamic: words as u32 * 4,
        ..case(format!("reverse {blocks} x {words}"), "reverse", blocks as u32, args)
    }
}

/// Sixteen numbers a thread, sorted in local memory.
pub(crate) fn sort16(n: usize, seed: u64) -> Case {
    let x = Random::new(seed).integers(n * 16, -1000, 1000);
    let mut y = x.clone();
    y.chunks_mut(16).for_each(<[i32]>::sort);
    let args = vec![input(bytes(&x)), output(bytes(&y)), int(n as i32)];
    case(format!("sort16 {n}"), "sort16", parts(n, 32), args)
}

/// Constants, variables of the module, vectors.
pub(crate) fn tables(n: usize, seed: u64) -> Case {
    const WEIGHTS: [i64; 8] = [3, -1, 4, 1, -5, 9, 2, -6];
    let x = Random::new(seed).integers(n * 4, i32::MIN, i32::MAX);
    let y: Vec<i64> = x
        .chunks(4)
        .enumerate()
        .flat_map(|(i, v)| {
            let [a, b, c, d] = [v[0], v[1], v[2], v[3]].map(i64::from);
            let base = (i as i64 % 4 + 1) * 1000;
            [a * WEIGHTS[i % 8] + b * WEIGHTS[(i + 3) % 8] + base, c * d]
        })
        .collect();
    let args = vec![input(bytes(&x)), output(bytes(&y)), int(n as i32)];
    case(format!("tables {n}"), "tables", parts(n, 32), args)
}
