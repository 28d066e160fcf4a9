//! Conversions: between float types, to and from integers, with rounding and saturation.

use super::draw::Draw;
use super::{Agree, Form, each};

const WORD: Agree = Agree::Bits { nan: 0 };
const PAIRS: Agree = Agree::Bits { nan: 16 };
const F32: Agree = Agree::Bits { nan: 32 };

/// Every form of this file.
pub(super) fn forms() -> Vec<Form> {
    [to_halves(), from_halves(), to_integers(), from_integers(), between_integers()].concat()
}

fn one(name: String, reads: u32, body: String, draw: Draw, agree: Agree) -> Form {
    Form { name, reads, writes: 1, body, draw: each(draw, reads as usize), agree }
}

/// Two numbers to a pair, and one to tf32.
fn to_halves() -> Vec<Form> {
    let mut all = Vec::new();
    for ty in ["f16x2", "bf16x2"] {
        for round in ["rn", "rz"] {
            for relu in ["", ".relu"] {
                let op = format!("cvt.{round}{relu}.{ty}.f32");
                let body = format!("mov.b32 %f0, %a0;\nmov.b32 %f1, %a1;\n{op} %d0, %f0, %f1;");
                all.push(one(op, 2, body, Draw::Float, PAIRS));
            }
        }
    }
    for round in ["rn", "rz", "rm", "rp"] {
        for tail in ["", ".ftz", ".sat"] {
            let op = format!("cvt.{round}{tail}.f16.f32");
            let body = format!("mov.b32 %f0, %a0;\n{op} %h0, %f0;\nmov.b32 %d0, {{%h0, %h0}};");
            all.push(one(op, 1, body, Draw::Float, PAIRS));
        }
    }
    let body = "mov.b32 %f0, %a0;\ncvt.rn.bf16.f32 %h0, %f0;\nmov.b32 %d0, {%h0, %h0};";
    all.push(one("cvt.rn.bf16.f32".into(), 1, body.into(), Draw::Float, PAIRS));
    let body = "mov.b32 %f0, %a0;\ncvt.rna.tf32.f32 %d0, %f0;";
    all.push(one("cvt.rna.tf32.f32".into(), 1, body.into(), Draw::Float, F32));
    all
}

fn from_halves() -> Vec<Form> {
    let mut all = Vec::new();
    for tail in ["", ".ftz", ".sat"] {
        let op = format!("cvt{tail}.f32.f16");
        let body = format!("cvt.u16.u32 %h0, %a0;\n{op} %f0, %h0;\nmov.b32 %d0, %f0;");
        all.push(one(op, 1, body, Draw::Halves, F32));
    }
    for round in ["rni", "rzi", "rmi", "rpi"] {
        let op = format!("cvt.{round}.f32.f32");
        all.push(one(
            op.clone(),
            1,
            format!("mov.b32 %f0, %a0;\n{op} %f1, %f0;\nmov.b32 %d0, %f1;"),
            Draw::Float,
            F32,
        ));
        let op = format!("cvt.{round}.f16.f16");
        let body = format!("cvt.u16.u32 %h0, %a0;\n{op} %h1, %h0;\nmov.b32 %d0, {{%h1, %h1}};");
        all.push(one(op, 1, body, Draw::Halves, PAIRS));
    }
    for round in ["rn", "rz", "rm", "rp"] {
        let op = format!("cvt.{round}.f32.f64");
        let body = format!("mov.b64 %x0, {{%a0, %a1}};\n{op} %f0, %x0;\nmov.b32 %d0, %f0;");
        all.push(Form {
            name: op,
            reads: 2,
            writes: 1,
            body,
            draw: vec![Draw::Any, Draw::Double],
            agree: F32,
        });
    }
    let body = "mov.b32 %f0, %a0;\ncvt.f64.f32 %x0, %f0;\nmov.b64 {%d0, %d1}, %x0;";
    let name = "cvt.f64.f32".to_string();
    all.push(Form {
        name,
        reads: 1,
        writes: 2,
        body: body.into(),
        draw: each(Draw::Float, 1),
        agree: Agree::Bits { nan: 64 },
    });
    all
}

fn to_integers() -> Vec<Form> {
    let mut all = Vec::new();
    for round in ["rni", "rzi", "rmi", "rpi"] {
        for ty in ["u32", "s32"] {
            let op = format!("cvt.{round}.{ty}.f32");
            all.push(one(op.clone(), 1, format!("mov.b32 %f0, %a0;\n{op} %d0, %f0;"), Draw::Float, WORD));
            let op = format!("cvt.{round}.{ty}.f16");
            all.push(one(
                op.clone(),
                1,
                format!("cvt.u16.u32 %h0, %a0;\n{op} %d0, %h0;"),
                Draw::Halves,
                WORD,
            ));
        }
        for ty in ["u64", "s64"] {
            let op = format!("cvt.{round}.{ty}.f32");
            let body = format!("mov.b32 %f0, %a0;\n{op} %q0, %f0;\nmov.b64 {{%d0, %d1}}, %q0;");
            all.push(Form { name: op, reads: 1, writes: 2, body, draw: each(Draw::Float, 1), agree: WORD });
        }
    }
    all
}

fn from_integers() -> Vec<Form> {
    let mut all = Vec::new();
    for round in ["rn", "rz", "rm", "rp"] {
        for ty in ["u32", "s32"] {
            let op = format!("cvt.{round}.f32.{ty}");
            all.push(one(op.clone(), 1, format!("{op} %f0, %a0;\nmov.b32 %d0, %f0;"), Draw::Any, F32));
        }
        for ty in ["u64", "s64"] {
            let op = format!("cvt.{round}.f32.{ty}");
            let body = format!("mov.b64 %q0, {{%a0, %a1}};\n{op} %f0, %q0;\nmov.b32 %d0, %f0;");
            all.push(one(op, 2, body, Draw::Any, F32));
        }
        let op = format!("cvt.{round}.f16.s32");
        let body = format!("{op} %h0, %a0;\nmov.b32 %d0, {{%h0, %h0}};");
        all.push(one(op, 1, body, Draw::Below(200_000), PAIRS));
    }
    all
}

fn between_integers() -> Vec<Form> {
    let mut all = Vec::new();
    // Narrower, with numbers on both sides of the limit; and wider, where nothing can be cut.
    for (to, from, draw) in [
        ("u8", "u32", Draw::Below(400)),
        ("s8", "s32", Draw::Any),
        ("u16", "s32", Draw::Any),
        ("s16", "u32", Draw::Below(70_000)),
    ] {
        for sat in ["", ".sat"] {
            let op = format!("cvt{sat}.{to}.{from}");
            all.push(one(op.clone(), 1, format!("{op} %d0, %a0;"), draw, WORD));
        }
    }
    for from in ["u8", "s8", "u16", "s16"] {
        let op = format!("cvt.s32.{from}");
        all.push(one(op.clone(), 1, format!("{op} %d0, %a0;"), Draw::Any, WORD));
    }
    all
}
