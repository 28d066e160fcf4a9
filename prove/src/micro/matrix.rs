//! Tensor cores: every shape and type of `mma.sync` that sm_80 has, and the moves that feed them.
//!
//! What a tensor core sums is exact products, added with truncation (arXiv 2512.07004), so sums agree within a part of the
//! magnitudes. Integers and the moves agree bit by bit.

use super::draw::Draw;
use super::{Agree, Form, each};

const WORD: Agree = Agree::Bits { nan: 0 };

/// Every form of this file.
pub(super) fn forms() -> Vec<Form> {
    [products(), integers(), doubles(), loads(), vec![transposed()]].concat()
}

/// `{%x0, %x1, ..}`
fn list(register: &str, from: u32, count: u32) -> String {
    let names: Vec<String> = (from..from + count).map(|i| format!("%{register}{i}")).collect();
    format!("{{{}}}", names.join(", "))
}

/// A product of operands of `a`, `b` and `c` registers.
fn product(op: &str, (a, b, c): (u32, u32, u32), draws: (Draw, Draw), agree: Agree) -> Form {
    let floats = op.ends_with("f32");
    let (mut before, mut after) = (String::new(), String::new());
    let (sums, results) = if floats {
        for i in 0..c {
            before += &format!("mov.b32 %f{i}, %a{};\n", a + b + i);
            after += &format!("\nmov.b32 %d{i}, %f{};", 8 + i);
        }
        (list("f", 0, c), list("f", 8, c))
    } else {
        (list("a", a + b, c), list("d", 0, c))
    };
    let body = format!("{before}{op} {results}, {}, {}, {sums};{after}", list("a", 0, a), list("a", a, b));
    let draw = [each(draws.0, (a + b) as usize), each(draws.1, c as usize)].concat();
    Form { name: op.into(), reads: a + b + c, writes: c, body, draw, agree }
}

fn products() -> Vec<Form> {
    // Sixteen products of normal numbers: magnitudes of about 16, of which truncation takes some 2^-21.
    let sum = Agree::Sum { absolute: 1e-4, halves: false };
    let halves = Agree::Sum { absolute: 0.06, halves: true };
    let mut all = Vec::new();
    for (shape, a, b) in [("m16n8k8", 2, 1), ("m16n8k16", 4, 2)] {
        for (ty, draw) in [("bf16", Draw::ModerateBrains), ("f16", Draw::ModerateHalves)] {
            let op = format!("mma.sync.aligned.{shape}.row.col.f32.{ty}.{ty}.f32");
            all.push(product(&op, (a, b, 4), (draw, Draw::Moderate), sum));
        }
        let op = format!("mma.sync.aligned.{shape}.row.col.f16.f16.f16.f16");
        all.push(product(&op, (a, b, 2), (Draw::ModerateHalves, Draw::ModerateHalves), halves));
    }
    for (shape, a, b) in [("m16n8k4", 2, 1), ("m16n8k8", 4, 2)] {
        let op = format!("mma.sync.aligned.{shape}.row.col.f32.tf32.tf32.f32");
        all.push(product(&op, (a, b, 4), (Draw::Moderate, Draw::Moderate), sum));
    }
    all
}

fn integers() -> Vec<Form> {
    let mut all = Vec::new();
    for (shape, a, b) in [("m16n8k16", 2, 1), ("m16n8k32", 4, 2)] {
        for (x, y) in [("s8", "s8"), ("u8", "u8"), ("s8", "u8")] {
            let op = format!("mma.sync.aligned.{shape}.row.col.s32.{x}.{y}.s32");
            all.push(product(&op, (a, b, 4), (Draw::Any, Draw::Any), WORD));
        }
    }
    all
}

fn doubles() -> Vec<Form> {
    let op = "mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64";
    let body = format!(
        "mov.b64 %x0, {{%a0, %a1}};\nmov.b64 %x1, {{%a2, %a3}};\nmov.b64 %x2, {{%a4, %a5}};\n\
         mov.b64 %x3, {{%a6, %a7}};\n{op} {{%x4, %x5}}, {{%x0}}, {{%x1}}, {{%x2, %x3}};\n\
         mov.b64 {{%d0, %d1}}, %x4;\nmov.b64 {{%d2, %d3}}, %x5;"
    );
    // Fused multiply-adds of f64, whose order is open: only whole numbers are the same in every order.
    let whole = "cvt.rn.f64.s32 %x0, %a0;\ncvt.rn.f64.s32 %x1, %a2;\ncvt.rn.f64.s32 %x2, %a4;\ncvt.rn.f64.s32 %x3, %a6;";
    let body = body.split_once(";\nmma").map_or(body.clone(), |(_, rest)| format!("{whole}\nmma{rest}"));
    vec![Form {
        name: op.into(),
        reads: 8,
        writes: 4,
        body,
        draw: each(Draw::Below(100_000), 8),
        agree: WORD,
    }]
}

/// Each lane stores 16 bytes, then matrices are loaded from where a permutation of lanes points.
fn loads() -> Vec<Form> {
    let mut all = Vec::new();
    for count in [1u32, 2, 4] {
        for trans in ["", ".trans"] {
            let op = format!("ldmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16");
            let body = format!(
                "mov.u32 %r0, tile;\nshl.b32 %r1, %lane, 4;\nadd.u32 %r2, %r0, %r1;\n\
                 st.shared.v4.b32 [%r2], {{%a0, %a1, %a2, %a3}};\nbar.sync 0;\n\
                 mad.lo.u32 %r3, %lane, 7, 3;\nand.b32 %r3, %r3, 31;\nshl.b32 %r3, %r3, 4;\nadd.u32 %r3, %r0, %r3;\n\
                 {op} {}, [%r3];",
                list("d", 0, count)
            );
            all.push(Form { name: op, reads: 4, writes: count, body, draw: each(Draw::Any, 4), agree: WORD });
        }
    }
    all
}

fn transposed() -> Form {
    let op = "movmatrix.sync.aligned.m8n8.trans.b16";
    Form {
        name: op.into(),
        reads: 1,
        writes: 1,
        body: format!("{op} %d0, %a0;"),
        draw: each(Draw::Any, 1),
        agree: WORD,
    }
}
