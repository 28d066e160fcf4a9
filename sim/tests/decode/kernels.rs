//! Whole kernels: places of variables and registers, calls replaced by what they call, branches.

use super::kernel;
use chunkwise_sim::decode::Kernel;
use std::fmt::Write;

/// The kernel as a list.
fn listing(kernel: &Kernel) -> String {
    let mut out = String::new();
    let Kernel { banks, params, param_bytes, shared_bytes, local_bytes, max_threads, .. } = kernel;
    let _ = writeln!(out, "{banks:?}");
    for p in params {
        let _ = writeln!(out, "param {} .{} at {}, {} bytes", p.name, p.ty, p.offset, p.bytes);
    }
    let _ = writeln!(out, "bytes: param {param_bytes}, shared {shared_bytes}, local {local_bytes}");
    let _ = writeln!(out, "threads: {max_threads:?}");
    for (index, i) in kernel.code.iter().enumerate() {
        let guard =
            i.guard.map_or(String::new(), |g| format!("@{}{} ", if g.negated { "!" } else { "" }, g.pred.0));
        let text = &kernel.texts[i.text as usize];
        let _ = writeln!(out, "{index:3} line {} {text}\n        {guard}{:?}", i.line, i.op);
    }
    out
}

fn head(text: &str) -> String {
    format!(".version 9.0\n.target sm_80\n.address_size 64\n{text}")
}

/// Registers of all widths share three banks; a `.b128` register is two neighbours.
#[test]
fn registers_and_variables() {
    let text = head(
        "
.shared .align 4 .b8 common[6];
.global .f32 g[4];
.extern .shared .align 16 .b8 dyn[];
.visible .entry k(.param .u32 a, .param .u64 b, .param .align 16 .b8 c[20], .param .u8 d)
.maxntid 64, 2, 1
{
    .reg .b16 %h<2>;
    .reg .pred %p<1>;
    .reg .b64 %rd<1>;
    .reg .b128 %q<1>;
    .reg .f32 %f<1>;
    .reg .f64 %fd<1>;
    .shared .align 8 .b64 own[2];
    .local .align 4 .b8 a1[5];
    .local .align 8 .b64 a2;
    ld.param.u8 %h1, [d];
    ld.param.u64 %rd0, [c+16];
    st.shared.u16 [common+2], %h0;
    st.shared.f64 [own+8], %fd0;
    st.shared.f32 [dyn+4], %f0;
    st.local.f64 [a2], %fd0;
    ld.global.f32 %f0, [g+4];
    mov.b128 %q0, {%rd0, %rd0};
}",
    );
    insta::assert_snapshot!(listing(&kernel(&text, "k").expect("a kernel")));
}

const CALLS: &str = "
.shared .align 4 .b32 seen;
.func (.param .b32 result) square(.param .b32 x)
{
    .reg .f32 %f<3>;
    .reg .pred %p<2>;
    .shared .align 4 .b32 often;
    ld.param.f32 %f1, [x];
    setp.lt.f32 %p1, %f1, 0f00000000;
    @%p1 ret;
    mul.f32 %f2, %f1, %f1;
    st.param.f32 [result], %f2;
    st.shared.f32 [often], %f2;
    ret;
}
.func fourth(.param .b64 place, .param .b32 x)
{
    .reg .f32 %f<3>;
    .reg .b64 %rd<2>;
    ld.param.f32 %f1, [x];
    ld.param.u64 %rd1, [place];
    {
        .param .b32 param0;
        .param .b32 retval0;
        st.param.f32 [param0], %f1;
        call.uni (retval0), square, (param0);
        ld.param.f32 %f1, [retval0];
    }
    st.global.f32 [%rd1], %f1;
    ret;
}
.visible .entry k(.param .u64 out)
{
    .reg .f32 %f<3>;
    .reg .b64 %rd<2>;
    .reg .pred %p<2>;
    .param .b64 p0;
    .param .b32 p1;
    ld.param.u64 %rd1, [out];
    st.param.b64 [p0], %rd1;
    st.param.b32 [p1], 0f40000000;
    @%p1 call fourth, (p0, p1);
    st.shared.f32 [seen], %f1;
    call fourth, (p0, p1);
    bra END;
END:
    ret;
}
";

/// Each call gets registers of its own; parameters lie where the caller's variables do; `ret` goes behind the call; a guard
/// jumps over it. A shared variable of a function is one, however often it is called.
#[test]
fn calls() {
    insta::assert_snapshot!(listing(&kernel(&head(CALLS), "k").expect("a kernel")));
}

/// The error of an instruction of a function that is called has that instruction's line.
#[test]
fn a_mistake_in_a_function() {
    let text = head(&CALLS.replace("mul.f32 %f2, %f1, %f1;", "mul.slow.f32 %f2, %f1, %f1;"));
    insta::assert_snapshot!(kernel(&text, "k").expect_err("`.slow` is no modifier"));
}

fn refused(declarations: &str, body: &str) -> String {
    let text = head(&format!(
        "{declarations}\n.visible .entry k(.param .u64 out)\n{{\n.reg .pred %p<2>;\n.reg .b64 %rd<2>;\n\
         .param .b32 p0;\n.param .b64 p1;\n{body}\nret;\n}}"
    ));
    kernel(&text, "k").expect_err("a call that is not supported")
}

#[test]
fn calls_that_are_refused() {
    let one = ".func one(.param .b32 x)\n{\nret;\n}";
    let calls = [
        ("recursion", ".func f(.param .b32 x)\n{\ncall f, (x);\nret;\n}", "call f, (p0);"),
        ("no body", ".extern .func vprintf(.param .b32 x);", "call vprintf, (p0);"),
        ("unknown", ".extern .func malloc(.param .b32 x);", "call malloc, (p0);"),
        ("fewer parameters", one, "call one;"),
        ("a wider parameter", one, "call one, (p1);"),
        ("a result that there is not", one, "call (p0), one, (p0);"),
        ("a constant", one, "call one, (5);"),
        ("a modifier", one, "call.fast one, (p0);"),
        ("the address of a parameter", one, "mov.b64 %rd1, p0;"),
    ];
    let mut out = String::new();
    for (what, declarations, body) in calls {
        let _ = writeln!(out, "{what}: {}", refused(declarations, body));
    }
    insta::assert_snapshot!(out);
}

/// A failed assertion does not return.
#[test]
fn assertions_trap() {
    let text = head(
        ".extern .func __assertfail(.param .b32 x);\n.visible .entry k()\n{\n.param .b32 p;\n.reg .pred %q<2>;\n\
         @%q1 call __assertfail, (p);\nret;\n}",
    );
    insta::assert_snapshot!(listing(&kernel(&text, "k").expect("a kernel")));
}

/// Functions that call one another twice each, forty deep, would be more than any memory holds.
#[test]
fn calls_without_end_are_refused() {
    let mut text = String::from(".func f0()\n{\nret;\n}\n");
    for n in 1..40 {
        let _ = write!(text, ".func f{n}()\n{{\ncall f{};\ncall f{};\nret;\n}}\n", n - 1, n - 1);
    }
    text += ".visible .entry k()\n{\ncall f39;\nret;\n}\n";
    let error = kernel(&head(&text), "k").expect_err("2^39 calls");
    assert!(error.contains("more than 4194304 instructions"), "{error}");
    let mut text = String::from(".func f0()\n{\nret;\n}\n");
    for n in 1..1000 {
        let _ = write!(text, ".func f{n}()\n{{\ncall f{};\nret;\n}}\n", n - 1);
    }
    text += ".visible .entry k()\n{\ncall f999;\nret;\n}\n";
    let error = kernel(&head(&text), "k").expect_err("a thousand calls deep");
    assert!(error.contains("nested more than 64 deep"), "{error}");
}

/// A label may stand at the end, where control leaves the kernel; targets count operations, not lines.
#[test]
fn branches() {
    let text = head(
        ".visible .entry k()\n{\n.reg .b32 %r<3>;\n.reg .pred %p<2>;\n\
         TOP:\ncvt.u32.u32 %r1, %laneid;\n@%p1 bra TOP;\n@!%p1 brx.idx %r1, LIST;\nbra.uni END;\n\
         LIST: .branchtargets TOP, END;\nEND:\n}",
    );
    insta::assert_snapshot!(listing(&kernel(&text, "k").expect("a kernel")));
}
