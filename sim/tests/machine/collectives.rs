//! Shuffles, votes, matches, reductions: all modes, with all lanes and with some.

use crate::harness::check;

#[test]
fn shuffles_of_all_modes() {
    let shuffle = |mode: &str, b: u32, c: &str| {
        format!("shfl.sync.{mode}.b32 %r1|%p1, %r0, {b}, {c}, -1; @!%p1 add.u32 %r1, %r1, 1000;")
    };
    check(32, &shuffle("up", 3, "0"), |t| if t < 3 { t + 1000 } else { t - 3 });
    check(32, &shuffle("down", 5, "31"), |t| if t + 5 > 31 { t + 1000 } else { t + 5 });
    check(32, &shuffle("bfly", 9, "31"), |t| t ^ 9);
    check(32, &shuffle("idx", 7, "31"), |_| 7);
    // Segments of 8 lanes: bits 8..13 of c.
    check(32, &shuffle("down", 3, "0x1807"), |t| if t % 8 + 3 > 7 { t + 1000 } else { t + 3 });
    check(32, &shuffle("up", 1, "0x1800"), |t| if t % 8 == 0 { t + 1000 } else { t - 1 });
    check(32, &shuffle("idx", 2, "0x1807"), |t| t / 8 * 8 + 2);
}

#[test]
fn a_shuffle_by_a_register_that_differs() {
    let lines = "
    sub.u32 %r2, 31, %lane;
    shfl.sync.idx.b32 %r1, %r0, %r2, 31, -1;";
    check(64, lines, |t| t / 32 * 32 + 31 - t % 32);
}

#[test]
fn votes_and_ballots() {
    let vote = |mode: &str, limit: u32| {
        format!("setp.lt.u32 %p1, %r0, {limit}; vote.sync.{mode}.pred %p2, %p1, -1; selp.u32 %r1, 1, 0, %p2;")
    };
    for (mode, answers) in [("all", [0, 0, 1]), ("any", [0, 1, 1]), ("uni", [1, 0, 1])] {
        for (limit, answer) in [0, 5, 32].into_iter().zip(answers) {
            check(32, &vote(mode, limit), |_| answer);
        }
    }
    let lines = "setp.lt.u32 %p1, %r0, 5; vote.sync.ballot.b32 %r1, !%p1, -1;";
    check(32, lines, |_| !0x1f);
    check(20, "setp.lt.u32 %p1, %r0, 5; vote.sync.ballot.b32 %r1, !%p1, 0xfffff;", |_| 0xfffe0);
}

#[test]
fn matches() {
    let lines = "shr.u32 %r2, %r0, 3; match.any.sync.b32 %r1, %r2, -1;";
    check(32, lines, |t| 0xff << (t / 8 * 8));
    let lines = "mov.u32 %r2, 7; match.all.sync.b32 %r1|%p1, %r2, -1; @!%p1 mov.u32 %r1, 1;";
    check(32, lines, |_| u32::MAX);
    let lines = "match.all.sync.b32 %r1|%p1, %r0, -1; @!%p1 add.u32 %r1, %r1, 5;";
    check(32, lines, |_| 5);
    let lines = "
    shr.u32 %r2, %r0, 4;
    cvt.u64.u32 %rd1, %r2;
    shl.b64 %rd1, %rd1, 40;
    match.any.sync.b64 %r1, %rd1, -1;";
    check(32, lines, |t| 0xffff << (t / 16 * 16));
}

#[test]
fn reductions() {
    let reduce = |what: &str| format!("sub.s32 %r2, %r0, 3; redux.sync.{what} %r1, %r2, -1;");
    let values = || (0..32).map(|t| t - 3);
    check(32, &reduce("add.s32"), |_| values().sum::<i32>() as u32);
    check(32, &reduce("min.s32"), |_| -3i32 as u32);
    check(32, &reduce("max.s32"), |_| 28);
    check(32, &reduce("min.u32"), |_| 0);
    check(32, &reduce("max.u32"), |_| -1i32 as u32);
    check(32, &reduce("and.b32"), |_| values().fold(-1, |a, b| a & b) as u32);
    check(32, &reduce("or.b32"), |_| values().fold(0, |a, b| a | b) as u32);
    check(32, &reduce("xor.b32"), |_| values().fold(0, |a, b| a ^ b) as u32);
}

#[test]
fn halves_of_a_warp_with_masks_of_their_own() {
    // One instruction, two groups.
    let lines = "
    setp.lt.u32 %p1, %lane, 16;
    selp.b32 %r2, 0xffff, 0xffff0000, %p1;
    redux.sync.add.u32 %r1, %lane, %r2;";
    check(32, lines, |t| if t < 16 { 120 } else { 376 });
}

#[test]
fn one_side_of_a_branch_with_its_own_mask() {
    let lines = "
    setp.lt.u32 %p1, %lane, 8;
    @!%p1 bra REST;
    redux.sync.add.u32 %r1, %lane, 0xff;
    bra DONE;
REST:
    shfl.sync.idx.b32 %r1, %lane, 31, 31, 0xffffff00;
DONE:";
    check(32, lines, |t| if t < 8 { 28 } else { 31 });
}

#[test]
fn lanes_that_come_apart_gather_at_a_collective() {
    // The loop has a trip count for each lane, and its vote wants all lanes that are still in it.
    let lines = "
    and.b32 %r5, %lane, 1;
    setp.eq.u32 %p1, %r5, 1;
    @!%p1 bra TOGETHER;
    add.u32 %r1, %r1, 1;
    bra TOGETHER;
TOGETHER:
    vote.sync.ballot.b32 %r2, %p1, -1;
    popc.b32 %r2, %r2;
    add.u32 %r1, %r1, %r2;";
    check(32, lines, |t| 16 + t % 2);
}

#[test]
fn warp_barriers_on_two_sides_of_a_branch_are_one() {
    let lines = "
    setp.lt.u32 %p1, %lane, 8;
    @!%p1 bra REST;
    bar.warp.sync -1;
    mov.u32 %r1, 1;
    bra DONE;
REST:
    bar.warp.sync -1;
    mov.u32 %r1, 2;
DONE:";
    check(32, lines, |t| if t < 8 { 1 } else { 2 });
}

#[test]
fn lanes_that_have_ended_are_not_waited_for() {
    let lines = "
    setp.ge.u32 %p1, %lane, 8;
    @%p1 exit;
    redux.sync.add.u32 %r1, %lane, -1;";
    check(32, lines, |t| if t < 8 { 28 } else { crate::harness::NOTHING });
}

#[test]
fn a_guard_chooses_the_members() {
    let lines = "
    setp.lt.u32 %p1, %lane, 8;
    @%p1 redux.sync.add.u32 %r1, %lane, 0xff;
    activemask.b32 %r2;
    setp.ne.b32 %p2, %r2, -1;
    @%p2 mov.u32 %r1, 9999;";
    check(32, lines, |t| if t < 8 { 28 } else { 0 });
}
