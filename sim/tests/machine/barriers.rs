//! Barriers of the block: all warps, some warps, arrivals, reductions, warps that end.

use crate::harness::{check, run};
use chunkwise_sim::machine::Launch;

const ARRAY: &str = ".shared .align 4 .b8 array[1024];";

/// `%r2` is the address of this thread's word of the array.
const PLACE: &str = "mov.u32 %r2, array; mad.lo.u32 %r2, %r0, 4, %r2;";

#[test]
fn what_is_written_before_a_barrier_is_read_after_it() {
    for barrier in ["bar.sync 0;", "barrier.sync 3;", "barrier.sync.aligned 15;", "bar.sync 1, 128;"] {
        let lines = format!(
            "{PLACE}
    st.shared.u32 [%r2], %r0;
    {barrier}
    sub.u32 %r3, 127, %r0;
    mov.u32 %r4, array;
    mad.lo.u32 %r4, %r3, 4, %r4;
    ld.shared.u32 %r1, [%r4];"
        );
        let found = run("", ARRAY, Launch::linear(2, 128), &lines);
        assert_eq!(found, [0, 1].map(|_| (0..128).rev().collect::<Vec<u32>>()).concat(), "{barrier}");
    }
}

#[test]
fn pairs_of_warps_have_barriers_of_their_own() {
    // Warps 0 and 1 meet at barrier 1, warps 2 and 3 at barrier 2, whose number is in a register.
    let lines = format!(
        "{PLACE}
    shr.u32 %r5, %r0, 6;
    add.u32 %r5, %r5, 1;
    st.shared.u32 [%r2], %r0;
    bar.sync %r5, 64;
    xor.b32 %r3, %r0, 32;
    mov.u32 %r4, array;
    mad.lo.u32 %r4, %r3, 4, %r4;
    ld.shared.u32 %r1, [%r4];"
    );
    let found = run("", ARRAY, Launch::linear(1, 128), &lines);
    assert_eq!(found, (0..128).map(|t| t ^ 32).collect::<Vec<u32>>());
}

#[test]
fn producers_arrive_and_consumers_wait() {
    let lines = format!(
        "{PLACE}
    setp.ge.u32 %p1, %r0, 32;
    @%p1 bra CONSUME;
    add.u32 %r3, %r0, 100;
    st.shared.u32 [%r2], %r3;
    bar.arrive 1, 64;
    mov.u32 %r1, 7;
    bra DONE;
CONSUME:
    bar.sync 1, 64;
    ld.shared.u32 %r1, [%r2+-128];
DONE:"
    );
    let found = run("", ARRAY, Launch::linear(1, 64), &lines);
    assert_eq!(found, (0..64).map(|t| if t < 32 { 7 } else { t - 32 + 100 }).collect::<Vec<u32>>());
}

#[test]
fn barriers_that_count_and_vote() {
    check(96, "setp.lt.u32 %p1, %r0, 40; bar.red.popc.u32 %r1, 0, %p1;", |_| 40);
    check(96, "setp.lt.u32 %p1, %r0, 40; bar.red.popc.u32 %r1, 0, !%p1;", |_| 56);
    // 70 threads: the last warp has 6 lanes.
    check(70, "setp.ge.u32 %p1, %r0, 0; bar.red.popc.u32 %r1, 2, %p1;", |_| 70);
    let vote = |op: &str, limit: u32| {
        format!("setp.lt.u32 %p1, %r0, {limit}; bar.red.{op}.pred %p2, 1, %p1; selp.u32 %r1, 1, 0, %p2;")
    };
    for (limit, all, any) in [(0, 0, 0), (50, 0, 1), (70, 1, 1)] {
        check(70, &vote("and", limit), |_| all);
        check(70, &vote("or", limit), |_| any);
    }
}

#[test]
fn warps_that_end_complete_a_barrier() {
    let lines = "
    setp.eq.u32 %p1, %warp, 1;
    @%p1 exit;
    bar.sync 0;
    mov.u32 %r1, 5;";
    check(96, lines, |t| if t / 32 == 1 { crate::harness::NOTHING } else { 5 });
}

#[test]
fn lanes_that_have_ended_do_not_keep_their_warp_from_a_barrier() {
    let lines = "
    setp.gt.u32 %p1, %r0, 50;
    @%p1 exit;
    bar.sync 0;
    mov.u32 %r1, 5;";
    check(64, lines, |t| if t > 50 { crate::harness::NOTHING } else { 5 });
}

#[test]
fn one_barrier_many_times() {
    // Each round adds the neighbour's number of the round before.
    let lines = format!(
        "{PLACE}
    mov.u32 %r1, %r0;
    mov.u32 %r5, 0;
    add.u32 %r3, %r0, 1;
    and.b32 %r3, %r3, 63;
    mov.u32 %r4, array;
    mad.lo.u32 %r4, %r3, 4, %r4;
LOOP:
    st.shared.u32 [%r2], %r1;
    bar.sync 0;
    ld.shared.u32 %r6, [%r4];
    bar.sync 0;
    add.u32 %r1, %r1, %r6;
    add.u32 %r5, %r5, 1;
    setp.lt.u32 %p1, %r5, 10;
    @%p1 bra LOOP;"
    );
    let found = run("", ARRAY, Launch::linear(1, 64), &lines);
    let mut expected: Vec<u32> = (0..64).collect();
    for _ in 0..10 {
        expected = (0..64).map(|t| expected[t] + expected[(t + 1) % 64]).collect();
    }
    assert_eq!(found, expected);
}

#[test]
fn lanes_may_reach_an_unaligned_barrier_apart() {
    let lines = "
    setp.lt.u32 %p1, %lane, 8;
    @!%p1 bra REST;
    barrier.sync 0;
    mov.u32 %r1, 1;
    bra DONE;
REST:
    barrier.sync 0;
    mov.u32 %r1, 2;
DONE:";
    check(64, lines, |t| if t % 32 < 8 { 1 } else { 2 });
}
