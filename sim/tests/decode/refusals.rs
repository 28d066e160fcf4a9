//! What is said of instructions that are refused: each says what is wrong and, where it can, what to write.

use super::{kernel, module, operations};

#[test]
fn messages() {
    let lines = "
        frobnicate.f32 %f1, %f2;
        add %r1, %r2, %r3;
        add.rn.fast.f32 %f1, %f2, %f3;
        add.rn.rn.f32 %f1, %f2, %f3;
        add.f32.rn %f1, %f2, %f3;
        add.rn.f32x2 %rd1, %rd2, %rd3;
        add.f32 %f1, %f2, 1;
        add.f16 %h1, %h2, 0x3C00;
        add.s32 %f1, %r2, %r3;
        add.s32 %r1, %r2, %rd3;
        add.s32 %r1, %r2;
        add.s32 %r1, %r2, %r3, %r4;
        add.s32 5, %r2, %r3;
        add.u32 %r1, %r2, %tid.x;
        add.s64 %rd1, buf, 4;
        add.u32 %r1, %r2, 8589934591;
        add.sat.u32 %r1, %r2, %r3;
        fma.f32 %f1, %f2, %f3, %f4;
        fma.rz.f16 %h1, %h2, %h3, %h4;
        mad.rn.f16 %h1, %h2, %h3, %h4;
        ex2.f32 %f1, %f2;
        sin.approx.f64 %fd1, %fd2;
        mul.s32 %r1, %r2, %r3;
        setp.lt.b32 %p1, %r1, %r2;
        setp.lo.s32 %p1, %r1, %r2;
        setp.eq.f16x2 %p1, %r1, %r2;
        set.eq.f16.bf16 %h1, %h2, %h3;
        selp.b32 %r1, %r2, %r3, %r4;
        mov.u32 %r1, %clock64;
        mov.b64 %rd1, {%r1, %r2, %r3};
        mov.f64 %fd1, 0f3F800000;
        lop3.b32 %r1, %r2, %r3, %r4, 256;
        cvt.f16.f32 %h1, %f1;
        cvt.rn.f32.f16 %f1, %h1;
        cvt.s32.f32 %r1, %f1;
        cvt.rn.s32.s64 %r1, %rd1;
        cvt.rn.tf32.f16 %r1, %h1;
        cvt.e4m3x2.f32 %h1, %f1, %f2;
        cvt.pack.sat.u8.s32.b32 %r1, %r2, %r3, %r4;
        ld.global.nc.fast.f32 %f1, [%rd1];
        ld.global.global.f32 %f1, [%rd1];
        ld.relaxed.global.f32 %f1, [%rd1];
        ld.gpu.global.f32 %f1, [%rd1];
        ld.shared.nc.f32 %f1, [%rd1];
        ld.global.v2.f32 %f1, [%rd1];
        ld.global.v2.f32 {%f1, %f2, %f3}, [%rd1];
        ld.global.f32 %f1, %rd1;
        ld.global.f32 %f1, [%r1];
        ld.global.f32 %f1, [buf];
        ld.shared.f32 %f1, [16];
        ld.global.f32 _, [%rd1];
        st.param.u32 [arg], %r1;
        st.global.u8 [%rd1], 300;
        atom.global.add.f16 %h1, [%rd1], %h2;
        atom.local.add.u32 %r1, [%rd1], 1;
        red.global.exch.b32 [%rd1], %r1;
        cp.async.cg.shared.global [%r1], [%rd1], 8;
        cp.async.ca.shared.global [%r1], [%rd1], 4, 8;
        cp.async.bulk.commit_group;
        ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r1, %r2}, [%r5];
        mma.sync.aligned.m16n8k8.row.row.f32.bf16.bf16.f32 {%f1}, {%r1}, {%r1}, {%f1};
        mma.sync.aligned.m16n8k32.row.col.f32.bf16.bf16.f32 {%f1}, {%r1}, {%r1}, {%f1};
        mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%f1, %f2, %f3, %f4}, {%r1}, {%r1}, {%f1};
        mma.sp.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f1}, {%r1}, {%r1}, {%f1}, %r1, 0;
        shfl.bfly.b32 %r1, %r2, 1, 31;
        match.all.sync.b32 %p1, %r1, -1;
        bar.sync 16;
        bar.sync 1, 48;
        bar.arrive 1;
        barrier.cluster.arrive;
        fence.proxy.async;
        mbarrier.init.shared.b64 [buf], 1;
        wgmma.fence.sync.aligned;
        wmma.load.a.sync.aligned.row.m16n16k16.shared.f16 {%r1}, [%r2];
        tex.1d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [%rd1, {%r1}];
        brkpt;
        bra.div L1;
        brx.idx %r1, L1;
        pmevent 16;
    ";
    let mut out = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match operations(line) {
            Ok(ops) => panic!("{line} is taken: {ops:?}"),
            Err(what) => out += &format!("{line}\n    {what}\n"),
        }
    }
    insta::assert_snapshot!(out);
}

/// The error names the line and repeats the instruction as it stands there.
#[test]
fn a_line_and_its_text() {
    let text = module("add.s32 %r1, %r2, %r3;\n@!%p1 ld.global.slow.v2.f32 {%f1, _}, [%rd1+-8];");
    insta::assert_snapshot!(kernel(&text, "k").expect_err("`.slow` is no modifier"));
    let text =
        module("@%p2 mov.slow.b32 {%h1, _}, buf+4, %dynamic_smem_size, !%p1, %laneid, %r1|%p1, 0f3F800000;");
    insta::assert_snapshot!(kernel(&text, "k").expect_err("`.slow` is no modifier"));
}

#[test]
fn no_such_kernel() {
    insta::assert_snapshot!(kernel(&module(""), "kk").expect_err("there is none"));
}

/// More modifiers than a word has bits.
#[test]
fn many_modifiers() {
    let words = ".rn".repeat(100);
    assert!(operations(&format!("add{words}.f32 %f1, %f2, %f3;")).is_err());
    assert!(operations(&format!("ld{}.f32 %f1, [%rd1];", ".global".repeat(70))).is_err());
}
