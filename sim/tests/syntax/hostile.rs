//! Texts made to hurt: deep, wide, repetitive. Each is a megabyte or so, and takes a fraction of a second; what took
//! quadratic time would take hours, and what called itself would overflow the stack.

use crate::texts::{HEADER, around, fixture};
use chunkwise_sim::syntax::{parse, print, verify};
use std::time::{Duration, Instant};

/// Far above what linear time needs, and far below what quadratic time would.
const LIMIT: Duration = Duration::from_secs(20);

/// Everything that can be done with a text, in time; whether it parses.
fn in_time(what: &str, text: &str) -> bool {
    let start = Instant::now();
    let parsed = parse(text);
    if let Ok(module) = &parsed {
        let _ = verify(module);
        let printed = print(module);
        assert!(parse(&printed).is_ok() || verify(module).is_err(), "{what}");
    }
    assert!(start.elapsed() < LIMIT, "{what}: {:?} for {} bytes", start.elapsed(), text.len());
    parsed.is_ok()
}

fn repeated(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect()
}

#[test]
fn deep_scopes() {
    let deep = |open: &str, middle: &str, close: &str| {
        around(&format!("{}{middle}{}", open.repeat(50_000), close.repeat(50_000)))
    };
    assert!(in_time("braces", &deep("{", "", "}")));
    assert!(!in_time("open braces", &around(&"{".repeat(1_000_000))));
    assert!(in_time("one name in every scope", &deep("{.reg .b32 t;", "mov.b32 t, 1;", "}")));
    assert!(in_time(
        "a range in every scope",
        &deep("{.reg .b32 %r<9>; mov.b32 %r1,1;", "", "mov.b32 %r2,2;}")
    ));
    assert!(in_time("a label in every scope", &deep("{ bra L;", &"bra L;".repeat(50_000), "L: }")));
    assert!(in_time("a variable in every scope", &deep("{.param .b32 a;", "ld.u32 1, [a];", "}")));
    let outside = format!(
        ".reg .b32 r; {}{}{}",
        "{.reg .b32 %r<9>;".repeat(20_000),
        "mov.b32 r,1;".repeat(20_000),
        "}".repeat(20_000)
    );
    assert!(in_time("a name from outside all scopes", &around(&outside)));
}

#[test]
fn scopes_side_by_side() {
    let many = |scope: &str| around(&scope.repeat(40_000));
    assert!(in_time("one register", &many("{.reg .b32 t; mov.b32 t, 1;}")));
    assert!(in_time("one label", &many("{bra L; L:}")));
    assert!(in_time("one list", &many("{.reg .b32 r; brx.idx r, T; T: .branchtargets L; L:}")));
}

#[test]
fn long_lists() {
    assert!(in_time("operands", &around(&format!("add.s32 {};", vec!["1"; 500_000].join(",")))));
    assert!(in_time("elements", &around(&format!("mma {{{}}};", vec!["1"; 500_000].join(",")))));
    assert!(in_time("signs", &around(&format!("ld.u32 1, [p{}];", "+1".repeat(500_000)))));
    assert!(in_time("modifiers", &around(&format!("ld{} 1;", ".f32".repeat(300_000)))));
    assert!(in_time("bounds", &format!("{HEADER}.global .b8 x{};", "[1]".repeat(300_000))));
    assert!(in_time("values", &format!("{HEADER}.global .b8 x[] = {{{}}};", vec!["1"; 500_000].join(","))));
    let targets = format!("T: .branchtargets {}; L:", vec!["L"; 300_000].join(","));
    assert!(in_time("targets", &around(&targets)));
    let branches =
        format!("{}{}", "L:".repeat(0), repeated(60_000, |index| format!("bra L{index};L{index}:")));
    assert!(in_time("labels", &around(&branches)));
    assert!(!in_time("one label many times", &around(&"L:".repeat(300_000))));
}

#[test]
fn long_words() {
    let long = "x".repeat(1_000_000);
    assert!(!in_time("a name", &around(&format!("mov.b32 1, {long};"))));
    assert!(in_time("a register", &around(&format!(".reg .b32 {long}; mov.b32 {long}, 1;"))));
    assert!(!in_time("a number", &around(&format!("mov.b32 1, {};", "9".repeat(1_000_000)))));
    assert!(!in_time(
        "digits",
        &around(&format!(".reg .b32 %r<9>; mov.b32 %r{}, 1;", "1".repeat(1_000_000)))
    ));
    assert!(!in_time("a comment", &around(&"/*".repeat(500_000))));
    assert!(!in_time("a text", &around(&format!(".pragma \"{long}"))));
    assert!(!in_time("one line", &format!("{HEADER}{} nonsense", ".pragma \"a\";".repeat(80_000))));
}

#[test]
fn many_declarations() {
    let variables = repeated(20_000, |index| format!(".global .b8 v{index}[4];"));
    let functions = repeated(20_000, |index| {
        format!(".func f{index} {{.reg .b32 r; ld.u32 r, [v{index}]; call f{};}}", index / 2)
    });
    assert!(in_time("variables and functions", &format!("{HEADER}{variables}{functions}")));
    let table = format!(".global .b8 big[] = {{{}}};", vec!["7"; 250_000].join(","));
    let users = repeated(10_000, |index| format!(".func u{index} {{.reg .b32 r; ld.u32 r, [big];}}"));
    assert!(in_time("one large table in many functions", &format!("{HEADER}{table}{users}")));
    let declared = ".func f;".repeat(100_000);
    assert!(in_time("one declaration many times", &format!("{HEADER}{declared}.func f {{}}")));
    let scarce = "{.reg .b32 %r<4294967295>; mov.b32 %r4294967294, 0;}";
    assert!(in_time("registers that nobody uses", &around(&scarce.repeat(20_000))));
    assert!(in_time("a size beyond memory", &format!("{HEADER}.global .b64 x[9223372036854775807];")));
}

/// A real kernel a hundred times over: speed, and that its functions stay apart.
#[test]
fn megabytes_of_a_real_text() {
    let text = fixture("gated_deltanet_recurrent.ptx");
    let start = text.find(".visible .entry").expect("the kernel");
    let name = "gated_deltanet_recurrent";
    let mut long = text[..start].to_string();
    for index in 0..100 {
        long.push_str(&text[start..].replace(name, &format!("{name}_{index}")));
    }
    let clock = Instant::now();
    let module = parse(&long).expect("what parses once parses again");
    let time = clock.elapsed();
    assert_eq!(module.functions.len(), 100);
    // Tens of megabytes a second; the limit leaves room for machines that do other things too.
    let rate = long.len() as f64 / time.as_secs_f64() / 1e6;
    assert!(rate > 2.0, "{rate:.1} MB/s");
}
