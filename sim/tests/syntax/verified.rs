//! What the verifier says of texts that parse and make no sense, and of trees that no text makes.

use crate::texts::{HEADER, around, module};
use chunkwise_sim::syntax::ast::*;
use chunkwise_sim::syntax::verify;

/// Registers that the lines under test may use, in line 6; the line under test is line 7.
const REGISTERS: &str =
    ".reg .pred p<3>; .reg .b16 h<3>; .reg .b32 r<5>; .reg .b64 d<3>; .reg .f32 f<3>; .reg .f64 g<3>;";

/// The complaint about one line of a kernel, without the number of the line.
fn complaint(line: &str) -> Option<String> {
    let text = around(&format!("{REGISTERS}\n{line}"));
    let error = verify(&module(&text)).err()?;
    assert_eq!((error.line, error.column), (7, 0), "{line}: {error}");
    Some(error.what)
}

#[test]
fn registers_of_the_wrong_class() {
    let table = [
        ("@r1 ret;", "`r1` is `.b32`, and a predicate is due"),
        ("add.s32 r1, r2, d1;", "`d1` is `.b64`, and a register of 32 bits is due in `add.s32`"),
        ("add.f64 g1, g2, f1;", "`f1` is `.f32`, and a register of 64 bits is due in `add.f64`"),
        ("and.pred p1, p2, r1;", "`r1` is `.b32`, and a predicate is due in `and.pred`"),
        ("mov.b32 r1, p1;", "`p1` is `.pred`, and a register of 32 bits is due in `mov.b32`"),
        ("mul.wide.s32 r1, r2, r3;", "`r1` is `.b32`, and a register of 64 bits is due in `mul.wide.s32`"),
        (
            "mad.wide.u16 r1, h1, h2, h1;",
            "`h1` is `.b16`, and a register of 32 bits is due in `mad.wide.u16`",
        ),
        ("shl.b64 d1, d2, d1;", "`d1` is `.b64`, and a register of 32 bits is due in `shl.b64`"),
        ("selp.b32 r1, r2, r3, r4;", "`r4` is `.b32`, and a predicate is due in `selp.b32`"),
        ("setp.lt.s32 r1, r2, r3;", "`r1` is `.b32`, and a predicate is due in `setp.lt.s32`"),
        ("setp.lt.s32 p1|r1, r2, r3;", "`r1` is `.b32`, and a predicate is due"),
        (
            "setp.lt.and.s64 p1, d1, r3, p2;",
            "`r3` is `.b32`, and a register of 64 bits is due in `setp.lt.and.s64`",
        ),
        ("setp.lt.and.s32 p1, r1, r3, !r2;", "`r2` is `.b32`, and a predicate is due"),
        ("cvt.s64.s32 r1, r2;", "`r1` is `.b32`, and a register of at least 64 bits is due in `cvt.s64.s32`"),
        (
            "ld.global.b64 r1, [d1];",
            "`r1` is `.b32`, and a register of at least 64 bits is due in `ld.global.b64`",
        ),
        ("ld.global.b32 r1, [h1];", "`h1` is `.b16`; an address has 32 or 64 bits"),
        ("ld.global.b32 r1, [p1];", "`p1` is `.pred`; an address has 32 or 64 bits"),
        (
            "st.global.v2.b64 [d1], {d1, r1};",
            "`r1` is `.b32`, and a register of at least 64 bits is due in `st.global.v2.b64`",
        ),
        ("mov.b32 r1, {h1, r2};", "the parts have 48 bits together, and 32 are due in `mov.b32`"),
        ("popc.b64 d1, d2;", "`d1` is `.b64`, and a register of 32 bits is due in `popc.b64`"),
        (
            "vote.sync.ballot.b32 r1, r2, -1;",
            "`r2` is `.b32`, and a predicate is due in `vote.sync.ballot.b32`",
        ),
        (
            "atom.global.add.u64 d1, [d2], r1;",
            "`r1` is `.b32`, and a register of 64 bits is due in `atom.global.add.u64`",
        ),
        (
            "mma.sync.m16n8k8.f32.tf32.tf32.f32 {f1, d1}, r1, r2, r3;",
            "`d1` is `.b64`, and a register of 32 bits is due in `mma.sync.m16n8k8.f32.tf32.tf32.f32`",
        ),
    ];
    for (line, what) in table {
        assert_eq!(complaint(line).as_deref(), Some(what), "{line}");
    }
}

#[test]
fn registers_of_a_class_that_fits() {
    let table = [
        "@!p1 ret;",
        "add.f32 r1, f1, r2;",
        "mov.f32 f1, r1;",
        "mov.pred p1, p2;",
        "mov.b64 {r1, f1}, d1;",
        "mov.b32 {h1, _}, r1;",
        "mul.wide.s32 d1, r2, r3;",
        "mad.wide.s32 d1, r2, r3, d2;",
        "cvt.u8.u32 h1, r1;",
        "cvt.u16.u32 r1, r2;",
        "cvt.rn.f16x2.f32 r1, f1, f2;",
        "ld.global.u8 h1, [d1];",
        "ld.shared.b32 { r1 }, [r2];",
        "st.global.b8 [d1], r1;",
        "shfl.sync.bfly.b32 r1|p1, r2, 1, 31, -1;",
        "lop3.or.b32 r1|p1, r2, r3, r4, 128, p2;",
        "setp.ne.and.b16 p1|p2, h1, 0, !p2;",
        "vote.sync.any.pred p1, p2, -1;",
        "popc.b64 r1, d1;",
        "bfe.u64 d1, d2, r1, r2;",
        "atom.global.cas.b32 r1, [d1], r2, r3;",
        "unheard.of.b32 d1, h1, p1;",
    ];
    for line in table {
        assert_eq!(complaint(line), None, "{line}");
    }
}

/// An instruction of every row of the table of widths, in which every register matters.
const EVERY_ROW: [&str; 48] = [
    "mul.wide.s32 d1, r1, r2;",
    "mul.wide.u16 r1, h1, h2;",
    "mad.wide.s32 d1, r1, r2, d2;",
    "mad.lo.s32 r1, r2, r3, r4;",
    "fma.rn.f32 f1, f2, f1, f2;",
    "add.f64 g1, g2, g1;",
    "ex2.approx.ftz.f32 f1, f2;",
    "and.pred p1, p2, p0;",
    "and.b16 h1, h2, h1;",
    "prmt.b32 r1, r2, r3, r4;",
    "shf.l.wrap.b32 r1, r2, r3, r4;",
    "cvta.to.global.u64 d1, d2;",
    "activemask.b32 r1;",
    "mov.b32 r1, f1;",
    "mov.pred p1, p2;",
    "mov.b64 d1, {r1, f1};",
    "dp4a.s32.u32 r1, r2, r3, r4;",
    "shl.b64 d1, d2, r1;",
    "shr.u16 h1, h2, r1;",
    "lop3.b32 r1, r2, r3, r4, 128;",
    "lop3.or.b32 r1|p1, r2, r3, r4, 128, p2;",
    "bfe.u64 d1, d2, r1, r2;",
    "bfi.b64 d1, d2, d1, r1, r2;",
    "popc.b64 r1, d1;",
    "clz.b32 r1, r2;",
    "selp.f64 g1, g2, g1, p1;",
    "slct.f64.f32 g1, g2, g1, f1;",
    "setp.lt.and.f64 p1|p2, g1, g2, p0;",
    "set.lt.and.u32.f64 r1, g1, g2, p1;",
    "testp.finite.f64 p1, g1;",
    "isspacep.global.u64 p1, d1;",
    "cvt.rn.f32.s64 f1, d1;",
    "cvt.u8.u16 h1, h2;",
    "cvt.rn.f16x2.f32 r1, f1, f2;",
    "shfl.sync.bfly.b32 r1|p1, r2, r3, r4, r0;",
    "match.any.sync.b64 r1, d1, r2;",
    "redux.sync.add.s32 r1, r2, r3;",
    "vote.sync.ballot.b32 r1, p1, r2;",
    "vote.sync.any.pred p1, p2, r1;",
    "ld.global.v2.f64 {g1, g2}, [d1], d2;",
    "ld.shared.b32 r1, [r2];",
    "st.global.v2.b32 [d1], {r1, f1}, d2;",
    "atom.global.add.f64 g1, [d1], g2;",
    "red.shared.add.u64 [r1], d1;",
    "ldmatrix.sync.aligned.m8n8.x2.shared.b16 {r1, r2}, [r3];",
    "stmatrix.sync.aligned.m8n8.x2.shared.b16 [r3], {r1, r2};",
    "mma.sync.m16n8k8.f32.tf32.tf32.f32 {f1, f2}, {r1, r2}, {r3}, {f1, f2};",
    "@p1 brx.idx r1, T; T: .branchtargets T;",
];

/// Puts a register of another class in the place of each register of each line, which has to be found.
#[test]
fn no_register_of_any_row_may_change_its_class() {
    let other = |class: char| match class {
        'p' => "r4",
        'h' => "p2",
        'r' | 'f' => "h2",
        _ => "r4",
    };
    for line in EVERY_ROW {
        assert_eq!(complaint(line), None, "{line}");
        let is_register = |at: usize| {
            let bytes = line.as_bytes();
            let stands_alone = at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'.');
            let ends = bytes.get(at + 2).is_none_or(|byte| !byte.is_ascii_alphanumeric());
            stands_alone && ends && b"prdfhg".contains(&bytes[at]) && bytes[at + 1].is_ascii_digit()
        };
        let places: Vec<usize> = (0..line.len() - 1).filter(|at| is_register(*at)).collect();
        assert!(!places.is_empty());
        for at in places {
            // An address may be of 32 bits, too.
            if at > 0 && line[at - 1..].starts_with("[d") {
                continue;
            }
            let changed =
                format!("{}{}{}", &line[..at], other(line[at..].chars().next().unwrap()), &line[at + 2..]);
            assert!(complaint(&changed).is_some(), "{changed}");
        }
    }
}

#[test]
fn a_complaint_has_a_line_and_no_column() {
    let error = verify(&module(&around("\n\nbra L, L; L:"))).expect_err("two labels");
    assert_eq!(error.to_string(), "PTX line 8: `bra` goes to one label");
}

#[test]
fn instructions_of_the_wrong_shape() {
    let table = [
        ("ld.global.v4.b32 {r1, r2}, [d1];", "2 elements for an access of 4: global.v4.b32"),
        ("ld.global.b32 {r1, r2}, [d1];", "2 elements for an access of 1: global.b32"),
        ("add.s32 f, 1, 2;", "the name of a function as an operand of `add`"),
        ("brx.idx r1, L; L:", "`brx.idx` takes a register and the label of a `.branchtargets` list"),
        ("elect.sync 4|p1, -1;", "a register or `_` is due before `|`"),
        ("elect.sync _|5, -1;", "a predicate or `_` is due behind `|`"),
        ("bra L, L; L:", "`bra` goes to one label"),
        ("tex [d1, {1,2,3,4,5,6}];", "6 coordinates; a tensor has 1 to 5"),
        ("add 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1;", "17 operands, more than any instruction takes"),
        ("%add 1;", "`%add` is no opcode"),
    ];
    for (line, what) in table {
        assert_eq!(complaint(line).as_deref(), Some(what), "{line}");
    }
    let long = format!("mma {{{}}};", vec!["1"; 257].join(","));
    assert_eq!(complaint(&long).as_deref(), Some("a vector of 257 elements; 1 to 256 there are"));
}

#[test]
fn declarations_that_no_gpu_has() {
    let table = [
        (".global .align 3 .u32 x;", "`x` has the alignment 3, which is no power of two up to 65536"),
        (
            ".global .align 131072 .u32 x;",
            "`x` has the alignment 131072, which is no power of two up to 65536",
        ),
        (".global .align 0 .u32 x;", "`x` has the alignment 0, which is no power of two up to 65536"),
        (".global .pred x;", "`x` is a predicate in memory"),
        (".const .b8 x[65537];", "constant variables take 65537 bytes with `x`, of at most 65536"),
        (".shared .b8 x[300000];", "shared variables take 300000 bytes with `x`, of at most 262144"),
        (
            ".global .b64 x[9223372036854775807];",
            "global variables take 18446744073709551615 bytes with `x`, of at most 4294967296",
        ),
        (".entry f(.param .b8 x[40000]) {}", "parameters take 40000 bytes with `x`, of at most 32764"),
        (
            ".entry f() { .local .b8 x[600000]; }",
            "local variables take 600000 bytes with `x`, of at most 524288",
        ),
        (".entry f() .maxntid 2048 {}", "`f` has blocks of 2048 threads; 1 to 1024 there are"),
        (".entry f() .maxntid 0 {}", "`f` has blocks of 0 threads; 1 to 1024 there are"),
        (".entry f() { .loc 3 1 0 ret; }", "the source line 1 of file 3, which no `.file` names"),
    ];
    for (text, what) in table {
        let error = verify(&module(&format!("{HEADER}{text}"))).expect_err(text);
        assert_eq!((error.what.as_str(), error.line), (what, 4), "{text}");
    }
}

#[test]
fn calls_that_do_not_fit() {
    let functions = ".func (.param .b32 r) g(.param .b32 a, .param .b32 b) { ret; } .entry e() { ret; }";
    let of = |call: &str| {
        let text = format!("{HEADER}{functions} .entry f() {{ .reg .b64 d; .param .b32 a, b, r;\n{call}; }}");
        verify(&module(&text)).err().map(|error| error.what)
    };
    for call in ["call (r), g, (a, b)", "call.uni (_), g, (a, b)", "call (r), d, (a), proto"] {
        assert_eq!(of(call), None, "{call}");
    }
    let table = [
        ("call g, (a, b)", "`g` returns 1 and takes 2; the call has 0 and 2"),
        ("call (r), g", "`g` returns 1 and takes 2; the call has 1 and 0"),
        ("call g", "`g` returns 1 and takes 2; the call has 0 and 0"),
        ("call e", "`e` is an entry, which nobody calls"),
        ("call h, (a)", "`h` is no function of this module"),
        ("call (r), (a)", "a call without the name of a function"),
        ("call", "a call without the name of a function"),
    ];
    for (call, what) in table {
        assert_eq!(of(call).as_deref(), Some(what), "{call}");
    }
}

/// Trees that no text makes: each change of a sound module is found.
#[test]
fn trees_out_of_order() {
    let sound = module(&format!(
        "{HEADER}.global .u32 a; .func (.param .b32 r) g(.param .b32 x) {{ ret; }}
         .entry f(.param .u64 p) {{ .reg .b32 t; .reg .pred q; .local .b32 l;
         A: ld.u32 t, [a]; @q bra A; B: {{ }} ret; }}"
    ));
    assert_eq!(verify(&sound), Ok(()));
    type Change = fn(&mut Module);
    let changes: [(Change, &str); 17] = [
        (|m| m.variables[0].name = "f".into(), "`f` is declared twice"),
        (|m| m.variables[0].name = "b".into(), "`f` names `a`, which the module lacks"),
        (|m| m.variables[0].name = "4".into(), "`4` is no name"),
        (|m| m.variables[0].space = Space::Local, "`a` lies outside functions, in a space of functions"),
        (|m| m.variables[0].initial = vec![0; 3], "`a` has 4 bytes and 3 initial ones"),
        (|m| m.functions[0].is_entry = true, "the entry `g` returns a value"),
        (|m| m.functions[0].has_body = false, "`g` has no body and something in it"),
        (|m| m.functions[1].params = 7, "`f` counts more variables than it has"),
        (|m| m.functions[1].params = 2, "`l` lies in the wrong space"),
        (|m| m.functions[1].labels[1].instruction = 9, "the label `B` stands beyond the end of `f`"),
        (|m| m.functions[1].labels.reverse(), "the labels of `f` are not in the order of their places"),
        (
            |m| m.functions[1].branch_targets.push((Label(0), vec![])),
            "a list of branch targets of `f` is empty, double or names no label",
        ),
        (|m| m.functions[1].body[0].operands[0] = Operand::Reg(Reg(9)), "`f` has no register 9"),
        (|m| m.functions[1].body[0].operands[0] = Operand::Variable(Var(9), 0), "`f` has no variable 9"),
        (
            |m| {
                let pair = Operand::Pair(Box::new(Operand::Reg(Reg(9))), Box::new(Operand::Sink));
                m.functions[1].body[0].operands[0] = pair;
            },
            "`f` has no register 9",
        ),
        (|m| m.functions[1].body[1].operands[0] = Operand::Label(Label(9)), "`f` has no label 9"),
        (
            |m| {
                m.functions[1].body[0].operands[0] =
                    Operand::Vector(vec![Operand::Vector(vec![Operand::Sink])])
            },
            "a vector, an address, a pair or a name stands within another operand",
        ),
    ];
    for (change, what) in changes {
        let mut module = sound.clone();
        change(&mut module);
        assert_eq!(verify(&module).expect_err(what).what, what);
        // Printing what is not sound gives some text or other.
        let _ = chunkwise_sim::syntax::print(&module);
    }
}
