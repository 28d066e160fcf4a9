//! What instructions become, by family: text and operation side by side.

use super::operations;

/// The instructions and their operations, one below the other.
fn listing(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        out += line;
        match operations(line) {
            Ok(ops) => ops.iter().for_each(|op| out += &format!("\n    {op}")),
            Err(what) => panic!("{line} is refused: {what}"),
        }
        out += "\n";
    }
    out
}

macro_rules! family {
    ($name:ident, $text:literal) => {
        #[test]
        fn $name() {
            insta::assert_snapshot!(listing($text));
        }
    };
}

family!(
    floats,
    "
    add.f32 %f3, %f1, %f2;
    add.rz.ftz.sat.f32 %f3, %f1, 1.5;
    sub.rm.f64 %fd3, %fd1, 0d3FF8000000000000;
    mul.rp.f32 %r3, %r1, 0f40000000;
    fma.rn.f32 %f4, %f1, %f2, %f3;
    fma.rn.ftz.relu.f16 %h4, %h1, %h2, %h3;
    fma.rn.bf16x2 %r4, %r1, %r2, %r3;
    fma.rz.f64 %fd4, %fd1, %fd2, %fd3;
    mad.rn.f32 %f4, %f1, %f2, %f3;
    div.rn.f32 %f3, %f1, %f2;
    div.approx.ftz.f32 %f3, %f1, %f2;
    div.full.f32 %f3, %f1, %f2;
    rcp.approx.ftz.f64 %fd2, %fd1;
    rcp.rz.f32 %f2, %f1;
    sqrt.rn.f64 %fd2, %fd1;
    sqrt.approx.f32 %f2, %f1;
    rsqrt.approx.ftz.f32 %f2, %f1;
    rsqrt.approx.f64 %fd2, %fd1;
    sin.approx.f32 %f2, %f1;
    cos.approx.ftz.f32 %f2, %f1;
    lg2.approx.f32 %f2, %f1;
    ex2.approx.ftz.f32 %f2, %f1;
    ex2.approx.f16x2 %r2, %r1;
    ex2.approx.ftz.bf16 %h2, %h1;
    tanh.approx.bf16x2 %r2, %r1;
    abs.ftz.f32 %f2, %f1;
    neg.f16x2 %r2, %r1;
    min.ftz.NaN.xorsign.abs.f32 %f3, %f1, %f2;
    max.f64 %fd3, %fd1, %fd2;
    max.NaN.bf16 %h3, %h1, %h2;
    max.f32 %f4, %f1, %f2, %f3;
    copysign.f64 %fd3, %fd1, %fd2;
    testp.subnormal.f32 %p1, %f1;
    add.sat.f16x2 %hh3, %hh1, %hh2;
    mul.ftz.rn.f32 %f3, %f1, %f2;
    "
);

family!(
    integers,
    "
    add.s32 %r3, %r1, -1;
    add.sat.s32 %r3, %r1, %r2;
    add.u16 %h3, %h1, -1;
    add.u64 %rd3, %rd1, %rd2;
    sub.s64 %rd3, %rd1, 4294967296;
    mul.lo.u32 %r3, %r1, %r2;
    mul.hi.s64 %rd3, %rd1, %rd2;
    mul.wide.u16 %r3, %h1, %h2;
    mul.wide.s32 %rd3, %r1, -4;
    mad.lo.s16 %h4, %h1, %h2, %h3;
    mad.hi.sat.s32 %r4, %r1, %r2, %r3;
    mad.wide.u16 %r4, %h1, %h2, %r3;
    mad.wide.s32 %rd4, %r1, %r2, %rd3;
    mul24.hi.s32 %r3, %r1, %r2;
    mad24.lo.u32 %r4, %r1, %r2, %r3;
    mad24.hi.sat.s32 %r4, %r1, %r2, %r3;
    sad.s64 %rd4, %rd1, %rd2, %rd3;
    div.s32 %r3, %r1, 0;
    rem.u64 %rd3, %rd1, %rd2;
    abs.s16 %h2, %h1;
    neg.s64 %rd2, %rd1;
    min.u16 %h3, %h1, %h2;
    max.relu.s32 %r3, %r1, %r2;
    dp4a.s32.u32 %r4, %r1, %r2, %r3;
    dp2a.hi.u32.u32 %r4, %r1, %r2, %r3;
    add.cc.u32 %r3, %r1, %r2;
    addc.u32 %r3, %r1, %r2;
    subc.cc.s64 %rd3, %rd1, %rd2;
    mad.lo.cc.u32 %r4, %r1, %r2, %r3;
    madc.hi.cc.u64 %rd4, %rd1, %rd2, %rd3;
    "
);

family!(
    bits,
    "
    and.b32 %f3, %f1, %r2;
    or.b64 %rd3, %rd1, -1;
    xor.b16 %h3, %h1, %h2;
    and.pred %p3, %p1, !%p2;
    xor.pred %p3, %p1, 1;
    not.b32 %r2, %r1;
    not.pred %p2, %p1;
    cnot.b64 %rd2, %rd1;
    lop3.b32 %r4, %r1, %r2, %r3, 0xE8;
    lop3.or.b32 %r4|%p1, %r1, %r2, %r3, 0x80, !%p2;
    lop3.and.b32 _|%p1, %r1, %r2, %r3, 0x80, %p2;
    shl.b16 %h2, %h1, %r1;
    shl.b64 %rd2, %rd1, 3;
    shr.u32 %r2, %r1, 5;
    shr.s64 %rd2, %rd1, %r1;
    shf.l.wrap.b32 %r4, %r1, %r2, %r3;
    shf.r.clamp.b32 %r4, %r1, %r2, 7;
    prmt.b32 %r4, %r1, %r2, 0x5410;
    prmt.b32.rc16 %r4, %r1, %r2, %r3;
    popc.b32 %r2, %r1;
    popc.b64 %r2, %rd1;
    clz.b64 %r2, %rd1;
    bfind.s32 %r2, %r1;
    bfind.shiftamt.u64 %r2, %rd1;
    brev.b64 %rd2, %rd1;
    bfe.s32 %r2, %r1, 8, 8;
    bfe.u64 %rd2, %rd1, %r1, %r3;
    bfi.b32 %r3, %r1, %r2, 8, 8;
    bfi.b64 %rd3, %rd1, %rd2, %r1, %r2;
    szext.wrap.s32 %r3, %r1, %r2;
    bmsk.clamp.b32 %r3, %r1, %r2;
    fns.b32 %r3, %r1, 0, 1;
    "
);

family!(
    choices,
    "
    setp.lt.s32 %p1, %r1, -1;
    setp.hs.u64 %p1, %rd1, %rd2;
    setp.ls.u16 %p1, %h1, 65535;
    setp.geu.and.ftz.f32 %p1|%p2, %f1, %f2, !%p3;
    setp.num.f64 %p1, %fd1, %fd2;
    setp.nan.f16x2 %p1|%p2, %r1, %r2;
    setp.ne.bf16 %p1, %h1, %h2;
    setp.eq.b32 %p1|_, %r1, 0;
    setp.neu.ftz.or.f32 %p1, %f1, %f2, %p2;
    set.lt.u32.s32 %r3, %r1, %r2;
    set.gtu.xor.ftz.f32.f32 %f3, %f1, %f2, %p1;
    set.eq.u16.f16 %h3, %h1, %h2;
    set.eq.f16x2.f16x2 %r3, %r1, %r2;
    set.ne.s32.bf16x2 %r3, %r1, %r2;
    selp.f32 %f3, %f1, 0f00000000, %p1;
    selp.b16 %h3, 1, 0, %p1;
    selp.b64 %rd3, %rd1, %rd2, %p1;
    slct.u64.s32 %rd3, %rd1, %rd2, %r1;
    slct.ftz.f32.f32 %f4, %f1, %f2, %f3;
    "
);

family!(
    moves,
    "
    mov.u32 %r1, %tid.x;
    mov.u64 %rd1, %clock64;
    mov.u32 %r1, %gridid;
    mov.u16 %h1, %ntid.z;
    mov.pred %p1, !%p2;
    mov.pred %p1, 1;
    mov.b32 %r1, 0f3F800000;
    mov.f32 %f1, -0.5;
    mov.f64 %fd1, 1.5;
    mov.b16 %h1, 0x3C00;
    mov.b32 %f1, %r1;
    mov.b32 %r1, {%h1, %h2};
    mov.b32 {%h1, _}, %r1;
    mov.b64 {%r1, %f2}, %fd1;
    mov.b64 %rd1, {%h1, %h2, %h3, %h4};
    mov.b32 %r1, {%c1, %c2, %c3, %c4};
    mov.b128 %q1, {%rd1, %rd2};
    mov.b128 {%r1, %r2, %r3, _}, %q1;
    mov.b128 %q2, %q1;
    mov.u64 %rd1, buf;
    mov.u32 %r1, buf+4;
    mov.u64 %rd1, dyn;
    mov.u64 %rd1, loc+8;
    mov.u64 %rd1, big;
    mov.u64 %rd1, glob+16;
    cvta.shared.u64 %rd1, buf;
    cvta.global.u64 %rd1, glob;
    cvta.to.global.u64 %rd2, %rd1;
    cvta.local.u64 %rd2, %rd1;
    isspacep.shared %p1, %rd1;
    "
);

family!(
    conversions,
    "
    cvt.rn.f16.f32 %h1, %f1;
    cvt.rz.ftz.sat.f16.f32 %h1, %f1;
    cvt.rn.relu.satfinite.bf16.f32 %h1, %f1;
    cvt.f32.bf16 %f1, %h1;
    cvt.ftz.f32.f16 %f1, %h1;
    cvt.f64.f32 %fd1, %f1;
    cvt.rn.f32.f64 %f1, %fd1;
    cvt.rni.f32.f32 %f2, %f1;
    cvt.sat.f32.f32 %f2, %f1;
    cvt.rzi.ftz.s32.f32 %r1, %f1;
    cvt.rmi.u64.f64 %rd1, %fd1;
    cvt.rzi.s8.f32 %r1, %f1;
    cvt.rn.f32.u64 %f1, %rd1;
    cvt.rp.f64.s32 %fd1, %r1;
    cvt.rn.f16.u16 %h2, %h1;
    cvt.u64.u32 %rd1, %r1;
    cvt.s64.s32 %rd1, %r1;
    cvt.s32.s8 %r1, %r2;
    cvt.u16.u32 %h1, %r1;
    cvt.u8.u32 %rd1, %r1;
    cvt.sat.u8.s32 %h1, %r1;
    cvt.u32.u32 %r1, %laneid;
    cvt.rn.f16x2.f32 %r1, %f1, %f2;
    cvt.rz.relu.bf16x2.f32 %r1, %f1, %f2;
    cvt.rna.tf32.f32 %r1, %f1;
    cvt.rn.satfinite.e4m3x2.f32 %h1, %f1, %f2;
    cvt.rn.satfinite.relu.e5m2x2.f16x2 %h1, %r1;
    cvt.rn.f16x2.e4m3x2 %r1, %h1;
    "
);

family!(
    memory,
    "
    ld.param.u64 %rd1, [arg];
    ld.param.v2.u32 {%r1, %r2}, [big+8];
    ld.param.b32 %r1, [%rd1+4];
    ld.global.nc.L1::no_allocate.L2::128B.v4.f32 {%f1, _, %f3, %f4}, [%rd1+16];
    ld.global.L1::evict_last.L2::cache_hint.b32 %r1, [%rd1], %rd2;
    ld.const.f32 %f1, [cst+4];
    ld.global.u32 %r1, [glob+8];
    ld.u32 %r1, [glob];
    ld.u8 %h1, [%rd1];
    ld.shared.s8 %r1, [buf+3];
    ld.shared.s8 %h1, [%r1];
    ld.shared.u16 %rd1, [dyn];
    ld.local.v2.f64 {%fd1, %fd2}, [loc];
    ld.global.b128 %q1, [%rd1];
    ld.global.v8.b32 {%r1, %r2, %r3, %r4, %r5, %r6, %r7, %r8}, [%rd1];
    ld.volatile.shared.u32 %r1, [%r2+-4];
    ld.acquire.gpu.global.u32 %r1, [%rd1];
    ld.global.relaxed.sys.u64 %rd2, [%rd1];
    ldu.global.f32 %f1, [%rd1];
    st.global.f32 [%rd1], 0f3F800000;
    st.global.cs.v2.b16 [%rd1], {%h1, %h2};
    st.shared.u8 [%r1], %r2;
    st.local.b64 [loc+8], -1;
    st.release.cta.shared.b32 [buf], %r1;
    st.shared.b128 [%r1], %q1;
    st.volatile.u16 [%rd1], %r1;
    prefetch.global.L2 [%rd1];
    prefetchu.L1 [%rd1];
    createpolicy.fractional.L2::evict_last.b64 %rd1, 1.0;
    applypriority.global.L2::evict_normal [%rd1], 128;
    discard.global.L2 [%rd1], 128;
    "
);

family!(
    atomics,
    "
    atom.global.add.f32 %f1, [%rd1], %f2;
    atom.acquire.cta.shared.cas.b32 %r1, [%r2], %r3, %r4;
    atom.global.gpu.acq_rel.add.f64 %fd1, [%rd1], 1.0;
    atom.sys.max.s64 %rd2, [%rd1], -1;
    atom.global.exch.b32 _, [glob], 5;
    atom.shared.inc.u32 %r1, [buf], 7;
    atom.global.add.noftz.bf16x2 %r1, [%rd1], %r2;
    red.release.gpu.global.add.noftz.f16 [%rd1], %h1;
    red.shared.or.b32 [buf+4], 1;
    "
);

family!(
    copies,
    "
    cp.async.ca.shared.global [%r1], [%rd1], 4;
    cp.async.cg.shared::cta.global.L2::128B [buf+16], [glob], 16, 0;
    cp.async.ca.shared.global [%r1], [%rd1], 8, %r2;
    cp.async.cg.shared.global [%r1], [%rd1], 16, !%p1;
    cp.async.cg.shared.global.L2::cache_hint.L2::256B [%r1], [%rd1], 16, %r2, %rd2;
    cp.async.commit_group;
    cp.async.wait_group 2;
    cp.async.wait_all;
    "
);

family!(
    matrices,
    "
    ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [%r2];
    ldmatrix.sync.aligned.m8n8.x4.trans.shared::cta.b16 {%r1, %r2, %r3, %r4}, [buf];
    ldmatrix.sync.aligned.m8n8.x2.b16 {%r1, _}, [%rd1];
    stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%r1], {%r2, %r3};
    movmatrix.sync.aligned.m8n8.trans.b16 %r2, %r1;
    mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2, %r3, %r4}, {%r5, %r6}, {%f5, %f6, %f7, %f8};
    mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 {%r1, %r2}, {%r3, %r4}, {%r5}, {%r6, %r7};
    mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2, %r3, %r4}, {%r5, 0}, {0f00000000, %f6, %f7, %f8};
    mma.sync.aligned.m8n8k16.row.col.satfinite.s32.s8.u8.s32 {%r1, %r2}, {%r3}, {%r4}, {%r5, %r6};
    mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%fd1, %fd2}, {%fd3}, {%fd4}, {%fd5, %fd6};
    mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.xor.popc {%r1, %r2, %r3, %r4}, {%r5, %r6, %r7, %r8}, {%r9, %r10}, {%r11, %r12, %r13, %r14};
    "
);

family!(
    exchanges,
    "
    shfl.sync.bfly.b32 %f2|%p1, %f1, 16, 31, -1;
    shfl.sync.up.b32 %r2, %r1, %r3, 0, %r4;
    shfl.sync.idx.b32 %r2|_, %r1, 0, 0x1c1f, 0xffff;
    vote.sync.all.pred %p1, !%p2, -1;
    vote.sync.ballot.b32 %r1, %p1, %r2;
    match.any.sync.b64 %r1, %rd1, -1;
    match.all.sync.b32 %r1|%p1, %r2, -1;
    redux.sync.max.s32 %r2, %r1, -1;
    redux.sync.xor.b32 %r2, %r1, %r3;
    activemask.b32 %r1;
    elect.sync _|%p1, -1;
    "
);

family!(
    order,
    "
    bar.sync 0;
    bar.sync %r1, %r2;
    bar.arrive 1, 64;
    bar.red.popc.u32 %r1, 0, !%p1;
    bar.cta.red.or.pred %p2, 1, 128, %p1;
    barrier.sync 2;
    barrier.cta.arrive.aligned 3, 96;
    bar.warp.sync 255;
    membar.gl;
    fence.acq_rel.cta;
    fence.sc.sys;
    fence.gpu;
    "
);

family!(
    control,
    "
    bra L1;
    bra.uni L2;
    brx.idx %r1, L4;
    ret;
    exit;
    trap;
    nanosleep.u32 100;
    pmevent 3;
    griddepcontrol.wait;
    "
);
