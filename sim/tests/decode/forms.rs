//! Forms that `ptxas` (13.5, for sm_80, sm_90a or sm_100a) takes and refuses: decoding has to agree.
//!
//! The lists hold one instruction a line, over the names that `HEAD` declares. They were made by writing down all combinations
//! of opcodes, modifiers, types and operands (some 13,000) and asking `ptxas` about each. `accepted.txt` is what both take;
//! `refused.txt` a sample of what neither takes; the differences, which are deliberate, stand below with their reasons.
//! `forms/ask.py` asks `ptxas` again.

use super::operations;

/// Forms of `ptxas` that the simulator refuses, and why.
const STRICTER: &[(&str, &[&str])] = &[
    (
        "the ISA's text does not have them",
        &[
            "fma.rz.bf16 %h1, %h2, %h3, %h4;",
            "rcp.rn.ftz.f64 %fd1, %fd2;",
            "addc.u16 %h1, %h2, %h3;",
            "addc.sat.s32 %r1, %r2, %r3;",
            "madc.hi.sat.s32 %r1, %r2, %r3, %r4;",
            "cvt.f16.bf16 %h1, %h2;",
            "mov.b16 %h1, buf;",
            "ld.shared.v8.u8 {%h1, %h2, %h3, %h4, %h5, %h6, %h7, %h8}, [buf+16];",
            "shfl.sync.idx.b32 %r1, %r2, %f1, 2, 3;",
            "ld.global.b32 %fd1, [%rd9];",
            "st.global.b16 [%rd9], %f1;",
        ],
    ),
    (
        "constants are cut off in silence, or are not the number that they look like",
        &[
            "add.u16 %h1, %h2, 65536;",
            "add.u32 %r1, %r2, -2147483649;",
            "lop3.b32 %r1, %r2, %r3, %r4, 256;",
            "st.global.u8 [%rd9], 300;",
            "mov.f64 %fd1, 0f3F800000;",
            "cp.async.wait_group -1;",
        ],
    ),
    (
        "what they mean is not said anywhere",
        &[
            "setp.eq.f16x2 %p1, %r1, %r2;",
            "ld.u32 %r1, [buf];",
            "cp.async.ca.shared.global [%r1], [%r2], 4;",
            "ld.u32.global %r1, [%rd9];",
            "ld.global.u32.v2 {%r1, %r2}, [%rd9];",
        ],
    ),
    (
        "they belong to later architectures",
        &[
            "fma.rn.oob.f16 %h1, %h2, %h3, %h4;",
            "add.rn.f32x2 %rd1, %rd2, %rd3;",
            "add.rn.f32.f16 %f1, %h1, %f2;",
            "min.s16x2 %r1, %r2, %r3;",
            "min.abs.f32 %f1, %f2, %f3, %f4;",
            "redux.sync.min.f32 %f1, %f2, -1;",
            "ld.shared::cluster.u32 %r1, [%r2];",
            "isspacep.shared::cluster %p1, %rd1;",
            "atom.global.add.v2.f32 {%f1, %f2}, [%rd9], {%f3, %f4};",
            "red.global.add.v4.f32 [%rd9], {%f1, %f2, %f3, %f4};",
            "atom.global.exch.b128 %q1, [%rd9], %q2;",
            "cp.async.bulk.commit_group;",
            "cp.async.mbarrier.arrive.shared.b64 [%r1];",
            "mbarrier.init.shared.b64 [buf], 1;",
            "ldmatrix.sync.aligned.m16n16.x1.trans.shared.b8 {%r1, %r2}, [%r5];",
            "fence.proxy.async;",
            "fence.acquire.gpu;",
            "membar.proxy.alias;",
            "setmaxnreg.inc.sync.aligned.u32 40;",
        ],
    ),
    (
        "they are not built",
        &[
            "cvt.pack.sat.u8.s32.b32 %r1, %r2, %r3, %r4;",
            "vadd.u32.u32.u32 %r1, %r2, %r3;",
            "tex.1d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [%rd1, {%r1}];",
            "brkpt;",
        ],
    ),
];

/// Forms that the simulator takes and `ptxas` does not; each does what it says.
const LAXER: &[&str] = &[
    // Allowed from PTX 9.1 on.
    "ld.volatile.local.u32 %r1, [%rd9];",
    // `ptxas` wants 32 bytes a lane before it heeds the advice.
    "ld.global.L2::evict_last.L2::cache_hint.u32 %r1, [%rd9], %rd8;",
    "st.global.v2.b32 [%rd9], {5, %f3};",
    "cvt.rn.f32.u32 %f1, %tid.x;",
    "bfe.u32 %r1, %r2, -1, 2;",
];

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty())
}

#[test]
fn takes_what_ptxas_takes() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in lines(include_str!("forms/accepted.txt")) {
        count += 1;
        if let Err(what) = operations(line) {
            wrong.push(format!("{line}\n    {what}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} forms are refused:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 2000, "the list has shrunk to {count}");
}

#[test]
fn refuses_what_ptxas_refuses() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in lines(include_str!("forms/refused.txt")) {
        count += 1;
        if let Ok(ops) = operations(line) {
            wrong.push(format!("{line}\n    {ops:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} forms are taken:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 1000, "the list has shrunk to {count}");
}

#[test]
fn differs_from_ptxas_where_it_says_so() {
    for (why, forms) in STRICTER {
        for line in *forms {
            assert!(operations(line).is_err(), "{line} is taken, though {why}");
        }
    }
    for line in LAXER {
        assert!(operations(line).is_ok(), "{line} is refused: {:?}", operations(line));
    }
}

/// A word more in any place is an error, whatever the instruction: nothing is skipped.
#[test]
fn no_word_is_skipped() {
    for line in lines(include_str!("forms/accepted.txt")).step_by(5) {
        let head = line.split([' ', ';']).next().unwrap_or_default();
        let (guard, head) = if head.starts_with('@') { continue } else { ("", head) };
        let rest = &line[head.len()..];
        let words: Vec<&str> = head.split('.').collect();
        for place in 1..=words.len() {
            let (before, after) = words.split_at(place);
            let more = [before, &["zz"], after].concat().join(".");
            let line = format!("{guard}{more}{rest}");
            assert!(operations(&line).is_err(), "{line} is taken");
        }
    }
}

/// So is an operand more, and one less.
#[test]
fn no_operand_is_skipped() {
    // Both forms exist.
    let optional = ["bar", "barrier", "cp", "min", "max", "createpolicy", "ret", "exit", "trap"];
    for line in lines(include_str!("forms/accepted.txt")).step_by(5) {
        let opcode = line.split(['.', ' ', ';']).next().unwrap_or_default();
        if optional.contains(&opcode) || line.starts_with('@') {
            continue;
        }
        let more = line.replacen(';', if line.contains(' ') { ", %r1;" } else { " %r1;" }, 1);
        assert!(operations(&more).is_err(), "{more} is taken");
        let Some((head, operands)) = line.split_once(' ') else { continue };
        let first_left_out = match operands.split_once(", ") {
            Some((first, rest)) if !first.starts_with('{') => format!("{head} {rest}"),
            _ => continue,
        };
        assert!(operations(&first_left_out).is_err(), "{first_left_out} is taken");
    }
}

/// Words and operands of several instructions mixed: whatever comes out, decoding takes it or refuses it, and does not fail.
#[test]
fn mixtures_do_not_panic() {
    let seed = 0x9E37_79B9_7F4A_7C15;
    let mut state: u64 = seed;
    let mut below = |n: usize| {
        // Knuth's MMIX generator; its upper bits are the good ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let all: Vec<&str> =
        lines(include_str!("forms/accepted.txt")).filter(|line| line.contains(' ')).collect();
    let split = |line: &'static str| line.trim_end_matches(';').split_once(' ').unwrap_or((line, ""));
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..4000 {
        let [(head, operands), (other_head, other_operands)] =
            [split(all[below(all.len())]), split(all[below(all.len())])];
        let mut words: Vec<&str> = head.split('.').collect();
        let others: Vec<&str> = other_head.split('.').collect();
        let place = below(words.len());
        match below(4) {
            0 => words.insert(place + 1, others[below(others.len())]),
            1 => words[place] = others[below(others.len())],
            2 if words.len() > 1 => drop(words.remove(place)),
            _ => {}
        }
        let operands = if below(2) == 0 { operands } else { other_operands };
        let line = format!("{} {operands};", words.join("."));
        match operations(&line) {
            Ok(_) => taken += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(taken > 100 && refused > 1000, "seed {seed:#x}: {taken} taken, {refused} refused");
}
