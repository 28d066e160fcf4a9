//! Lanes of a warp together: shuffles of every mode, votes, matches, reductions.

use super::draw::Draw;
use super::{Agree, Form, each};

const WORD: Agree = Agree::Bits { nan: 0 };

/// Every form of this file.
pub(super) fn forms() -> Vec<Form> {
    [shuffles(), votes(), reductions(), divergence()].concat()
}

/// Each mode with the whole warp, halves, quarters and pairs as segments; the value and whether its source was there.
fn shuffles() -> Vec<Form> {
    let mut all = Vec::new();
    for mode in ["up", "down", "bfly", "idx"] {
        for width in [32u32, 16, 8, 2] {
            let clamp = if mode == "up" { 0 } else { 31 };
            let control = (32 - width) << 8 | clamp;
            let name = format!("shfl.sync.{mode}.b32, segments of {width}");
            let body = format!(
                "shfl.sync.{mode}.b32 %d0|%p0, %a0, %a1, {control}, 0xffffffff;\nselp.b32 %d1, 1, 0, %p0;"
            );
            all.push(Form {
                name,
                reads: 2,
                writes: 2,
                body,
                draw: vec![Draw::Any, Draw::Below(40)],
                agree: WORD,
            });
        }
    }
    all
}

fn votes() -> Vec<Form> {
    let mut all = Vec::new();
    for mode in ["all", "any", "uni"] {
        // In some blocks all lanes say yes, in some none, in the others each what it drew.
        let body = format!(
            "and.b32 %r0, %block, 3;\nsetp.eq.u32 %p1, %r0, 0;\nsetp.eq.u32 %p2, %r0, 1;\n\
             selp.b32 %r1, 0, %a0, %p1;\nselp.b32 %r1, 9, %r1, %p2;\nsetp.lt.u32 %p0, %r1, 3;\n\
             vote.sync.{mode}.pred %p3, %p0, 0xffffffff;\nselp.b32 %d0, 1, 0, %p3;"
        );
        let name = format!("vote.sync.{mode}.pred");
        all.push(Form { name, reads: 1, writes: 1, body, draw: each(Draw::Few, 1), agree: WORD });
    }
    let body = "setp.lt.u32 %p0, %a0, %a1;\nvote.sync.ballot.b32 %d0, %p0, 0xffffffff;";
    let name = "vote.sync.ballot.b32".to_string();
    all.push(Form { name, reads: 2, writes: 1, body: body.into(), draw: each(Draw::Any, 2), agree: WORD });
    let body = "match.any.sync.b32 %d0, %a0, 0xffffffff;";
    let name = "match.any.sync.b32".to_string();
    all.push(Form { name, reads: 1, writes: 1, body: body.into(), draw: each(Draw::Few, 1), agree: WORD });
    let body = "and.b32 %r0, %block, 1;\nmul.lo.u32 %r1, %a0, %r0;\n\
                match.all.sync.b32 %d0|%p0, %r1, 0xffffffff;\nselp.b32 %d1, 1, 0, %p0;";
    let name = "match.all.sync.b32".to_string();
    all.push(Form { name, reads: 1, writes: 2, body: body.into(), draw: each(Draw::Few, 1), agree: WORD });
    all
}

fn reductions() -> Vec<Form> {
    // The block's number keeps some bits set (or clear) in all lanes, or every `and` would be 0 and every `or` all ones.
    let op = |(tail, mixed): (&str, &str)| Form {
        name: format!("redux.sync.{tail}"),
        reads: 1,
        writes: 1,
        body: format!("{mixed}.b32 %r0, %a0, %block;\nredux.sync.{tail} %d0, %r0, 0xffffffff;"),
        draw: each(Draw::Any, 1),
        agree: WORD,
    };
    [
        ("add.s32", "xor"),
        ("add.u32", "xor"),
        ("min.s32", "xor"),
        ("min.u32", "xor"),
        ("max.s32", "xor"),
        ("max.u32", "xor"),
        ("and.b32", "or"),
        ("or.b32", "and"),
        ("xor.b32", "xor"),
    ]
    .map(op)
    .into()
}

/// Lanes part, loop a different number of times each, and meet again.
fn divergence() -> Vec<Form> {
    let body = "mov.u32 %d0, 0;\nand.b32 %r0, %a0, 15;\nsetp.eq.u32 %p0, %r0, 0;\n@%p0 bra DONE;\n\
                LOOP:\nmad.lo.u32 %d0, %d0, 3, %a1;\nand.b32 %r1, %d0, 1;\nsetp.eq.u32 %p1, %r1, 0;\n\
                @%p1 bra EVEN;\nxor.b32 %d0, %d0, 0x5a5a5a5a;\nEVEN:\nsub.u32 %r0, %r0, 1;\n\
                setp.ne.u32 %p2, %r0, 0;\n@%p2 bra LOOP;\nDONE:\nbar.warp.sync 0xffffffff;\n\
                shfl.sync.bfly.b32 %d1, %d0, 1, 31, 0xffffffff;";
    let draw = each(Draw::Any, 2);
    vec![Form {
        name: "loops of lanes that part".into(),
        reads: 2,
        writes: 2,
        body: body.into(),
        draw,
        agree: WORD,
    }]
}
