//! Why a mutant that nobody noticed cannot be noticed: by kernel and by what its line in the golden contains.

const SOURCE_OF_NOTHING: &str = "where a copy of 0 bytes comes from does not matter";
const CUT_OFF: &str = "a mask or a shift cuts the changed bit off";
const NOT_NEGATIVE: &str = "rounding of negative indices towards zero, and no index is negative";
const STRONG: &str =
    "the parts are volatile: strong accesses may meet, and what fences and tickets order is not modelled";
const SAME_VALUE: &str = "the other lanes write the same value";

/// A kernel, a part of the line, and the reason. A kernel's name may end in `*`.
const REASONS: [(&str, &str, &str); 32] = [
    ("gemm_*", "line 72: selp.b64", SOURCE_OF_NOTHING),
    ("attention", "line 27: selp.b64", SOURCE_OF_NOTHING),
    ("attention", "line 34: selp.b64", SOURCE_OF_NOTHING),
    ("gemm_*", "line 128: bfi.b32", "a field that reaches bit 31 cannot be longer"),
    ("gemm_*", "line 128: or.b32 %r139", CUT_OFF),
    ("gemm_*", "line 128: or.b32 %r219", CUT_OFF),
    ("gemm_*", "line 50: add.s32", CUT_OFF),
    ("gemm_*", "line 24: add.s32", CUT_OFF),
    ("gemm_*", "line 127: and.b32", CUT_OFF),
    ("attention", "line 80: and.b32 %r2, %r1, 31", CUT_OFF),
    ("attention", "line 94: @%p17 bra", "a loop over no keys: its first turn would load and add nothing"),
    ("softmax_block", "line 56: selp.b32", "lanes beyond the warps repeat a maximum, and any warp's will do"),
    ("softmax_block", "line 54: @%p8 bra", SAME_VALUE),
    ("softmax_block", "line 65: @%p8 bra", SAME_VALUE),
    ("interpret", "line 36: @%p9 bra", "the last of eight cases: what is none of the others is this one"),
    ("matmul", "bfe.u32", "a thread's index has 7 bits, and no more can be taken from it"),
    ("matmul", "(PTX 104)", "its copies join the next group, and that is waited for by the same wait"),
    ("matmul", "mov.b32 %r278, 1;", "a ring of two: what comes after 1 or 2 is 0"),
    ("matmul", "(PTX 332)", "nothing was committed since the wait before it"),
    ("matmul", "(PTX 333)", "the barrier after the same wait stands before it"),
    ("matmul", "(PTX 478)", "the same wait stands beside it"),
    ("matmul", "(PTX 479)", "the same wait stands beside it"),
    (
        "matmul",
        "cp.async.wait_group 0; operand 0: allows one more",
        "nobody touches what the last group brings",
    ),
    ("extremes", "line 27: @%p1 bra", SAME_VALUE),
    ("last_block", "line 61: @%p3 bra", SAME_VALUE),
    ("last_block", "membar.gl; dropped", STRONG),
    ("last_block", "line 63: bar.sync 0; dropped", STRONG),
    ("meet", "add.s32 %r22, %r20, 148; operand 2: one more", CUT_OFF),
    ("tables", "line 60: shr.s32", NOT_NEGATIVE),
    ("tables", "line 60: shr.u32", NOT_NEGATIVE),
    ("tables", "line 61: shr.u32", NOT_NEGATIVE),
    (
        "calls",
        "ld.local.u32",
        "a parameter lies there that holds the same number: local memory is one allocation a thread",
    ),
];

/// The reason for a survivor, where one is known.
pub(crate) fn why(kernel: &str, survivor: &str) -> Option<&'static str> {
    let survivor = survivor.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_of = |of: &str| of.strip_suffix('*').map_or(of == kernel, |start| kernel.starts_with(start));
    REASONS.iter().find(|(of, part, _)| is_of(of) && survivor.contains(part)).map(|(.., reason)| *reason)
}
