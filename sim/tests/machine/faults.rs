//! A golden message for each thing that a kernel can do wrong.

use crate::harness::{module, violation, violation_of};
use chunkwise_sim::machine::Launch;

const WORDS: &str = ".shared .align 4 .b8 words[256];";

/// `%r2` is the address of this thread's word.
const PLACE: &str = "mov.u32 %r2, words; mad.lo.u32 %r2, %r0, 4, %r2;";

macro_rules! golden {
    ($name:ident, $declarations:expr, $threads:expr, $lines:expr) => {
        #[test]
        fn $name() {
            insta::assert_snapshot!(violation($declarations, Launch::linear(2, $threads), $lines));
        }
    };
}

golden!(out_of_bounds_of_global, "", 32, "ld.global.u32 %r1, [%place+4096];");
golden!(out_of_bounds_of_shared, WORDS, 32, "st.shared.u32 [words+256], %r0;");
golden!(null_pointer, "", 32, "mov.u64 %rd1, 0; ld.u32 %r1, [%rd1];");
golden!(misaligned, WORDS, 32, "st.shared.u64 [words+4], %rd0;");
golden!(
    misaligned_pair_of_sixteen,
    "",
    32,
    "add.u64 %rd1, %rd0, 16; ld.global.v4.u64 {%rd2, %rd3, %rd4, %rd5}, [%rd1];"
);
golden!(uninitialised, WORDS, 32, &format!("{PLACE} ld.shared.u32 %r1, [%r2];"));
golden!(
    race_between_warps,
    WORDS,
    64,
    &format!(
        "{PLACE} st.shared.u32 [%r2], %r0; bar.sync 0; xor.b32 %r3, %r2, 128; ld.shared.u32 %r1, [%r3];
    st.shared.u32 [%r2], 1;"
    )
);
golden!(
    race_between_lanes,
    WORDS,
    32,
    &format!("{PLACE} st.shared.u32 [%r2], %r0; xor.b32 %r3, %r2, 4; ld.shared.u32 %r1, [%r3];")
);
golden!(race_between_blocks, "", 32, "st.global.u32 [%rd0], %block;");
golden!(
    copy_in_flight,
    WORDS,
    32,
    &format!(
        "{PLACE} cp.async.ca.shared.global [%r2], [%place], 4; cp.async.commit_group; ld.shared.u32 %r1, [%r2];"
    )
);
golden!(
    copy_of_more_than_its_size,
    WORDS,
    32,
    &format!("{PLACE} cp.async.ca.shared.global [%r2], [%place], 4, %r0; cp.async.wait_all;")
);
golden!(divergent_barrier, "", 64, "setp.lt.u32 %p1, %lane, 16; @!%p1 bra DONE; bar.sync 0; DONE:");
golden!(
    divergent_shuffle,
    "",
    32,
    "setp.lt.u32 %p1, %lane, 16; @!%p1 bra DONE; shfl.sync.bfly.b32 %r1, %r0, 1, 31, -1; DONE: mov.u32 %r2, 0;"
);
golden!(
    two_barriers_in_two_branches,
    "",
    32,
    "setp.lt.u32 %p1, %lane, 16; @!%p1 bra ELSE; bar.sync 0; bra DONE; ELSE: bar.sync 1; DONE:"
);
golden!(guarded_barrier, "", 32, "setp.lt.u32 %p1, %lane, 16; @%p1 bar.sync 0;");
golden!(member_that_is_none, "", 32, "vote.sync.ballot.b32 %r1, 1, 0xffff;");
golden!(
    uniform_branch_that_is_not,
    "",
    32,
    "setp.lt.u32 %p1, %lane, 4; @%p1 bra.uni DONE; mov.u32 %r1, 1; DONE:"
);
golden!(
    deadlock,
    "",
    128,
    "setp.eq.u32 %p1, %warp, 1; @%p1 bra OTHER; setp.eq.u32 %p1, %warp, 3; @%p1 exit; bar.sync 0; bra DONE;
    OTHER: bar.sync 1; DONE:"
);
golden!(barrier_of_too_few_threads, "", 64, "mov.u32 %r2, 33; bar.sync 0, %r2;");
golden!(barrier_above_fifteen, "", 64, "add.u32 %r2, %warp, 16; bar.sync %r2;");
golden!(barrier_with_two_counts, "", 64, "add.u32 %r2, %warp, 1; shl.b32 %r2, %r2, 6; bar.sync 1, %r2;");
golden!(absent_lane, "", 32, "setp.lt.u32 %p1, %lane, 16; @%p1 shfl.sync.down.b32 %r1, %r0, 4, 31, 0xffff;");
golden!(endless, "", 32, "LOOP: add.u32 %r1, %r1, 1; bra LOOP;");
golden!(trap, "", 64, "setp.eq.u32 %p1, %r0, 37; @%p1 trap;");
golden!(
    branch_beyond_its_table,
    "",
    32,
    "TABLE: .branchtargets A, B; brx.idx %lane, TABLE; A: mov.u32 %r1, 1; B:"
);
golden!(write_to_parameters, "", 32, "mov.u64 %rd1, out; cvta.param.u64 %rd1, %rd1; st.u32 [%rd1], %r0;");

#[test]
fn write_to_constants() {
    let lines = "mov.u64 %rd1, table; cvta.const.u64 %rd1, %rd1; st.u32 [%rd1], %r0;";
    let text = module(".const .u32 table[4] = {1, 2, 3, 4};", "", lines);
    insta::assert_snapshot!(violation_of(&text, Launch::linear(1, 32)));
}

#[test]
fn a_place_in_the_source() {
    let lines = "
    .loc 1 42 7
    st.shared.u32 [words+1024], %r0;";
    let text = module(".file 1 \"/home/someone/project/gemm.cu\"", WORDS, lines);
    insta::assert_snapshot!(violation_of(
        &text,
        Launch { grid: [2, 3, 1], block: [8, 8, 1], dynamic_shared: 0 }
    ));
}
