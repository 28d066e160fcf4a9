//! Arithmetic of one lane: floats with every rounding mode, halves, doubles, integers and bits, approximations.

use super::draw::Draw;
use super::{Agree, Form, each};

const F32: Agree = Agree::Bits { nan: 32 };
const PAIRS: Agree = Agree::Bits { nan: 16 };
const F64: Agree = Agree::Bits { nan: 64 };
const WORD: Agree = Agree::Bits { nan: 0 };

/// Every form of this file.
pub(super) fn forms() -> Vec<Form> {
    [singles(), doubles(), halves(), integers(), bits(), approximations()].concat()
}

/// `op %d0, %a0, %a1, ..` on words as they are.
fn words(op: &str, reads: u32, draw: Vec<Draw>, agree: Agree) -> Form {
    let operands: Vec<String> = (0..reads).map(|i| format!("%a{i}")).collect();
    let body = format!("{op} %d0, {};", operands.join(", "));
    Form { name: op.to_owned(), reads, writes: 1, body, draw, agree }
}

/// The same on f32 registers.
fn floats(op: &str, reads: u32, draw: Draw, agree: Agree) -> Form {
    let moves: Vec<String> = (0..reads).map(|i| format!("mov.b32 %f{i}, %a{i};\n")).collect();
    let operands: Vec<String> = (0..reads).map(|i| format!("%f{i}")).collect();
    let body = format!("{}{op} %f9, {};\nmov.b32 %d0, %f9;", moves.concat(), operands.join(", "));
    Form { name: op.to_owned(), reads, writes: 1, body, draw: each(draw, reads as usize), agree }
}

fn singles() -> Vec<Form> {
    let mut all = Vec::new();
    for round in ["rn", "rz", "rm", "rp"] {
        for tail in ["", ".ftz", ".sat", ".ftz.sat"] {
            for (op, reads) in [("add", 2), ("sub", 2), ("mul", 2), ("fma", 3)] {
                all.push(floats(&format!("{op}.{round}{tail}.f32"), reads, Draw::Float, F32));
            }
        }
        for tail in ["", ".ftz"] {
            all.push(floats(&format!("div.{round}{tail}.f32"), 2, Draw::Float, F32));
            all.push(floats(&format!("rcp.{round}{tail}.f32"), 1, Draw::Float, F32));
            all.push(floats(&format!("sqrt.{round}{tail}.f32"), 1, Draw::Float, F32));
        }
    }
    for op in ["min.f32", "max.f32", "min.ftz.f32", "max.ftz.f32", "min.NaN.f32", "max.NaN.f32"] {
        all.push(floats(op, 2, Draw::Float, F32));
    }
    for op in ["abs.f32", "neg.f32", "abs.ftz.f32", "neg.ftz.f32"] {
        all.push(floats(op, 1, Draw::Float, F32));
    }
    all.push(floats("copysign.f32", 2, Draw::Float, F32));
    for relation in
        ["eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"]
    {
        all.push(floats_compared(relation, ""));
        all.push(floats_compared(relation, ".ftz"));
    }
    all
}

fn floats_compared(relation: &str, ftz: &str) -> Form {
    let op = format!("setp.{relation}{ftz}.f32");
    let body = format!("mov.b32 %f0, %a0;\nmov.b32 %f1, %a1;\n{op} %p0, %f0, %f1;\nselp.b32 %d0, 1, 0, %p0;");
    Form { name: op, reads: 2, writes: 1, body, draw: each(Draw::Float, 2), agree: WORD }
}

fn doubles() -> Vec<Form> {
    let mut all = Vec::new();
    let mut add = |op: String, operands: u32| {
        let loads: Vec<String> =
            (0..operands).map(|i| format!("mov.b64 %x{i}, {{%a{}, %a{}}};\n", 2 * i, 2 * i + 1)).collect();
        let list: Vec<String> = (0..operands).map(|i| format!("%x{i}")).collect();
        let body = format!("{}{op} %x7, {};\nmov.b64 {{%d0, %d1}}, %x7;", loads.concat(), list.join(", "));
        let draw = [Draw::Any, Draw::Double].repeat(operands as usize);
        all.push(Form { name: op, reads: 2 * operands, writes: 2, body, draw, agree: F64 });
    };
    for round in ["rn", "rz", "rm", "rp"] {
        add(format!("add.{round}.f64"), 2);
        add(format!("mul.{round}.f64"), 2);
        add(format!("fma.{round}.f64"), 3);
        add(format!("div.{round}.f64"), 2);
        add(format!("sqrt.{round}.f64"), 1);
        add(format!("rcp.{round}.f64"), 1);
    }
    add("min.f64".into(), 2);
    add("max.f64".into(), 2);
    add("abs.f64".into(), 1);
    add("neg.f64".into(), 1);
    all
}

fn halves() -> Vec<Form> {
    let mut all = Vec::new();
    for tail in ["", ".ftz", ".sat", ".ftz.sat"] {
        for (op, reads) in [("add", 2), ("sub", 2), ("mul", 2), ("fma.rn", 3)] {
            all.push(words(&format!("{op}{tail}.f16x2"), reads, each(Draw::Halves, reads as usize), PAIRS));
        }
    }
    all.push(words("fma.rn.relu.f16x2", 3, each(Draw::Halves, 3), PAIRS));
    all.push(words("fma.rn.bf16x2", 3, each(Draw::Brains, 3), PAIRS));
    all.push(words("fma.rn.relu.bf16x2", 3, each(Draw::Brains, 3), PAIRS));
    for op in ["min", "max", "min.NaN", "max.NaN"] {
        all.push(words(&format!("{op}.f16x2"), 2, each(Draw::Halves, 2), PAIRS));
        all.push(words(&format!("{op}.bf16x2"), 2, each(Draw::Brains, 2), PAIRS));
    }
    for op in ["abs", "neg"] {
        all.push(words(&format!("{op}.f16x2"), 1, each(Draw::Halves, 1), PAIRS));
        all.push(words(&format!("{op}.bf16x2"), 1, each(Draw::Brains, 1), PAIRS));
    }
    all
}

fn integers() -> Vec<Form> {
    let mut all = Vec::new();
    for ty in ["u32", "s32"] {
        for (op, reads) in [
            ("add", 2),
            ("sub", 2),
            ("mul.lo", 2),
            ("mul.hi", 2),
            ("mad.lo", 3),
            ("mad.hi", 3),
            ("mul24.lo", 2),
            ("mul24.hi", 2),
            ("mad24.lo", 3),
            ("mad24.hi", 3),
            ("sad", 3),
            ("min", 2),
            ("max", 2),
        ] {
            all.push(words(&format!("{op}.{ty}"), reads, each(Draw::Any, reads as usize), WORD));
        }
        // A divisor of 0 is left open by the ISA.
        let divided = |op: &str| Form {
            body: format!("or.b32 %a1, %a1, 1;\n{op}.{ty} %d0, %a0, %a1;"),
            ..words(&format!("{op}.{ty}"), 2, each(Draw::Any, 2), WORD)
        };
        all.push(divided("div"));
        all.push(divided("rem"));
        for other in ["u32", "s32"] {
            all.push(words(&format!("dp4a.{ty}.{other}"), 3, each(Draw::Any, 3), WORD));
            all.push(words(&format!("dp2a.lo.{ty}.{other}"), 3, each(Draw::Any, 3), WORD));
            all.push(words(&format!("dp2a.hi.{ty}.{other}"), 3, each(Draw::Any, 3), WORD));
        }
    }
    for op in ["add.sat.s32", "sub.sat.s32"] {
        all.push(words(op, 2, each(Draw::Any, 2), WORD));
    }
    all.push(words("mad.hi.sat.s32", 3, each(Draw::Any, 3), WORD));
    all.push(words("abs.s32", 1, each(Draw::Any, 1), WORD));
    all.push(words("neg.s32", 1, each(Draw::Any, 1), WORD));
    for ty in ["u32", "s32"] {
        let body = format!("mul.wide.{ty} %q0, %a0, %a1;\nmov.b64 {{%d0, %d1}}, %q0;");
        let draw = each(Draw::Any, 2);
        all.push(Form { name: format!("mul.wide.{ty}"), reads: 2, writes: 2, body, draw, agree: WORD });
    }
    all.push(carries());
    all
}

/// A sum and a product of 64 bits out of words, through the carry.
fn carries() -> Form {
    let body = "add.cc.u32 %d0, %a0, %a2;\naddc.cc.u32 %d1, %a1, %a3;\naddc.u32 %d2, 0, 0;\n\
                sub.cc.u32 %d3, %a0, %a2;\nsubc.u32 %d4, %a1, %a3;\n\
                mad.lo.cc.u32 %d5, %a0, %a2, %a1;\nmadc.hi.u32 %d6, %a0, %a2, %a3;";
    let draw = each(Draw::Any, 4);
    Form {
        name: "add.cc addc sub.cc subc mad.cc madc".into(),
        reads: 4,
        writes: 7,
        body: body.into(),
        draw,
        agree: WORD,
    }
}

fn bits() -> Vec<Form> {
    let mut all = Vec::new();
    let shift = vec![Draw::Any, Draw::Below(40)];
    for op in ["shl.b32", "shr.u32", "shr.s32"] {
        all.push(words(op, 2, shift.clone(), WORD));
    }
    for op in ["shf.l.wrap.b32", "shf.r.wrap.b32", "shf.l.clamp.b32", "shf.r.clamp.b32"] {
        all.push(words(op, 3, vec![Draw::Any, Draw::Any, Draw::Below(70)], WORD));
    }
    for op in ["bfe.u32", "bfe.s32"] {
        all.push(words(op, 3, vec![Draw::Any, Draw::Below(300), Draw::Below(300)], WORD));
    }
    all.push(words("bfi.b32", 4, vec![Draw::Any, Draw::Any, Draw::Below(300), Draw::Below(300)], WORD));
    for op in ["popc.b32", "clz.b32", "brev.b32", "bfind.u32", "bfind.s32", "bfind.shiftamt.u32", "not.b32"] {
        all.push(words(op, 1, each(Draw::Any, 1), WORD));
    }
    all.push(words("cnot.b32", 1, each(Draw::Few, 1), WORD));
    for mode in ["", ".f4e", ".b4e", ".rc8", ".ecl", ".ecr", ".rc16"] {
        all.push(words(&format!("prmt.b32{mode}"), 3, each(Draw::Any, 3), WORD));
    }
    for table in [0x01u32, 0x1b, 0x78, 0x96, 0xc0, 0xca, 0xe8, 0xfe] {
        let mut form = words("lop3.b32", 3, each(Draw::Any, 3), WORD);
        form.body = format!("lop3.b32 %d0, %a0, %a1, %a2, {table};");
        form.name = format!("lop3.b32 {table:#04x}");
        all.push(form);
    }
    all
}

/// What the ISA bounds: by units in the last place, or by an absolute error.
fn approximations() -> Vec<Form> {
    let ulps = |ulps| Agree::Ulps { ulps, absolute: 0.0 };
    let absolute = |absolute| Agree::Ulps { ulps: 2, absolute };
    let mut all = Vec::new();
    for ftz in ["", ".ftz"] {
        for (op, draw, agree) in [
            ("ex2.approx", Draw::Float, ulps(4)),
            ("lg2.approx", Draw::Float, absolute(3e-7)),
            ("rcp.approx", Draw::Float, ulps(2)),
            ("rsqrt.approx", Draw::Float, ulps(4)),
            ("sqrt.approx", Draw::Float, ulps(4)),
            ("sin.approx", Draw::Between(-3.0, 3.0), absolute(1e-6)),
            ("cos.approx", Draw::Between(-3.0, 3.0), absolute(1e-6)),
        ] {
            all.push(floats(&format!("{op}{ftz}.f32"), 1, draw, agree));
        }
        // Quotients by divisors below 2^-126 or above 2^126 are out of the ISA's bound.
        all.push(floats(&format!("div.approx{ftz}.f32"), 2, Draw::Moderate, ulps(4)));
        all.push(floats(&format!("div.full{ftz}.f32"), 2, Draw::Moderate, ulps(4)));
    }
    // 2^-11 relative.
    all.push(floats("tanh.approx.f32", 1, Draw::Moderate, ulps(1 << 13)));
    let half = |ulps, brain| Agree::HalfUlps { ulps, brain };
    all.push(words("ex2.approx.f16x2", 1, each(Draw::ModerateHalves, 1), half(2, false)));
    all.push(words("tanh.approx.f16x2", 1, each(Draw::ModerateHalves, 1), half(4, false)));
    all
}
