//! Lanes that go their own ways.

use super::{Arg, Case, bytes, input, int, output, parts};
use crate::random::Random;

fn case(name: String, kernel: &'static str, n: usize, threads: usize, args: Vec<Arg>) -> Case {
    Case {
        name,
        text: include_str!("../diverge.ptx"),
        kernel,
        grid: [parts(n, threads), 1, 1],
        block: [threads as u32, 1, 1],
        dynamic: 0,
        args,
    }
}

/// Collatz sequences.
pub(crate) fn collatz(n: usize, seed: u64) -> Case {
    let mut random = Random::new(seed);
    let starts: Vec<u32> = (0..n).map(|i| if i == 0 { 1 } else { random.integer(1, 2000) as u32 }).collect();
    let (steps, peaks): (Vec<u32>, Vec<u64>) = starts.iter().map(|&x| walk(u64::from(x))).unzip();
    let args = vec![input(bytes(&starts)), output(bytes(&steps)), output(bytes(&peaks)), int(n as i32)];
    case(format!("collatz {n}"), "collatz", n, 64, args)
}

fn walk(mut x: u64) -> (u32, u64) {
    let (mut steps, mut peak) = (0, x);
    while x != 1 {
        x = if x.is_multiple_of(2) { x / 2 } else { 3 * x + 1 };
        peak = peak.max(x);
        steps += 1;
    }
    (steps, peak)
}

/// A little machine with a program a lane; `n` is a multiple of 32.
pub(crate) fn interpret(n: usize, fuel: i32, seed: u64) -> Case {
    const LENGTH: usize = 24;
    let mut random = Random::new(seed);
    let programs: Vec<u32> =
        (0..n * LENGTH).map(|_| random.integer(0, 8) as u32 | (random.integer(0, 50) as u32) << 3).collect();
    let out: Vec<i32> = programs
        .chunks(LENGTH)
        .enumerate()
        .flat_map(|(i, program)| execute(i as i32, program, fuel))
        .collect();
    let args = vec![input(bytes(&programs)), int(LENGTH as i32), int(fuel), output(bytes(&out))];
    case(format!("interpret {n}, {fuel} steps"), "interpret", n, 32, args)
}

fn execute(i: i32, program: &[u32], fuel: i32) -> [i32; 2] {
    let (mut a, mut b, mut at) = (i, 1i32, 0);
    for _ in 0..fuel {
        let Some(word) = program.get(at) else { break };
        at += 1;
        let operand = (word >> 3) as i32;
        match word & 7 {
            0 => a = a.wrapping_add(operand),
            1 => a = a.wrapping_mul(2 * operand + 1),
            2 => b ^= a,
            3 => a = a.wrapping_sub(b),
            4 => std::mem::swap(&mut a, &mut b),
            5 if a % 3 == 0 => at += operand as usize % 4,
            6 if b < 0 => b = b.wrapping_neg(),
            6 => a ^= operand << 7,
            7 => {
                for j in 0..operand % 5 {
                    if a & 1 != 0 {
                        b = b.wrapping_add(j);
                    }
                    a = (a >> 1).wrapping_add(b);
                }
            }
            _ => {}
        }
    }
    [a, b]
}

/// Work that differs by lane, between barriers that all reach.
pub(crate) fn meet(turns: usize, seed: u64) -> Case {
    let data = Random::new(seed).integers(128, -1000, 1000);
    let mut x = data.clone();
    for turn in 0..turns as i32 {
        for x in &mut x {
            for _ in 0..*x & 7 {
                *x = x.wrapping_mul(5).wrapping_add(turn);
            }
        }
        let seen = x.clone();
        x.iter_mut().enumerate().for_each(|(i, x)| *x ^= seen[(i + 37) % 128]);
    }
    let args = vec![input(bytes(&data)), output(bytes(&x)), int(turns as i32)];
    case(format!("meet {turns}"), "meet", 128, 128, args)
}
