//! What is said of texts that are no PTX, or PTX that is not supported: line, column, what was found, what was expected.

use crate::texts::{HEADER, around};
use chunkwise_sim::syntax::{Kind, parse};

/// Parses and expects a kind of error and its message without the hint.
fn expect(text: &str, kind: Kind, message: &str) {
    let error = parse(text).expect_err(text);
    let found = error.to_string();
    let first = found.lines().next().unwrap_or_default();
    assert_eq!((first, error.kind), (message, kind), "{text}");
}

/// Mistakes within a body, whose first line is line 6 of the text.
const IN_A_BODY: [(&str, &str); 40] = [
    ("ret", "PTX line 7, column 1: found `}`, expected an operand or `;`"),
    ("add.s32 1 2;", "PTX line 6, column 11: found `2`, expected `;` after the operands"),
    ("add.s32 1,;", "PTX line 6, column 11: found `;`, expected an operand"),
    ("mov.u32 %r1, 0;", "PTX line 6, column 9: `%r1` is no register that is declared here"),
    ("mov.u32 %tid.w, 0;", "PTX line 6, column 9: `%tid.w` is no register that is declared here"),
    ("mov.u32 %pm3, 0;", "PTX line 6, column 9: `%pm3` is no register that is declared here"),
    ("mov.u32 nowhere, 0;", "PTX line 6, column 9: `nowhere` is not declared"),
    (
        "ld.u32 1, [nowhere];",
        "PTX line 6, column 12: `nowhere` is no register and no variable that is declared here",
    ),
    ("ld.u32 1, [p;", "PTX line 6, column 13: found `;`, expected `]` after the address"),
    ("ld.u32 1, [];", "PTX line 6, column 12: found `]`, expected a register, a variable or a number"),
    ("ld.u32 1, [p+];", "PTX line 6, column 14: found `]`, expected an offset in bytes"),
    ("ld.u32 1, [p, 3];", "PTX line 6, column 15: found `3`, expected `{` before the coordinates"),
    ("ld.u32 1, [p, {3};", "PTX line 6, column 18: found `;`, expected `]` after the coordinates"),
    ("ld.v2.u32 {}, [p];", "PTX line 6, column 12: found `}`, expected an operand"),
    ("ld.v2.u32 {1, {2}}, [p];", "PTX line 6, column 15: found `{`, expected an operand"),
    ("ld.v2.u32 {1, 2, [p];", "PTX line 6, column 18: found `[`, expected an operand"),
    ("bra 12;", "PTX line 6, column 5: found `12`, expected a label"),
    ("bra L;", "PTX line 6, column 5: `L` is no label of this function"),
    ("{ L: } bra L;", "PTX line 6, column 12: `L` is no label of this function"),
    ("L: L: ret;", "PTX line 6, column 4: `L` is declared twice"),
    ("@p ret;", "PTX line 6, column 2: found `p`, expected a predicate register"),
    ("@12 ret;", "PTX line 6, column 2: found `12`, expected a predicate register"),
    (
        ".reg .pred p; @p .ret;",
        "PTX line 6, column 18: found `.ret`, expected an instruction after the guard",
    ),
    (".reg .b33 r;", "PTX line 6, column 6: found `.b33`, expected a type"),
    (".reg .b32 r, r;", "PTX line 6, column 14: `r` is declared twice"),
    (".reg .b32 r<3>, r<2>;", "PTX line 6, column 17: `r` is declared twice"),
    (".reg .b32 r<3>; mov.b32 r3, 0;", "PTX line 6, column 25: `r3` is not declared"),
    (
        ".reg .b32 %r<3>; mov.b32 %r01, 0;",
        "PTX line 6, column 26: `%r01` is no register that is declared here",
    ),
    (".reg .b32 r<3;", "PTX line 6, column 14: found `;`, expected `>` after the number of registers"),
    (".shared .b8 x[-4];", "PTX line 6, column 15: found `-`, expected a size"),
    (".shared .b8 x[];", "PTX line 6, column 13: `x` has no size"),
    (".shared .b8 x[4294967296][4294967296];", "PTX line 6, column 13: an array too large for memory"),
    (
        ".shared .b8 x[2] = {1};",
        "PTX line 6, column 18: an initial value of a variable that is neither global nor constant",
    ),
    (
        "mov.u64 1, 18446744073709551616;",
        "PTX line 6, column 12: `18446744073709551616` is no number of at most 64 bits",
    ),
    ("mov.f32 1, 0f3F80;", "PTX line 6, column 12: `0f3F80` is no number of at most 64 bits"),
    (".loc 1 2;", "PTX line 6, column 9: found `;`, expected a column"),
    (
        ".file 1 \"a\"",
        "PTX line 6, column 1: found `.file`, expected `.reg`, `.loc`, `.pragma` or a state space",
    ),
    (
        "mov.u32 é, 0;",
        "PTX line 6, column 9: found a character that PTX does not use: `é`, expected an operand or `;`",
    ),
    (
        "ret; /* open",
        "PTX line 6, column 6: found a comment without end: `/* open\\n}\\n`, expected an instruction, a label, a declaration or `}`",
    ),
    (
        ".pragma \"open",
        "PTX line 6, column 9: found a text without its closing quote: `\\\"open`, expected `;`",
    ),
];

#[test]
fn mistakes_in_a_body_say_where_and_what() {
    for (body, message) in IN_A_BODY {
        expect(&around(body), Kind::Malformed, message);
    }
}

/// Mistakes outside functions, whose first line is line 4 of the text.
const OUTSIDE: [(&str, &str); 19] = [
    (".entry f(.param .b8 x[]) {}", "PTX line 4, column 21: `x` has no size"),
    (".global .b8 x[2][];", "PTX line 4, column 18: found `]`, expected a size"),
    ("ret;", "PTX line 4, column 1: found `ret`, expected a directive such as `.entry`"),
    (".nonsense", "PTX line 4, column 1: unknown directive `.nonsense`"),
    (".visible 4", "PTX line 4, column 10: found `4`, expected a variable or a function after `.visible`"),
    (".visible .file", "PTX line 4, column 10: found `.file`, expected `.entry`, `.func` or a state space"),
    (
        ".entry f {",
        "PTX line 4, column 11: found the end of the text, expected an instruction, a label, a declaration or `}`",
    ),
    (
        ".entry f(.param .u64 a",
        "PTX line 4, column 23: found the end of the text, expected `)` after the parameters",
    ),
    (".entry f(.u64 a) {}", "PTX line 4, column 10: found `.u64`, expected `.param`"),
    (".entry f(.param .u64 a, .param .u64 a) {}", "PTX line 4, column 37: `a` is declared twice"),
    (".entry f() {} .entry f() {}", "PTX line 4, column 22: `f` is declared twice"),
    (
        ".entry f() .fast {}",
        "PTX line 4, column 12: found `.fast`, expected `{` or a directive such as `.maxntid`",
    ),
    (".entry f() .maxntid 65536, 65536, 2 {}", "PTX line 4, column 21: more threads than a block can have"),
    (
        ".entry f() .maxntid 4294967296 {}",
        "PTX line 4, column 21: 4294967296 is too large for a number of threads",
    ),
    (".global .u32 x; .global .u32 x;", "PTX line 4, column 30: `x` is declared twice"),
    (".global .u32 x[1] = {1, 2};", "PTX line 4, column 19: 2 initial values for 1 elements"),
    (".global .u32 .u32 x;", "PTX line 4, column 14: found `.u32`, expected a type"),
    (".global x;", "PTX line 4, column 9: found `x`, expected a type such as `.b32`"),
    (
        ".section .debug_str { .b8 1,",
        "PTX line 4, column 29: found the end of the text, expected `}` at the end of the section",
    ),
];

#[test]
fn mistakes_outside_functions_say_where_and_what() {
    for (text, message) in OUTSIDE {
        expect(&format!("{HEADER}{text}"), Kind::Malformed, message);
    }
}

#[test]
fn a_module_has_a_head() {
    let table = [
        ("", "PTX line 1, column 1: found the end of the text, expected a `.version` before it"),
        (".version 8", "PTX line 1, column 10: found `8`, expected a version such as `8.0`"),
        (".version 8.0\n", "PTX line 2, column 1: found the end of the text, expected a `.target` before it"),
        (".version 8.0 .target 80", "PTX line 1, column 22: found `80`, expected a target such as `sm_80`"),
    ];
    for (text, message) in table {
        expect(text, Kind::Malformed, message);
    }
}

/// What is PTX and not supported, in line 4 of the text.
const UNSUPPORTED: [(&str, &str); 16] = [
    (".alias a, b;", "PTX line 4, column 1: `.alias` is not supported"),
    (".common .global .u32 x;", "PTX line 4, column 1: `.common` is not supported"),
    (".address_size 32", "PTX line 4, column 15: an address size other than 64 is not supported"),
    (".target sm_20, map_f64_to_f32", "PTX line 4, column 16: `map_f64_to_f32` is not supported"),
    (".texref t;", "PTX line 4, column 1: a texture is not supported"),
    (".extern .global .u32 x;", "PTX line 4, column 22: a variable of another module is not supported"),
    (".extern .shared .b8 x[16];", "PTX line 4, column 21: a variable of another module is not supported"),
    (".global .v4 .f32 x;", "PTX line 4, column 9: a variable of a vector type is not supported"),
    (
        ".global .u64 x = generic(y);",
        "PTX line 4, column 18: an address as an initial value is not supported",
    ),
    (
        ".global .u8 x[2][2] = {{1}};",
        "PTX line 4, column 24: an initial value with braces inside is not supported",
    ),
    (".global .f16 x = 1.5;", "PTX line 4, column 18: an initial value of the type `.f16` is not supported"),
    (".local .b8 x[4];", "PTX line 4, column 1: a local variable outside a function is not supported"),
    (".func (.reg .u32 r) f() {}", "PTX line 4, column 8: a parameter in a register is not supported"),
    (".entry f() { .reg .v4 .f32 x; }", "PTX line 4, column 19: a vector register is not supported"),
    (
        ".entry f() { .reg .b32 x; mov.b32 x.y, 0; }",
        "PTX line 4, column 36: a component of a register is not supported",
    ),
    (".tex .u32 t;", "PTX line 4, column 1: a texture is not supported"),
];

#[test]
fn what_is_not_supported_is_named_with_a_way_around() {
    for (text, message) in UNSUPPORTED {
        let text = format!("{HEADER}{text}");
        expect(&text, Kind::Unsupported, message);
        assert!(!parse(&text).expect_err("").hint.is_empty(), "{text}");
    }
}

#[test]
fn columns_count_characters() {
    expect(
        &around("// é\n/* éé */ mov.u32 %x, 0;"),
        Kind::Malformed,
        "PTX line 7, column 18: `%x` is no register that is declared here",
    );
}
