//! Registers that a lane reads before any instruction has written them.

use crate::harness::{check, module, run_with, threads, violation};
use chunkwise_sim::check::Wrong;
use chunkwise_sim::machine::{Launch, Options};
use chunkwise_sim::memory::Strictness;

/// The first lane at fault, and the circumstances.
fn told(lines: &str) -> (u32, String) {
    let fault = violation("", Launch::linear(1, 32), lines).fault;
    assert_eq!(fault.wrong, Wrong::UnwrittenRegister, "{lines}");
    (fault.lane, fault.detail)
}

fn never(lanes: &str, register: &str) -> String {
    format!("no instruction that lanes {lanes} have come through wrote `{register}`")
}

#[test]
fn the_message() {
    let lines = "setp.lt.u32 %p1, %lane, 16; @%p1 mov.u32 %r2, 5; add.u32 %r1, %r2, 1;";
    insta::assert_snapshot!(violation("", Launch::linear(1, 32), lines));
}

#[test]
fn every_kind_of_operand() {
    let all = |register| (0, never("0-31", register));
    assert_eq!(told("add.u32 %r1, %r2, 1;"), all("%r2"));
    assert_eq!(told("st.global.u32 [%place], %r2;"), all("%r2"));
    assert_eq!(told("st.global.u32 [%rd1], %r1;"), all("%rd1"));
    assert_eq!(told("@%p1 mov.u32 %r1, 1;"), all("%p1"));
    assert_eq!(told("selp.u32 %r1, 1, 2, %p2;"), all("%p2"));
    assert_eq!(told("mov.b32 {%h1, %h2}, %r0; add.u16 %h3, %h1, %h4;"), all("%h4"));
    assert_eq!(told("setp.eq.u32 %p1|%p2, %r0, 3; and.pred %p3, %p2, %p4;"), all("%p4"));
    assert_eq!(told("setp.eq.u32 %p1, %r0, 3; and.pred %p3, %p1, !%p4;"), all("%p4"));
    assert_eq!(told("mad.lo.u32 %r1, %r0, %r0, %r5;"), all("%r5"));
    assert_eq!(told("shfl.sync.bfly.b32 %r2|%p1, %r3, 1, 31, -1;"), all("%r3"));
}

#[test]
fn a_way_that_writes_it_and_one_that_does_not() {
    let lines = "setp.ge.u32 %p1, %lane, 30; @%p1 bra ON; mov.u32 %r2, 5; ON: add.u32 %r1, %r2, 1;";
    assert_eq!(told(lines), (30, never("30-31", "%r2")));
    // Only lanes that have written it read it.
    check(
        32,
        "setp.ge.u32 %p1, %lane, 30; @!%p1 mov.u32 %r2, 5; mov.u32 %r1, 7; @!%p1 add.u32 %r1, %r2, 1;",
        |lane| if lane < 30 { 6 } else { 7 },
    );
    // Written by the first turn of the loop, read by the others.
    check(
        32,
        "mov.u32 %r3, 0;
        LOOP: setp.eq.u32 %p1, %r3, 0; @%p1 bra FIRST; add.u32 %r1, %r1, %r2;
        FIRST: mov.u32 %r2, %r3; add.u32 %r3, %r3, 1; setp.lt.u32 %p2, %r3, 4; @%p2 bra LOOP;",
        |_| 3,
    );
}

/// Compilers move what they never set, and what was moved is as unwritten as what it came from.
#[test]
fn moves_hand_it_on() {
    check(32, "mov.u32 %r2, %r3; mov.b32 {%h1, %h2}, %r2; mov.u32 %r1, 4;", |_| 4);
    assert_eq!(told("mov.u32 %r2, %r3; add.u32 %r1, %r2, 1;"), (0, never("0-31", "%r2")));
    assert_eq!(told("mov.b32 {%h1, %h2}, %r3; cvt.u32.u16 %r1, %h2;"), (0, never("0-31", "%h2")));
    let lines = "setp.lt.u32 %p1, %lane, 2; mov.u32 %r2, 1; @%p1 mov.u32 %r2, %r3; add.u32 %r1, %r2, 1;";
    assert_eq!(told(lines), (0, never("0-1", "%r2")));
    check(32, "mov.u32 %r2, %r3; mov.u32 %r2, 6; add.u32 %r1, %r2, 1;", |_| 7);
}

/// Compilers fill bytes that nobody uses with what they never set.
#[test]
fn bytes_are_told_apart() {
    // Bytes 0 and 1 are 3 and the lane, the others nothing.
    let two = "mov.u32 %r2, 3; prmt.b32 %r3, %r2, %r0, 0x3340; prmt.b32 %r4, %r5, %r6, 0x3340;
        prmt.b32 %r3, %r3, %r4, 0x5410; ";
    let told = |lines: &str| told(&format!("{two}{lines}"));
    check(32, &format!("{two} dp2a.lo.u32.u32 %r1, 0x00010002, %r3, 0;"), |lane| 6 + lane);
    check(32, &format!("{two} mov.u32 %r7, %r3; dp2a.lo.u32.u32 %r1, 0x00010002, %r7, 0;"), |lane| 6 + lane);
    check(32, &format!("{two} prmt.b32 %r7, %r3, 0, 0x4410; add.u32 %r1, %r7, 1;"), |lane| 4 + 256 * lane);
    assert_eq!(told("dp2a.hi.u32.u32 %r1, 0x00010002, %r3, 0;"), (0, never("0-31", "%r3")));
    assert_eq!(told("dp2a.lo.u32.u32 %r1, %r3, 0x0102, 0;"), (0, never("0-31", "%r3")));
    assert_eq!(told("add.u32 %r1, %r3, 1;"), (0, never("0-31", "%r3")));
    assert_eq!(told("prmt.b32 %r7, %r3, 0, 0x4420; add.u32 %r1, %r7, 1;"), (0, never("0-31", "%r7")));
    // Which bytes, a register says: all of them are read.
    assert_eq!(told("mov.u32 %r7, 0x4410; prmt.b32 %r1, %r3, 0, %r7;"), (0, never("0-31", "%r3")));
    // A byte's sign comes from that byte.
    check(32, &format!("{two} prmt.b32 %r1, %r3, 0, 0x8888;"), |_| 0);
    assert_eq!(told("prmt.b32 %r7, %r3, 0, 0xaaaa; add.u32 %r1, %r7, 1;"), (0, never("0-31", "%r7")));
}

/// Registers of a function are its own at each call.
#[test]
fn registers_of_functions() {
    let function = ".func (.param .b32 out) grow(.param .b32 in)
    {
        .reg .b32 %a, %b;
        .reg .pred %q;
        ld.param.u32 %a, [in];
        setp.lt.u32 %q, %a, 8;
        @%q add.u32 %b, %a, 1;
        st.param.u32 [out], %b;
        ret;
    }";
    let call = "{ .param .b32 x; .param .b32 y; st.param.u32 [x], %r0; call (y), grow, (x); ld.param.u32 %r1, [y]; }";
    let text = module(function, "", call);
    let run = |threads| run_with(&text, Launch::linear(1, threads), &Options::default());
    assert_eq!(run(8).ok(), Some((1..9).collect()));
    let error = run(9).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains(&never("8", "%b")), "{error}");
}

#[test]
fn without_checks_it_is_0() {
    let text = module("", "", "add.u32 %r1, %r2, 1;");
    let options = Options { checks: Strictness::Bounds, ..Options::default() };
    assert_eq!(run_with(&text, Launch::linear(1, 2), &options).ok(), Some(vec![1, 1]));
    assert_eq!(threads(2, "add.u32 %r1, %r0, 1;"), [1, 2]);
}
