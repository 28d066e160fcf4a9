//! Launches: coordinates, parameters, arguments that do not fit, limits, counts.

use crate::harness::{NOTHING, check, module, run, run_with};
use chunkwise_sim::count::Counters;
use chunkwise_sim::machine::{Arguments, Error, Launch, Module, Options, max_shared};
use chunkwise_sim::memory::Strictness;
use chunkwise_sim::memory::global::Global;

#[test]
fn special_registers_of_a_line_of_blocks() {
    check(64, "mov.u32 %r1, %laneid;", |t| t % 32);
    check(64, "mov.u32 %r1, %warpid;", |t| t / 32);
    check(70, "mov.u32 %r1, %nwarpid;", |_| 3);
    check(64, "mov.u32 %r1, %lanemask_eq;", |t| 1 << (t % 32));
    check(64, "mov.u32 %r1, %lanemask_lt;", |t| (1u32 << (t % 32)) - 1);
    check(64, "mov.u32 %r1, %lanemask_le;", |t| (2u64 << (t % 32)).wrapping_sub(1) as u32);
    check(64, "mov.u32 %r1, %lanemask_gt;", |t| !((2u64 << (t % 32)).wrapping_sub(1) as u32));
    check(64, "mov.u32 %r1, %lanemask_ge;", |t| u32::MAX << (t % 32));
    check(
        64,
        "mov.u32 %r2, %clock; mov.u32 %r3, %clock; setp.lt.u32 %p1, %r2, %r3; selp.u32 %r1, 1, 0, %p1;",
        |_| 1,
    );
}

#[test]
fn threads_and_blocks_in_three_directions() {
    let text = "
.version 8.0
.target sm_80
.address_size 64
.visible .entry test(.param .u64 out)
{
    .reg .b32 %r<16>;
    .reg .b64 %rd<4>;
    ld.param.u64 %rd0, [out];
    mov.u32 %r1, %tid.x;
    mov.u32 %r2, %tid.y;
    mov.u32 %r3, %tid.z;
    mov.u32 %r4, %ntid.x;
    mov.u32 %r5, %ntid.y;
    mov.u32 %r6, %ntid.z;
    mad.lo.u32 %r7, %r3, %r5, %r2;
    mad.lo.u32 %r7, %r7, %r4, %r1;
    mov.u32 %r8, %ctaid.x;
    mov.u32 %r9, %ctaid.y;
    mov.u32 %r10, %ctaid.z;
    mov.u32 %r11, %nctaid.x;
    mov.u32 %r12, %nctaid.y;
    mad.lo.u32 %r13, %r10, %r12, %r9;
    mad.lo.u32 %r13, %r13, %r11, %r8;
    mul.lo.u32 %r14, %r4, %r5;
    mul.lo.u32 %r14, %r14, %r6;
    mad.lo.u32 %r7, %r13, %r14, %r7;
    mad.wide.u32 %rd1, %r7, 4, %rd0;
    mul.lo.u32 %r15, %r1, 10;
    add.u32 %r15, %r15, %r2;
    mad.lo.u32 %r15, %r15, 10, %r3;
    mad.lo.u32 %r15, %r15, 10, %r8;
    mad.lo.u32 %r15, %r15, 10, %r9;
    mad.lo.u32 %r15, %r15, 10, %r10;
    st.global.u32 [%rd1], %r15;
    ret;
}";
    let launch = Launch { grid: [3, 2, 2], block: [5, 3, 4], dynamic_shared: 0 };
    let found = run_with(text, launch, &Options::default()).unwrap();
    let mut expected = Vec::new();
    for [cz, cy, cx] in (0..12).map(|b| [b / 6, b / 3 % 2, b % 3]) {
        for [z, y, x] in (0..60).map(|t| [t / 15, t / 5 % 3, t % 5]) {
            expected.push(((((x * 10 + y) * 10 + z) * 10 + cx) * 10 + cy) * 10 + cz);
        }
    }
    assert_eq!(found, expected);
}

const MIXED: &str = "
.version 8.0
.target sm_80
.address_size 64
.visible .entry mixed(.param .u8 a, .param .u64 out, .param .u16 b, .param .f32 c, .param .align 8 .b8 d[12], .param .f64 e)
{
    .reg .b32 %r<8>;
    .reg .b16 %h<4>;
    .reg .b64 %rd<8>;
    .reg .f32 %f<4>;
    .reg .f64 %fd<4>;
    ld.param.u64 %rd0, [out];
    ld.param.u8 %r1, [a];
    ld.param.u16 %h1, [b];
    ld.param.f32 %f1, [c];
    ld.param.u32 %r3, [d+8];
    mov.b64 %rd1, d;
    mov.u32 %r5, %tid.x;
    mad.wide.u32 %rd1, %r5, 4, %rd1;
    ld.param.u32 %r4, [%rd1];
    ld.param.f64 %fd1, [e];
    cvt.u32.u16 %r2, %h1;
    st.global.u32 [%rd0], %r1;
    st.global.u32 [%rd0+4], %r2;
    st.global.f32 [%rd0+8], %f1;
    st.global.u32 [%rd0+12], %r3;
    st.global.u32 [%rd0+16], %r4;
    cvt.rn.f32.f64 %f2, %fd1;
    st.global.f32 [%rd0+20], %f2;
    ret;
}";

#[test]
fn parameters_of_every_size() {
    let kernel = Module::parse(MIXED).unwrap().kernel("mixed").unwrap();
    let sizes: Vec<(u32, u32)> = kernel.params().iter().map(|p| (p.offset, p.bytes)).collect();
    assert_eq!(sizes, [(0, 1), (8, 8), (16, 2), (20, 4), (24, 12), (40, 8)]);
    let mut memory = Global::new();
    let out = memory.alloc_named(24, 256, "out").unwrap();
    let d: Vec<u8> = [11u32, 22, 33].iter().flat_map(|v| v.to_le_bytes()).collect();
    let arguments = Arguments::new().bytes(&[200]).pointer(out).bytes(&60000u16.to_le_bytes());
    let arguments = arguments.f32(1.5).bytes(&d).f64(-2.5);
    kernel.run(&Launch::linear(1, 1), &arguments, &mut memory, &Options::default()).unwrap();
    let mut bytes = [0; 24];
    memory.read(out, &mut bytes).unwrap();
    let words: Vec<u32> = bytes.chunks(4).map(|w| u32::from_le_bytes(w.try_into().unwrap())).collect();
    assert_eq!(words, [200, 60000, 1.5f32.to_bits(), 33, 11, (-2.5f32).to_bits()]);
}

/// What a launch is refused with.
fn refusal(text: &str, launch: Launch, arguments: &Arguments) -> String {
    let module = Module::parse(text).unwrap();
    let name = module.kernels().next().unwrap().to_string();
    let kernel = module.kernel(&name).unwrap();
    match kernel.run(&launch, arguments, &mut Global::new(), &Options::default()) {
        Err(Error::Launch(what)) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn launches_that_cannot_be() {
    let plain = module("", "", "");
    let large = module("", ".shared .align 4 .b8 large[49156];", "st.shared.u32 [large], 0;");
    let bounded = plain.replace("test(.param .u64 out)", "test(.param .u64 out) .maxntid 128, 1, 1");
    let older = plain.replace("sm_80", "sm_86");
    let one = Arguments::new().pointer(0);
    let launch =
        |grid: [u32; 3], block: [u32; 3], dynamic_shared: u32| Launch { grid, block, dynamic_shared };
    let line = launch([1, 1, 1], [32, 1, 1], 0);
    let all = [
        refusal(&plain, line, &Arguments::new()),
        refusal(&plain, line, &Arguments::new().u32(5)),
        refusal(MIXED, line, &Arguments::new().u32(5)),
        refusal(&plain, launch([1, 0, 1], [32, 1, 1], 0), &one),
        refusal(&plain, launch([1, 70000, 1], [32, 1, 1], 0), &one),
        refusal(&plain, launch([1, 1, 1], [2048, 1, 1], 0), &one),
        refusal(&plain, launch([1, 1, 1], [1, 1, 65], 0), &one),
        refusal(&bounded, launch([1, 1, 1], [129, 1, 1], 0), &one),
        refusal(&large, line, &one),
        refusal(&plain, launch([1, 1, 1], [32, 1, 1], 163 * 1024 + 1), &one),
        refusal(&older, launch([1, 1, 1], [32, 1, 1], 100 * 1024), &one),
        match Module::parse(&plain).unwrap().kernel("tset") {
            Err(Error::Launch(what)) => what,
            other => panic!("{other:?}"),
        },
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn shared_memory_of_targets() {
    let found = ["sm_80", "sm_86", "sm_89", "sm_90a", "sm_100", "sm_120"].map(|t| max_shared(t) / 1024);
    assert_eq!(found, [163, 99, 99, 227, 227, 99]);
}

#[test]
fn many_blocks_give_the_same_counts_in_any_number_of_threads() {
    let text = module(
        "",
        "",
        "
    and.b32 %r2, %block, 7;
    mov.f32 %f1, 0f3F800000;
LOOP:
    fma.rn.f32 %f1, %f1, %f1, %f1;
    add.u32 %r1, %r1, 3;
    sub.u32 %r2, %r2, 1;
    setp.gt.s32 %p1, %r2, 0;
    @%p1 bra LOOP;",
    );
    let kernel = Module::parse(&text).unwrap().kernel("test").unwrap();
    let mut reports = Vec::new();
    for threads in [1, 2, 5] {
        let mut memory = Global::new();
        let out = memory.alloc_named(4 * 64 * 500, 256, "out").unwrap();
        let options = Options { threads, lines: true, ..Options::default() };
        let arguments = Arguments::new().pointer(out);
        reports.push(kernel.run(&Launch::linear(500, 64), &arguments, &mut memory, &options).unwrap());
    }
    assert_eq!(reports[0], reports[1]);
    assert_eq!(reports[0], reports[2]);
    // 500 blocks of 2 warps; of every 8 blocks the loops run 1, 1, 2, .., 7 times, of the last 4 blocks 1, 1, 2, 3 times.
    let rounds = (62 * 29 + 7) * 2;
    let total = reports[0].total;
    assert_eq!((total.float, total.lane_fma), (rounds, 32 * rounds));
    assert_eq!(total.global_store_bytes, 4 * 64 * 500);
    assert_eq!(total.store_sectors, 4 * 2 * 500);
    assert_eq!((total.divergent_branches, total.barriers, total.exchanges), (0, 0, 0));
}

#[test]
fn counts_by_source_line() {
    let globals = ".file 1 \"kernel.cu\"";
    let lines = "
    .loc 1 10 5
    add.u32 %r1, %r0, 1;
    add.u32 %r1, %r1, 1;
    .loc 1 11 5
    mul.lo.u32 %r1, %r1, 2;
    .loc 1 12 1
    bar.sync 0;
    shfl.sync.idx.b32 %r1, %r1, 0, 31, -1;
    .loc 1 13 1";
    let text = module(globals, "", lines);
    let kernel = Module::parse(&text).unwrap().kernel("test").unwrap();
    let mut memory = Global::new();
    let out = memory.alloc_named(4 * 64, 256, "out").unwrap();
    let options = Options { lines: true, ..Options::default() };
    let report =
        kernel.run(&Launch::linear(1, 64), &Arguments::new().pointer(out), &mut memory, &options).unwrap();
    let integers = |n: u64| Counters { instructions: n, integer: n, ..Counters::default() };
    assert_eq!(report.lines[&(1, 10)], integers(4));
    assert_eq!(report.lines[&(1, 11)], integers(2));
    let exchange = Counters { instructions: 4, barriers: 2, exchanges: 2, ..Counters::default() };
    assert_eq!(report.lines[&(1, 12)], exchange);
    assert_eq!(report.lines[&(1, 13)].global_store_bytes, 256);
}

/// What warp 0 does before a barrier and warp 1 after it is one chain; without the barrier they are two, side by side.
#[test]
fn the_longest_path_goes_through_barriers() {
    let path = |barrier: &str, before: u32, after: u32| {
        let body = format!(
            "setp.ge.u32 %p0, %r0, 32;
            mov.u32 %r2, {before};
            @%p0 bra MEET;
            BEFORE: sub.u32 %r2, %r2, 1; setp.ne.u32 %p1, %r2, 0; @%p1 bra BEFORE;
            MEET: {barrier}
            mov.u32 %r2, {after};
            @!%p0 bra DONE;
            AFTER: sub.u32 %r2, %r2, 1; setp.ne.u32 %p1, %r2, 0; @%p1 bra AFTER;
            DONE: mov.u32 %r1, 1;"
        );
        let kernel = Module::parse(&module("", "", &body)).unwrap().kernel("test").unwrap();
        let mut memory = Global::new();
        let out = memory.alloc_named(4 * 64 * 3, 256, "out").unwrap();
        let arguments = Arguments::new().pointer(out);
        let launch = Launch::linear(3, 64);
        let total = kernel.run(&launch, &arguments, &mut memory, &Options::default()).unwrap().total;
        (total.path, total.path_barriers)
    };
    let with = path("bar.sync 0;", 10, 20);
    assert_eq!(with.1, 3, "one barrier in each of three blocks");
    // Three blocks, three instructions a round.
    assert_eq!(path("bar.sync 0;", 11, 20).0, with.0 + 9);
    assert_eq!(path("bar.sync 0;", 10, 21).0, with.0 + 9);
    let without = path("", 10, 20);
    assert_eq!(without.1, 0);
    assert_eq!(path("", 11, 20).0, without.0);
    assert_eq!(path("", 10, 21).0, without.0 + 9);
}

#[test]
fn variables_of_a_module_keep_what_kernels_write() {
    let text = module(".global .u32 total = 5;", "", "atom.global.add.u32 %r1, [total], 1;");
    let module = Module::parse(&text).unwrap();
    let kernel = module.kernel("test").unwrap();
    let mut memory = Global::new();
    let out = memory.alloc_named(128, 256, "out").unwrap();
    for _ in 0..2 {
        let arguments = Arguments::new().pointer(out);
        kernel.run(&Launch::linear(1, 32), &arguments, &mut memory, &Options::default()).unwrap();
    }
    let total = module.variable("total", &mut memory).unwrap();
    let mut bytes = [0; 4];
    memory.read(total, &mut bytes).unwrap();
    assert_eq!(u32::from_le_bytes(bytes), 69);
    assert!(module.variable("none", &mut memory).is_err());
}

#[test]
fn fast_mode_checks_bounds_alone() {
    // Uninitialised and racing; with checks the first is found.
    let declarations = ".shared .u32 word;";
    let lines = "ld.shared.u32 %r2, [word]; st.shared.u32 [word], %r0; mov.u32 %r1, 6;";
    let text = module("", declarations, lines);
    let fast = Options { checks: Strictness::Bounds, ..Options::default() };
    assert_eq!(run_with(&text, Launch::linear(1, 64), &fast).unwrap(), vec![6; 64]);
    assert!(run_with(&text, Launch::linear(1, 64), &Options::default()).is_err());
}

#[test]
fn the_violation_of_the_lowest_block_is_reported() {
    // Every block from 37 on violates; lower ones take longer.
    let lines = "
    mov.u32 %r2, 200;
    setp.ge.u32 %p1, %block, 37;
    @%p1 trap;
LOOP:
    sub.u32 %r2, %r2, 1;
    setp.gt.u32 %p2, %r2, 0;
    @%p2 bra LOOP;";
    let text = module("", "", lines);
    for threads in [1, 2, 7] {
        let options = Options { threads, ..Options::default() };
        match run_with(&text, Launch::linear(100, 32), &options) {
            Err(Error::Violation(violation)) => assert_eq!(violation.block, [37, 0, 0], "{threads} threads"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn threads_that_write_nothing_leave_memory_as_it_was() {
    let found = run("", "", Launch::linear(2, 32), "setp.eq.u32 %p1, %block, 1; @%p1 exit;");
    assert_eq!(found, [vec![0; 32], vec![NOTHING; 32]].concat());
}

#[test]
fn sizes_beyond_all_measure_are_refused_and_not_multiplied() {
    let huge = [u32::MAX; 3];
    assert_eq!(Launch { grid: huge, block: huge, dynamic_shared: 0 }.threads(), u32::MAX);
    let text = module("", "", "");
    let one = Arguments::new().pointer(0);
    for (grid, block) in [([1, 1, 1], huge), (huge, [1, 1, 1]), ([1, 1, 1], [1 << 16, 1 << 16, 1])] {
        assert!(
            refusal(&text, Launch { grid, block, dynamic_shared: 0 }, &one).contains("cannot be launched")
        );
    }
}

#[test]
fn a_kernel_runs_on_several_threads_at_once() {
    fn shareable<T: Send + Sync + Clone>(_: &T) {}
    let kernel = Module::parse(&module("", "", "mov.u32 %r1, 3;")).unwrap().kernel("test").unwrap();
    shareable(&kernel);
    let launch = || {
        let mut memory = Global::new();
        let out = memory.alloc_named(4 * 64 * 8, 256, "out").unwrap();
        let arguments = Arguments::new().pointer(out);
        kernel.run(&Launch::linear(8, 64), &arguments, &mut memory, &Options::default()).unwrap()
    };
    let alone = launch();
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(launch)).collect();
        all.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), alone));
    });
}
