//! What a programmer reads who made a mistake: goldens of whole messages, for good kernels with one thing broken.
//!
//! Blocks run one after another here, and the first violation of the first block is reported, so the text is always the same.

use super::mutate::{Change, Mutation, apply, only};
use crate::cases::{Case, diverge, gemm, memory, pipeline, softmax, transpose, warp};
use crate::harness::{Outcome, run};
use chunkwise_sim::machine::{Arguments, Launch, Module, Options};
use chunkwise_sim::memory::global::Global;
use chunkwise_sim::syntax::ast::Instruction;

/// The message after the `nth` instruction that begins with these words (opcode, then modifiers) was changed.
fn message(case: &Case, words: &str, nth: usize, change: Change) -> String {
    let module = Module::parse(case.text).expect("the kernel is good");
    let tree = only(module.tree(), case.kernel);
    let begins = |instruction: &Instruction| {
        let mut all = vec![instruction.opcode.as_str()];
        all.extend(instruction.modifiers.iter().map(String::as_str));
        all.join(".").starts_with(words)
    };
    let found = tree.functions.iter().enumerate().flat_map(|(function, f)| {
        let body = f.body.iter().enumerate();
        body.filter(|(_, instruction)| begins(instruction)).map(move |(at, _)| (function, at))
    });
    let (function, instruction) = found.into_iter().nth(nth).expect("the kernel has such an instruction");
    let mutant = apply(&tree, &Mutation { function, instruction, change });
    let kernel =
        Module::from_tree(mutant).and_then(|module| module.kernel(case.kernel)).expect("it still loads");
    let options = Options { threads: 1, instruction_limit: 100_000, ..Options::default() };
    match run(case, &kernel, &options) {
        Outcome::Refused(error) => error.to_string(),
        Outcome::Wrong(what) => format!("not found by a check: {what}"),
        Outcome::Right(_) => "not found".to_string(),
    }
}

#[test]
fn a_dropped_barrier_between_writing_and_reading() {
    let case = transpose::case("transpose_padded", 64, 64, 1);
    insta::assert_snapshot!(message(&case, "bar.sync", 0, Change::Drop));
}

#[test]
fn a_dropped_barrier_between_reading_and_the_next_writing() {
    let case = gemm::case(&gemm::BF16, 64, 64, 128, 1);
    insta::assert_snapshot!(message(&case, "bar.sync", 1, Change::Drop));
}

#[test]
fn a_dropped_wait_for_asynchronous_copies() {
    let case = gemm::case(&gemm::BF16, 64, 64, 128, 1);
    insta::assert_snapshot!(message(&case, "cp.async.wait_group", 0, Change::Drop));
}

#[test]
fn a_barrier_that_a_consumer_never_arrives_at() {
    let case = pipeline::case(5, 1);
    insta::assert_snapshot!(message(&case, "bar.arrive", 1, Change::Drop));
}

#[test]
fn a_dropped_barrier_inside_a_warp() {
    insta::assert_snapshot!(message(&warp::halves(1, 1), "bar.warp.sync", 0, Change::Drop));
}

#[test]
fn a_member_mask_that_lacks_a_lane() {
    let case = softmax::by_warp(2, 40, 1);
    insta::assert_snapshot!(message(
        &case,
        "shfl.sync.bfly",
        0,
        Change::Constant(4, 0x7fff_ffff, "without lane 31")
    ));
}

#[test]
fn a_read_beyond_the_end() {
    let case = softmax::by_warp(2, 40, 1);
    insta::assert_snapshot!(message(&case, "ld.global", 0, Change::Offset(1, 320)));
}

#[test]
fn a_misaligned_read() {
    let case = memory::reverse(1, 64, 1);
    insta::assert_snapshot!(message(&case, "ld.global.v4", 0, Change::Offset(1, 4)));
}

#[test]
fn a_read_of_what_nobody_wrote() {
    let case = memory::reverse(1, 64, 1);
    insta::assert_snapshot!(message(&case, "st.shared", 0, Change::Drop));
}

#[test]
fn a_loop_without_end() {
    insta::assert_snapshot!(message(&diverge::collatz(32, 1), "bra", 5, Change::Unguarded));
}

/// Two warps come to one store and write this operand to one word.
fn two_warps_store(operand: &str) -> String {
    let text = format!(
        ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry both()\n{{\n.reg .b32 %r<3>;\n\
         .shared .align 4 .b8 word[4];\nmov.u32 %r1, %tid.x;\nshr.u32 %r2, %r1, 5;\n\
         st.shared.u32 [word], {operand};\nret;\n}}\n"
    );
    let kernel = Module::parse(&text).and_then(|module| module.kernel("both")).expect("a good kernel");
    let ran = kernel.run(&Launch::linear(1, 64), &Arguments::new(), &mut Global::new(), &Options::default());
    ran.map_or_else(|error| error.to_string(), |_| "fine".to_string())
}

#[test]
fn warps_may_repeat_what_one_of_them_stores_but_not_differ() {
    assert_eq!(two_warps_store("7"), "fine");
    insta::assert_snapshot!(two_warps_store("%r2"));
}
