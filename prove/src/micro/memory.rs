//! Moves: `cp.async` of every size with zero fill and groups, vectors, shared atomics, generic addresses.

use super::draw::Draw;
use super::{Agree, Form, each};

const WORD: Agree = Agree::Bits { nan: 0 };

/// Every form of this file.
pub(super) fn forms() -> Vec<Form> {
    [copies(), groups(), atomics(), generic()].concat()
}

/// What a lane copied, as four words.
const READ_BACK: &str = "\nbar.sync 0;\nxor.b32 %r2, %r1, 16;\nadd.u32 %r2, %r0, %r2;\n\
                         ld.shared.v4.b32 {%d0, %d1, %d2, %d3}, [%r2];";

/// Each lane copies its own four words (as many as the size and the source size say, the rest is zero), then reads what
/// its neighbour copied.
fn copies() -> Vec<Form> {
    let mut all = Vec::new();
    for (cache, size) in [("ca", 4u32), ("ca", 8), ("ca", 16), ("cg", 16)] {
        for filled in [None, Some(0), Some(size / 2), Some(size)] {
            let op = format!("cp.async.{cache}.shared.global");
            let last = filled.map_or(String::new(), |bytes| format!(", {bytes}"));
            let body = format!(
                "mov.u32 %r0, tile;\nshl.b32 %r1, %lane, 4;\nadd.u32 %r3, %r0, %r1;\nmov.u32 %r4, 0x11111111;\n\
                 st.shared.v4.b32 [%r3], {{%r4, %r4, %r4, %r4}};\n\
                 {op} [%r3], [%from], {size}{last};\ncp.async.commit_group;\ncp.async.wait_group 0;{READ_BACK}"
            );
            let name = format!("{op} {size}{last}");
            all.push(Form { name, reads: 4, writes: 4, body, draw: each(Draw::Any, 4), agree: WORD });
        }
    }
    all
}

/// Two groups; the older one is waited for and read, then the other.
fn groups() -> Vec<Form> {
    let body = "mov.u32 %r0, tile;\nshl.b32 %r1, %lane, 4;\nadd.u32 %r3, %r0, %r1;\n\
                cp.async.ca.shared.global [%r3], [%from], 4;\ncp.async.commit_group;\n\
                cp.async.ca.shared.global [%r3+4], [%from+4], 4;\n\
                cp.async.ca.shared.global [%r3+8], [%from+8], 8;\ncp.async.commit_group;\n\
                cp.async.wait_group 1;\nld.shared.b32 %d0, [%r3];\ncp.async.wait_all;\n\
                ld.shared.b32 %d1, [%r3+4];\nld.shared.v2.b32 {%d2, %d3}, [%r3+8];";
    let draw = each(Draw::Any, 4);
    vec![Form {
        name: "cp.async in groups".into(),
        reads: 4,
        writes: 4,
        body: body.into(),
        draw,
        agree: WORD,
    }]
}

/// All lanes on few words of shared memory; what is left there is the same in any order.
fn atomics() -> Vec<Form> {
    let mut all = Vec::new();
    for (op, start) in [
        ("add.u32", 5u32),
        ("min.s32", 1000),
        ("max.s32", 0),
        ("min.u32", 0xffff_ffff),
        ("max.u32", 0),
        ("and.b32", 0xffff_ffff),
        ("or.b32", 0),
        ("xor.b32", 7),
    ] {
        let body = format!(
            "mov.u32 %r0, tile;\nshl.b32 %r1, %lane, 2;\nadd.u32 %r1, %r0, %r1;\nmov.u32 %r4, {start};\n\
             st.shared.b32 [%r1], %r4;\nbar.sync 0;\nand.b32 %r2, %a0, 7;\nshl.b32 %r2, %r2, 2;\nadd.u32 %r2, %r0, %r2;\n\
             red.shared.{op} [%r2], %a1;\nbar.sync 0;\nld.shared.b32 %d0, [%r1];"
        );
        let name = format!("red.shared.{op}");
        all.push(Form { name, reads: 2, writes: 1, body, draw: each(Draw::Any, 2), agree: WORD });
    }
    all
}

/// One address space, two kinds of memory, chosen by lane.
fn generic() -> Vec<Form> {
    let body = "mov.u32 %r0, tile;\nshl.b32 %r1, %lane, 2;\nadd.u32 %r1, %r0, %r1;\nst.shared.b32 [%r1], %a0;\n\
                bar.sync 0;\ncvt.u64.u32 %q0, %r1;\ncvta.shared.u64 %q1, %q0;\ncvta.global.u64 %q2, %from;\n\
                and.b32 %r2, %a1, 1;\nsetp.eq.u32 %p0, %r2, 0;\nselp.b64 %q3, %q1, %q2, %p0;\n\
                ld.b32 %d0, [%q3];\nld.b8 %d1, [%q3+1];\nld.s8 %d2, [%q3+3];\nld.u16 %d3, [%q3+2];";
    let draw = each(Draw::Any, 2);
    vec![Form {
        name: "ld of generic addresses".into(),
        reads: 2,
        writes: 4,
        body: body.into(),
        draw,
        agree: WORD,
    }]
}
