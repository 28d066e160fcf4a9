//! Branches: lanes that part and meet again, loops, exits, guards.

use crate::harness::{NOTHING, check, run, threads};
use chunkwise_sim::machine::Launch;

#[test]
fn an_if_and_its_else() {
    let lines = "
    setp.lt.u32 %p1, %r0, 5;
    @%p1 bra LOW;
    mov.u32 %r1, 200;
    bra.uni DONE;
LOW:
    mov.u32 %r1, 100;
DONE:
    add.u32 %r1, %r1, %r0;";
    check(64, lines, |t| t + if t < 5 { 100 } else { 200 });
}

#[test]
fn nests_of_branches_meet_at_each_level() {
    // Each level adds its bit on one side; `activemask` after the joins shows that all lanes are back.
    let lines = "
    and.b32 %r2, %r0, 1;
    setp.eq.u32 %p1, %r2, 1;
    and.b32 %r2, %r0, 2;
    setp.eq.u32 %p2, %r2, 2;
    and.b32 %r2, %r0, 4;
    setp.eq.u32 %p3, %r2, 4;
    @!%p1 bra EVEN;
    add.u32 %r1, %r1, 1;
    @!%p2 bra INNER;
    add.u32 %r1, %r1, 10;
    @!%p3 bra INNERMOST;
    add.u32 %r1, %r1, 100;
INNERMOST:
    add.u32 %r1, %r1, 1000;
INNER:
    activemask.b32 %r3;
    bra DONE;
EVEN:
    activemask.b32 %r3;
DONE:
    activemask.b32 %r4;
    setp.ne.b32 %p4, %r4, -1;
    @%p4 mov.u32 %r1, 9999;
    setp.eq.b32 %p4, %r3, 0xaaaaaaaa;
    setp.eq.or.b32 %p4, %r3, 0x55555555, %p4;
    @!%p4 mov.u32 %r1, 8888;";
    check(64, lines, |t| {
        let bit = |n: u32| t >> n & 1;
        bit(0) * (1 + bit(1) * (10 + bit(2) * 100 + 1000))
    });
}

#[test]
fn loops_with_a_trip_count_for_each_lane() {
    let lines = "
    mov.u32 %r2, 0;
LOOP:
    setp.ge.u32 %p1, %r2, %lane;
    @%p1 bra DONE;
    add.u32 %r1, %r1, %r2;
    add.u32 %r2, %r2, 1;
    bra LOOP;
DONE:
    activemask.b32 %r3;
    setp.ne.b32 %p2, %r3, -1;
    @%p2 mov.u32 %r1, 9999;";
    check(96, lines, |t| (0..t % 32).sum());
}

#[test]
fn a_loop_in_a_loop_with_breaks_and_continues() {
    // for i in 0..lane % 4 { for j in 0..4 { if j == i { continue outer } if j + i == lane { break all } r1 += 10 i + j } }
    let lines = "
    and.b32 %r5, %lane, 3;
    mov.u32 %r2, 0;
OUTER:
    setp.ge.u32 %p1, %r2, %r5;
    @%p1 bra DONE;
    mov.u32 %r3, 0;
INNER:
    setp.ge.u32 %p2, %r3, 4;
    @%p2 bra NEXT;
    setp.eq.u32 %p3, %r3, %r2;
    @%p3 bra NEXT;
    add.u32 %r4, %r3, %r2;
    setp.eq.u32 %p4, %r4, %lane;
    @%p4 bra DONE;
    mad.lo.u32 %r1, %r2, 10, %r1;
    add.u32 %r1, %r1, %r3;
    add.u32 %r3, %r3, 1;
    bra INNER;
NEXT:
    add.u32 %r2, %r2, 1;
    bra OUTER;
DONE:";
    check(32, lines, |t| {
        let mut sum = 0;
        'all: for i in 0..t % 4 {
            for j in 0..4 {
                if j == i {
                    continue 'all;
                }
                if j + i == t {
                    break 'all;
                }
                sum += 10 * i + j;
            }
        }
        sum
    });
}

#[test]
fn lanes_that_exit_early_hold_nobody_up() {
    let lines = "
    setp.lt.u32 %p1, %lane, 7;
    @%p1 bra LOW;
    setp.gt.u32 %p2, %lane, 20;
    @%p2 exit;
    mov.u32 %r1, 1;
    bra DONE;
LOW:
    setp.eq.u32 %p3, %lane, 3;
    @%p3 ret;
    mov.u32 %r1, 2;
DONE:
    activemask.b32 %r2;
    popc.b32 %r2, %r2;
    mad.lo.u32 %r1, %r2, 100, %r1;";
    check(32, lines, |t| match t {
        3 | 21.. => NOTHING,
        0..7 => 2000 + 2,
        _ => 2000 + 1,
    });
}

#[test]
fn guards_of_all_kinds() {
    let lines = "
    setp.lt.u32 %p1, %lane, 8;
    mov.u32 %r1, 1;
    @%p1 mov.u32 %r1, 2;
    @!%p1 add.u32 %r1, %r1, 10;
    setp.lt.and.u32 %p2|%p3, %lane, 16, %p1;
    @%p2 add.u32 %r1, %r1, 100;
    @%p3 add.u32 %r1, %r1, 1000;
    not.pred %p4, %p1;
    @%p4 bra DONE;
    add.u32 %r1, %r1, 10000;
DONE:";
    check(32, lines, |t| if t < 8 { 10102 } else { 11 });
}

#[test]
fn branches_by_a_table() {
    let lines = "
    and.b32 %r2, %lane, 3;
    setp.ne.u32 %p1, %lane, 31;
TABLE: .branchtargets A, B, C, B;
    @%p1 brx.idx %r2, TABLE;
    mov.u32 %r1, 4;
    bra DONE;
A:
    mov.u32 %r1, 1;
    bra DONE;
B:
    mov.u32 %r1, 2;
    bra DONE;
C:
    mov.u32 %r1, 3;
DONE:
    activemask.b32 %r2;
    setp.ne.b32 %p2, %r2, -1;
    @%p2 mov.u32 %r1, 9999;";
    check(32, lines, |t| if t == 31 { 4 } else { [1, 2, 3, 2][t as usize % 4] });
}

#[test]
fn a_lane_may_wait_in_a_loop_for_another_lane() {
    // Lane 0 waits until lane 31 has written, which it does after the branch that lane 0 loops in.
    let declarations = ".shared .u32 flag;";
    let lines = "
    setp.eq.u32 %p1, %lane, 0;
    @%p1 st.volatile.shared.u32 [flag], 0;
    bar.warp.sync -1;
    @!%p1 bra WRITE;
SPIN:
    ld.volatile.shared.u32 %r2, [flag];
    setp.eq.u32 %p2, %r2, 0;
    @%p2 bra SPIN;
    mov.u32 %r1, %r2;
    bra DONE;
WRITE:
    setp.eq.u32 %p3, %lane, 31;
    @%p3 st.volatile.shared.u32 [flag], 7;
DONE:";
    let found = run("", declarations, Launch::linear(1, 32), lines);
    assert_eq!(found[0], 7);
    assert_eq!(found[31], 0);
}

#[test]
fn lanes_of_a_warp_may_share_a_lock() {
    // The lane that has the lock stands after the loop in which the others spin.
    let declarations = ".shared .u32 lock; .shared .u32 count;";
    let lines = "
    setp.eq.u32 %p1, %r0, 0;
    @%p1 st.shared.u32 [lock], 0;
    @%p1 st.shared.u32 [count], 0;
    bar.sync 0;
SPIN:
    atom.shared.cas.b32 %r2, [lock], 0, 1;
    setp.ne.u32 %p2, %r2, 0;
    @%p2 bra SPIN;
    ld.volatile.shared.u32 %r1, [count];
    add.u32 %r1, %r1, 1;
    st.volatile.shared.u32 [count], %r1;
    atom.shared.exch.b32 %r3, [lock], 0;";
    let mut found = run("", declarations, Launch::linear(1, 4), lines);
    found.sort_unstable();
    assert_eq!(found, [1, 2, 3, 4]);
}

#[test]
fn warps_may_wait_in_loops_for_one_another() {
    let declarations = ".shared .u32 flag;";
    let lines = "
    setp.eq.u32 %p1, %r0, 0;
    @%p1 st.volatile.shared.u32 [flag], 0;
    bar.sync 0;
    setp.eq.u32 %p2, %warp, 0;
    @!%p2 bra WRITE;
SPIN:
    ld.volatile.shared.u32 %r1, [flag];
    setp.eq.u32 %p3, %r1, 0;
    @%p3 bra SPIN;
    bra DONE;
WRITE:
    setp.eq.u32 %p3, %r0, 32;
    @%p3 st.volatile.shared.u32 [flag], 5;
DONE:";
    let found = run("", declarations, Launch::linear(1, 64), lines);
    assert!(found[..32].iter().all(|v| *v == 5), "{found:?}");
}

#[test]
fn a_branch_of_a_loop_that_some_paths_leave_meets_again_in_the_loop() {
    // One side of the branch may leave the loop, so the lanes have no meeting point inside; yet they have to shuffle
    // together each time around.
    let lines = "
    mov.u32 %r2, 0;
LOOP:
    and.b32 %r3, %lane, 1;
    setp.eq.u32 %p1, %r3, 0;
    @%p1 bra EVEN;
    setp.gt.u32 %p2, %r2, 5;
    @%p2 bra DONE;
    add.u32 %r1, %r1, 1;
    bra NEXT;
EVEN:
    setp.gt.u32 %p2, %r2, 5;
    @%p2 bra DONE;
    add.u32 %r1, %r1, 2;
NEXT:
    shfl.sync.bfly.b32 %r1, %r1, 1, 31, -1;
    add.u32 %r2, %r2, 1;
    bra LOOP;
DONE:";
    check(32, lines, |_| 9);
}

#[test]
fn blocks_of_all_shapes_have_their_last_warp_cut() {
    for count in [1, 31, 32, 33, 100] {
        assert_eq!(
            threads(count, "activemask.b32 %r1; popc.b32 %r1, %r1;").iter().max(),
            Some(&count.min(32))
        );
        check(count, "mov.u32 %r1, %r0;", |t| t);
    }
}

#[test]
fn functions_are_called_by_some_lanes_and_by_all() {
    let globals = "
.func (.param .u32 result) square(.param .u32 x)
{
    .reg .b32 %a;
    .reg .pred %q;
    ld.param.u32 %a, [x];
    setp.gt.u32 %q, %a, 20;
    @%q bra LARGE;
    mul.lo.u32 %a, %a, %a;
    st.param.u32 [result], %a;
    ret;
LARGE:
    st.param.u32 [result], 0;
    ret;
}";
    let lines = "
    setp.lt.u32 %p1, %r0, 24;
    @!%p1 bra DONE;
    {
    .param .u32 argument;
    .param .u32 answer;
    st.param.u32 [argument], %r0;
    call (answer), square, (argument);
    ld.param.u32 %r1, [answer];
    }
DONE:
    activemask.b32 %r2;
    setp.ne.b32 %p2, %r2, -1;
    @%p2 mov.u32 %r1, 9999;";
    let found = run(globals, "", Launch::linear(1, 32), lines);
    let expected: Vec<u32> = (0..32).map(|t| if t > 20 { 0 } else { t * t }).collect();
    assert_eq!(found, expected);
}
