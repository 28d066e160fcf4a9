//! Memory: shared, local, constant, parameters, generic addresses, vectors, atomics, asynchronous copies, matrices.

use crate::harness::{check, run, threads};
use chunkwise_sim::machine::Launch;

#[test]
fn dynamic_shared_memory_begins_after_what_is_declared() {
    let globals = ".extern .shared .align 16 .b8 dynamic[];";
    let declarations = ".shared .align 4 .b8 fixed[100];";
    let lines = "
    mov.u32 %r2, dynamic;
    mad.lo.u32 %r2, %r0, 4, %r2;
    st.shared.u32 [%r2], %r0;
    mov.u32 %r4, fixed;
    sub.u32 %r3, %r2, %r4;
    st.shared.u8 [fixed+3], 9;
    ld.shared.u32 %r1, [%r2];
    mad.lo.u32 %r1, %r3, 1000, %r1;";
    let launch = Launch::linear(1, 32).dynamic_shared(128);
    let found = run(globals, declarations, launch, &lines.replace("st.shared.u8 [fixed+3], 9;", ""));
    let start = found[0] / 1000;
    assert!(start >= 100 && start.is_multiple_of(16), "{start}");
    assert_eq!(found, (0..32).map(|t| (start + 4 * t) * 1000 + t).collect::<Vec<u32>>());
}

/// What compilers make of `array[i - 100 + 100]`: the register is below 0 by itself.
#[test]
fn an_address_of_32_bits_wraps_with_its_offset() {
    let lines = "
    mov.u32 %r2, words;
    mad.lo.u32 %r2, %r0, 4, %r2;
    sub.u32 %r2, %r2, 4096;
    st.shared.u32 [%r2+4096], %r0;
    ld.shared.u32 %r1, [%r2+4096];";
    let found = run("", ".shared .align 4 .b8 words[128];", Launch::linear(1, 32), lines);
    assert_eq!(found, (0..32).collect::<Vec<u32>>());
}

#[test]
fn local_arrays_are_each_lanes_own() {
    let declarations = ".local .align 4 .b8 mine[64];";
    let lines = "
    mov.u32 %r2, 0;
FILL:
    mad.lo.u32 %r3, %r2, 3, %r0;
    mov.u32 %r4, mine;
    mad.lo.u32 %r4, %r2, 4, %r4;
    st.local.u32 [%r4], %r3;
    add.u32 %r2, %r2, 1;
    setp.lt.u32 %p1, %r2, 16;
    @%p1 bra FILL;
    and.b32 %r2, %r0, 15;
    mov.u64 %rd1, mine;
    mul.wide.u32 %rd2, %r2, 4;
    add.u64 %rd1, %rd1, %rd2;
    cvta.local.u64 %rd1, %rd1;
    ld.u32 %r1, [%rd1];";
    let found = run("", declarations, Launch::linear(1, 64), lines);
    assert_eq!(found, (0..64).map(|t| t % 16 * 3 + t).collect::<Vec<u32>>());
}

#[test]
fn constants_and_variables_of_the_module() {
    let globals = "
.const .align 4 .u32 table[4] = {10, 20, 30, 40};
.const .align 8 .u64 large = 0x123456789;
.global .align 4 .u32 start = 7;
.global .align 4 .b8 zeros[256];";
    let lines = "
    and.b32 %r2, %r0, 3;
    mov.u64 %rd1, table;
    mad.wide.u32 %rd1, %r2, 4, %rd1;
    ld.const.u32 %r1, [%rd1];
    cvta.const.u64 %rd2, %rd1;
    ld.u32 %r3, [%rd2];
    add.u32 %r1, %r1, %r3;
    ld.const.u64 %rd3, [large];
    shr.u64 %rd3, %rd3, 32;
    cvt.u32.u64 %r3, %rd3;
    add.u32 %r1, %r1, %r3;
    ld.global.u32 %r3, [start];
    add.u32 %r1, %r1, %r3;
    mov.u64 %rd4, zeros;
    mad.wide.u32 %rd4, %r0, 4, %rd4;
    ld.global.u32 %r3, [%rd4];
    add.u32 %r1, %r1, %r3;
    st.global.u32 [%rd4], %r1;
    ld.global.u32 %r1, [%rd4];";
    let found = run(globals, "", Launch::linear(1, 64), lines);
    assert_eq!(found, (0..64).map(|t| 2 * (10 + t % 4 * 10) + 1 + 7).collect::<Vec<u32>>());
}

#[test]
fn loads_and_stores_of_all_widths() {
    let declarations = ".shared .align 16 .b8 bytes[1024];";
    let base = "mov.u32 %r2, bytes; mad.lo.u32 %r2, %r0, 16, %r2;";
    let fill = "st.shared.v4.b32 [%r2], {0x80828486, 0x88898a8b, 0x01020304, 0xf0f1f2f3};";
    let cases = [
        ("ld.shared.u8 %r1, [%r2+1];", 0x84),
        ("ld.shared.s8 %r1, [%r2+1];", 0xffff_ff84),
        ("ld.shared.u16 %h1, [%r2+2]; cvt.u32.u16 %r1, %h1;", 0x8082),
        ("ld.shared.s16 %r1, [%r2+2];", 0xffff_8082),
        ("ld.shared.v2.u16 {%h1, %h2}, [%r2+4]; cvt.u32.u16 %r1, %h2;", 0x8889),
        ("ld.shared.v4.u8 {%r3, %r4, %r5, %r1}, [%r2+8];", 0x01),
        ("ld.shared.v4.u16 {%h1, %h2, %h3, %h4}, [%r2+8]; mov.b32 %r1, {%h3, %h4};", 0xf0f1_f2f3),
        ("ld.shared.u64 %rd1, [%r2+8]; shr.u64 %rd1, %rd1, 16; cvt.u32.u64 %r1, %rd1;", 0xf2f3_0102),
        ("ld.shared.v2.u64 {%rd1, %rd2}, [%r2]; cvt.u32.u64 %r1, %rd2;", 0x0102_0304),
        ("ld.shared.v2.u32 {_, %r1}, [%r2];", 0x8889_8a8b),
        ("st.shared.u8 [%r2+2], 0x77; ld.shared.u32 %r1, [%r2];", 0x8077_8486),
        (
            "st.shared.v2.u8 [%r2+2], {%r0, 0x55}; ld.shared.u32 %r1, [%r2]; sub.u32 %r3, %r1, 0x50000000;
          shl.b32 %r4, %r0, 16; sub.u32 %r1, %r1, %r4;",
            0x5500_8486,
        ),
        ("st.shared.v2.b16 [%r2+4], {0x1111, 0x2222}; ld.shared.u32 %r1, [%r2+4];", 0x2222_1111),
        (
            "mov.b64 %rd1, 0x1122334455667788; st.shared.u64 [%r2+8], %rd1; ld.shared.u32 %r1, [%r2+12];",
            0x1122_3344,
        ),
    ];
    for (lines, expected) in cases {
        let lines = format!("{base}\n{fill}\n{lines}");
        let found = run("", declarations, Launch::linear(1, 64), &lines);
        assert_eq!(found, vec![expected; 64], "{lines}");
    }
}

#[test]
fn accesses_of_thirty_two_bytes() {
    let globals = ".global .align 32 .b8 buffer[1024];";
    let lines = "
    mov.u64 %rd1, buffer;
    mad.wide.u32 %rd1, %r0, 32, %rd1;
    cvt.u64.u32 %rd2, %r0;
    add.u64 %rd3, %rd2, 100;
    add.u64 %rd4, %rd2, 200;
    add.u64 %rd5, %rd2, 300;
    st.global.v4.u64 [%rd1], {%rd2, %rd3, %rd4, %rd5};
    ld.global.v4.u64 {%rd6, %rd7, %rd8, %rd9}, [%rd1];
    mad.lo.u64 %rd6, %rd6, 2, %rd7;
    mad.lo.u64 %rd6, %rd8, 3, %rd6;
    mad.lo.u64 %rd6, %rd9, 4, %rd6;
    cvt.u32.u64 %r1, %rd6;";
    let found = run(globals, "", Launch::linear(1, 32), lines);
    assert_eq!(
        found,
        (0..32).map(|t| 2 * t + (t + 100) + 3 * (t + 200) + 4 * (t + 300)).collect::<Vec<u32>>()
    );
}

#[test]
fn generic_addresses_say_which_memory_they_mean() {
    let declarations = ".shared .align 4 .b8 array[128]; .local .align 4 .b8 own[4];";
    // Even lanes go to shared memory, odd ones to their local memory, by one instruction.
    let lines = "
    mov.u64 %rd1, array;
    mad.wide.u32 %rd1, %r0, 4, %rd1;
    cvta.shared.u64 %rd2, %rd1;
    mov.u64 %rd3, own;
    cvta.local.u64 %rd4, %rd3;
    and.b32 %r2, %r0, 1;
    setp.eq.u32 %p1, %r2, 1;
    selp.b64 %rd5, %rd4, %rd2, %p1;
    add.u32 %r3, %r0, 50;
    st.u32 [%rd5], %r3;
    ld.u32 %r1, [%rd5];
    isspacep.shared %p2, %rd5;
    @%p2 add.u32 %r1, %r1, 1000;
    isspacep.global %p3, %rd0;
    @%p3 add.u32 %r1, %r1, 10000;
    @%p2 ld.shared.u32 %r4, [%rd1];
    @!%p2 ld.local.u32 %r4, [%rd3];
    setp.ne.u32 %p4, %r4, %r3;
    @%p4 mov.u32 %r1, 9;
    cvta.to.shared.u64 %rd6, %rd2;
    setp.ne.u64 %p4, %rd6, %rd1;
    @%p4 mov.u32 %r1, 8;";
    let found = run("", declarations, Launch::linear(1, 32), lines);
    assert_eq!(
        found,
        (0..32).map(|t| t + 50 + 10000 + if t % 2 == 0 { 1000 } else { 0 }).collect::<Vec<u32>>()
    );
}

#[test]
fn atomics_in_shared_memory() {
    let one = |setup: u32, op: &str, result: u32| {
        let declarations = ".shared .align 8 .b8 word[8];";
        let lines = format!(
            "
    setp.eq.u32 %p1, %r0, 0;
    @%p1 st.shared.u32 [word], {setup};
    @%p1 st.shared.u32 [word+4], 0;
    bar.sync 0;
    {op}
    bar.sync 0;
    ld.shared.u32 %r1, [word];"
        );
        let found = run("", declarations, Launch::linear(1, 64), &lines);
        assert_eq!(found, vec![result; 64], "{op}");
    };
    one(5, "red.shared.add.u32 [word], %r0;", 5 + 63 * 32);
    one(5, "atom.shared.add.u32 %r2, [word], 1;", 69);
    one(-9i32 as u32, "red.shared.max.s32 [word], %r0;", 63);
    one(-9i32 as u32, "red.shared.max.u32 [word], %r0;", -9i32 as u32);
    one(9, "sub.s32 %r2, 3, %r0; red.shared.min.s32 [word], %r2;", -60i32 as u32);
    one(9, "red.shared.or.b32 [word], %r0;", 63);
    one(0xff, "or.b32 %r2, %r0, 64; red.shared.and.b32 [word], %r2;", 64);
    one(0, "red.shared.xor.b32 [word], %r0;", 0);
    // Up to 9, then from 0: 64 steps of a cycle of 10; and down.
    one(0, "atom.shared.inc.u32 %r2, [word], 9;", 4);
    one(0, "atom.shared.dec.u32 %r2, [word], 9;", 6);
    one(0, "cvt.rn.f32.u32 %f1, %r0; red.shared.add.f32 [word], %f1;", 2016f32.to_bits());
    one(7, "cvt.u64.u32 %rd1, %r0; atom.shared.add.u64 %rd2, [word], %rd1;", 7 + 2016);
    one(3, "setp.eq.u32 %p2, %r0, 40; @%p2 atom.shared.exch.b32 %r2, [word], 77;", 77);
    one(3, "atom.shared.cas.b32 %r2, [word], 3, 11;", 11);
    one(3, "atom.shared.cas.b32 %r2, [word], 4, 11;", 3);
    one(0x3c00_3c00, "mov.b32 %r3, 0x3c000000; red.shared.add.noftz.f16x2 [word], %r3;", 0x5410_3c00);
}

#[test]
fn atomics_give_back_what_was_there() {
    let lines = "
    mov.u64 %rd1, counter;
    atom.global.add.u32 %r1, [%rd1], 1;";
    let mut found = run(".global .u32 counter;", "", Launch::linear(4, 64), lines);
    found.sort_unstable();
    assert_eq!(found, (0..256).collect::<Vec<u32>>());
}

#[test]
fn asynchronous_copies_land_when_waited_for() {
    let globals =
        ".global .align 16 .u32 source[256] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};";
    let declarations = ".shared .align 16 .b8 target[1024];";
    let copy = |bytes: u32, rest: &str, wait: &str| {
        let lines = format!(
            "
    mov.u64 %rd1, source;
    mov.u32 %r2, target;
    mad.wide.u32 %rd1, %r0, {bytes}, %rd1;
    mad.lo.u32 %r2, %r0, {bytes}, %r2;
    and.b32 %r3, %r0, 3;
    shl.b32 %r3, %r3, 2;
    cp.async.ca.shared.global [%r2], [%rd1], {bytes}{rest};
    {wait}
    ld.shared.u32 %r1, [%r2+{}];",
            bytes - 4
        );
        run(globals, declarations, Launch::linear(1, 32), &lines)
    };
    let word = |index: u32| if index < 16 { index + 1 } else { 0 };
    let waits = ["cp.async.wait_all;", "cp.async.commit_group; cp.async.wait_group 0;"];
    for wait in waits {
        assert_eq!(copy(4, "", wait), (0..32).map(word).collect::<Vec<u32>>());
        assert_eq!(copy(8, "", wait), (0..32).map(|t| word(2 * t + 1)).collect::<Vec<u32>>());
        assert_eq!(copy(16, "", wait), (0..32).map(|t| word(4 * t + 3)).collect::<Vec<u32>>());
    }
    // Of 16 bytes, 0, 4, 8 or 12 come from the source: the last word never.
    assert_eq!(copy(16, ", %r3", waits[0]), vec![0; 32]);
    let lines = "
    mov.u64 %rd1, source;
    mov.u32 %r2, target;
    mad.wide.u32 %rd1, %r0, 8, %rd1;
    mad.lo.u32 %r2, %r0, 8, %r2;
    and.b32 %r3, %r0, 7;
    cp.async.ca.shared.global [%r2], [%rd1], 8, %r3;
    cp.async.wait_all;
    ld.shared.u64 %rd2, [%r2];
    shr.u64 %rd3, %rd2, 32;
    add.u64 %rd2, %rd2, %rd3;
    cvt.u32.u64 %r1, %rd2;";
    let bytes_of = |index: u32, bytes: u32| if bytes == 0 { 0 } else { word(index) };
    let expected: Vec<u32> =
        (0..32).map(|t| bytes_of(2 * t, t % 8) + bytes_of(2 * t + 1, (t % 8).saturating_sub(4))).collect();
    assert_eq!(run(globals, declarations, Launch::linear(1, 32), lines), expected);
}

#[test]
fn matrices_to_registers_and_back() {
    // The element at row r and column c of an 8x8 matrix is 8 r + c; a row has 16 bytes.
    let declarations = ".shared .align 16 .b8 matrix[128]; .shared .align 16 .b8 copy[128];";
    let fill = "
    mov.u32 %r2, matrix;
    mad.lo.u32 %r3, %r0, 4, %r2;
    shl.b32 %r4, %r0, 1;
    add.u32 %r5, %r4, 1;
    shl.b32 %r5, %r5, 16;
    or.b32 %r4, %r4, %r5;
    st.shared.u32 [%r3], %r4;
    bar.warp.sync -1;
    and.b32 %r6, %r0, 7;
    mad.lo.u32 %r3, %r6, 16, %r2;";
    let load = |trans: &str| {
        let lines = format!("{fill}\n ldmatrix.sync.aligned.m8n8.x1{trans}.shared.b16 {{%r1}}, [%r3];");
        run("", declarations, Launch::linear(1, 32), &lines)
    };
    let pair = |low: u32, high: u32| low | high << 16;
    assert_eq!(load(""), (0..32).map(|t| pair(2 * t, 2 * t + 1)).collect::<Vec<u32>>());
    let transposed: Vec<u32> = (0..32).map(|t| pair(t % 4 * 16 + t / 4, t % 4 * 16 + 8 + t / 4)).collect();
    assert_eq!(load(".trans"), transposed);
    let lines = format!(
        "{fill}\n ld.shared.u32 %r7, [%r3+0]; mov.b32 %r1, %r4; movmatrix.sync.aligned.m8n8.trans.b16 %r1, %r1;"
    );
    assert_eq!(run("", declarations, Launch::linear(1, 32), &lines), transposed);
}

#[test]
fn products_of_matrices_of_ones() {
    let lines = "
    mov.b32 %r2, 0x3f803f80;
    cvt.rn.f32.u32 %f1, %lane;
    mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f2, %f3, %f4, %f5}, {%r2, %r2, %r2, %r2}, {%r2, %r2},
        {%f1, %f1, %f1, %f1};
    cvt.rzi.u32.f32 %r1, %f5;";
    check(32, lines, |t| t + 16);
}

#[test]
fn volatile_accesses_and_fences() {
    let found = threads(
        32,
        "
    st.volatile.global.u32 [%place], 3;
    membar.gl;
    fence.acq_rel.gpu;
    ld.relaxed.gpu.global.u32 %r1, [%place];
    st.release.gpu.global.u32 [%place], 4;
    ld.acquire.gpu.global.u32 %r2, [%place];
    mad.lo.u32 %r1, %r1, 10, %r2;",
    );
    assert_eq!(found, vec![34; 32]);
}
