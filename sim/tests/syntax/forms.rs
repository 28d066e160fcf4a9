//! What each form of PTX parses to.

use crate::texts::{HEADER, around, fixture, kernel, module};
use chunkwise_sim::syntax::ast::*;

const P: Reg = Reg(0);
const R: Reg = Reg(1);
const D: Reg = Reg(2);
const F: Reg = Reg(3);

/// The operands of an instruction, where `%p`, `%r`, `%d`, `%f` are the registers 0 to 3, `buffer` is a shared variable and
/// `p` the parameter.
fn operands(instruction: &str) -> Vec<Operand> {
    let declarations = ".reg .pred %p; .reg .b32 %r; .reg .b64 %d; .reg .f32 %f; .shared .b8 buffer[64];";
    let mut function = kernel(&format!("{declarations}\n{instruction}"));
    assert_eq!(function.body.len(), 1);
    function.body.remove(0).operands
}

fn address(base: Base, offset: i64) -> Operand {
    Operand::Address { base, offset }
}

#[test]
fn plain_operands() {
    use Operand::{F32, F64, Int, Not, Sink, Special as S};
    let table = [
        ("%r", Operand::Reg(R)),
        ("!%p", Not(P)),
        ("_", Sink),
        ("12", Int(12)),
        ("-12", Int(-12)),
        ("0x1F", Int(31)),
        ("0b101", Int(5)),
        ("017", Int(15)),
        ("4U", Int(4)),
        ("0xFFFFFFFFFFFFFFFF", Int(-1)),
        ("18446744073709551615", Int(-1)),
        ("-9223372036854775808", Int(i64::MIN)),
        ("WARP_SZ", Int(32)),
        ("0f3F800000", F32(0x3f80_0000)),
        ("-0f3F800000", F32(0xbf80_0000)),
        ("0d3FF0000000000000", F64(1f64.to_bits())),
        ("1.5", F64(1.5f64.to_bits())),
        ("-2.5e-1", F64((-0.25f64).to_bits())),
        ("%tid.x", S(Special::Tid(0))),
        ("%ntid.y", S(Special::Ntid(1))),
        ("%ctaid.z", S(Special::Ctaid(2))),
        ("%nctaid.x", S(Special::Nctaid(0))),
        ("%laneid", S(Special::LaneId)),
        ("%lanemask_lt", S(Special::LanemaskLt)),
        ("%clock64", S(Special::Clock64)),
        ("%dynamic_smem_size", S(Special::DynamicSmemSize)),
        ("p", Operand::Variable(Var(0), 0)),
        ("buffer", Operand::Variable(Var(1), 0)),
        ("buffer+16", Operand::Variable(Var(1), 16)),
    ];
    for (text, operand) in table {
        assert_eq!(operands(&format!("mov.u32 {text};")), [operand], "{text}");
    }
}

#[test]
fn addresses() {
    let (reg, var) = (Base::Reg(D), Base::Var(Var(1)));
    let table = [
        ("[%d]", address(reg, 0)),
        ("[ %d + 0 ]", address(reg, 0)),
        ("[%d+8]", address(reg, 8)),
        ("[%d+-8]", address(reg, -8)),
        ("[%d-8]", address(reg, -8)),
        ("[%d+0x10]", address(reg, 16)),
        ("[%d+4+8]", address(reg, 12)),
        ("[%d+0xFFFFFFFFFFFFFFF8]", address(reg, -8)),
        ("[buffer]", address(var, 0)),
        ("[buffer+4]", address(var, 4)),
        ("[p+4]", address(Base::Var(Var(0)), 4)),
        ("[16]", address(Base::Absolute, 16)),
        ("[-16]", address(Base::Absolute, -16)),
        (
            "[%d, {%r, 5}]",
            Operand::Tensor { base: reg, offset: 0, coordinates: vec![Operand::Reg(R), Operand::Int(5)] },
        ),
        ("[buffer+64, {%r}]", Operand::Tensor { base: var, offset: 64, coordinates: vec![Operand::Reg(R)] }),
    ];
    for (text, operand) in table {
        assert_eq!(operands(&format!("prefetch {text};")), [operand], "{text}");
    }
}

#[test]
fn operands_of_several_words() {
    use Operand::{Pair, Sink, Vector};
    let (reg, p) = (Operand::Reg, || Box::new(Operand::Reg(P)));
    assert_eq!(operands("ld.v2.f32 {%f, _}, [%d];")[0], Vector(vec![reg(F), Sink]));
    assert_eq!(operands("ld.b32 { %r }, [ %d + 0 ];")[0], Vector(vec![reg(R)]));
    assert_eq!(operands("mov.b64 {%r,%r}, %d;")[0], Vector(vec![reg(R), reg(R)]));
    assert_eq!(operands("shfl.sync.up.b32 %r|%p, %r, 1, 0, -1;")[0], Pair(Box::new(reg(R)), p()));
    assert_eq!(operands("elect.sync _|%p, -1;")[0], Pair(Box::new(Sink), p()));
    assert_eq!(operands("setp.ne.s32 %p|_, %r, 0;")[0], Pair(p(), Box::new(Sink)));
    assert_eq!(operands("bar.sync 0;"), [Operand::Int(0)]);
    assert_eq!(operands("ret;"), []);
}

#[test]
fn guards_and_modifiers() {
    let function = kernel(
        ".reg .pred %p<3>; .reg .b64 %d;\n@%p2 trap;\n@!%p1 prefetch.global.L2::evict_last [%d];\n@ ! %p1 ret ;",
    );
    let guard = |register, negated| Some(Guard { register: Reg(register), negated });
    let guards: Vec<_> = function.body.iter().map(|instruction| instruction.guard).collect();
    // A register of a range counts from its first use; one with a name of its own from its declaration.
    assert_eq!(guards, [guard(1, false), guard(2, true), guard(2, true)]);
    assert_eq!(function.body[1].modifiers, ["global", "L2::evict_last"]);
    assert_eq!((function.body[1].opcode.as_str(), function.body[1].line), ("prefetch", 8));
    let names: Vec<_> = function.registers.iter().map(|r| (r.name.as_str(), r.ty)).collect();
    assert_eq!(names, [("%d", Type::B64), ("%p2", Type::Pred), ("%p1", Type::Pred)]);
}

#[test]
fn scopes_that_reuse_names_become_flat() {
    let function = kernel(
        ".reg .b32 t, %r<5>;
         mov.b32 t, %r4;
         { .reg .b64 t; .reg .f32 %r<9>; mov.b64 t, %r4; mov.b64 t, %r8;
           { .reg .pred t; mov.pred t, %r4; } }
         mov.b32 t, %r4;",
    );
    let of = |index: usize| {
        let [Operand::Reg(to), Operand::Reg(from)] = function.body[index].operands[..] else { panic!() };
        (function.registers[to.0 as usize].ty, function.registers[from.0 as usize].ty)
    };
    assert_eq!(of(0), (Type::B32, Type::B32));
    assert_eq!(of(1), (Type::B64, Type::F32));
    assert_eq!(of(3), (Type::Pred, Type::F32));
    assert_eq!(of(4), (Type::B32, Type::B32));
    assert_eq!(function.body[0].operands, function.body[4].operands);
    assert_eq!(function.registers.len(), 6);
}

#[test]
fn a_branch_reaches_its_own_scope_first() {
    let function = kernel(
        "{ bra L; bra out; L: bra L; }
         { bra L; L: bra L; }
         L: bra L;
         out:",
    );
    let to: Vec<u32> = function
        .body
        .iter()
        .map(|instruction| match instruction.operands[..] {
            [Operand::Label(label)] => function.labels[label.0 as usize].instruction,
            _ => panic!("{instruction:?}"),
        })
        .collect();
    assert_eq!(to, [2, 6, 2, 4, 4, 5]);
    assert_eq!(function.labels.len(), 4);
}

#[test]
fn a_branch_may_leave_scopes_for_a_label_behind_or_before_them() {
    let function = kernel("A: { { bra A; bra B; } } B: ret;");
    assert_eq!(function.labels.iter().map(|l| l.instruction).collect::<Vec<_>>(), [0, 2]);
    let labels: Vec<_> = function.body[..2].iter().map(|i| i.operands[0].clone()).collect();
    assert_eq!(labels, [Operand::Label(Label(0)), Operand::Label(Label(1))]);
}

#[test]
fn branch_targets_are_a_list_by_label() {
    let function = kernel(".reg .b32 %r; brx.idx %r, list; list: .branchtargets A, B, A; A: ret; B: ret;");
    assert_eq!(function.labels[0].name, "list");
    assert_eq!(function.branch_targets, [(Label(0), vec![Label(1), Label(2), Label(1)])]);
    assert_eq!(function.body[0].operands[1], Operand::Label(Label(0)));
}

#[test]
fn variables_of_the_module_follow_the_functions_own() {
    let text = format!(
        "{HEADER}.global .u32 a = 7; .extern .shared .align 16 .b8 dynamic[]; .const .f32 c[2] = {{1.5, -0f3F800000}};
         .visible .entry f(.param .u64 p) {{
           .reg .b32 r; .reg .b64 d;
           mov.u32 r, dynamic;
           // demoted variable
           .shared .align 8 .b8 own[24];
           mov.u32 r, own;
           ld.shared.u32 r, [dynamic+4];
           ld.global.u32 r, [a];
           {{ .shared .b8 a[2]; mov.u32 r, a; }}
         }}"
    );
    let module = module(&text);
    let function = &module.functions[0];
    assert_eq!((function.params, function.locals, function.returns), (1, 2, 0));
    let names: Vec<_> = function.variables.iter().map(|v| (v.name.as_str(), v.space, v.bytes())).collect();
    let expected = [
        ("p", Space::Param, 8),
        ("own", Space::Shared, 24),
        ("a", Space::Shared, 2),
        ("dynamic", Space::Shared, 0),
        ("a", Space::Global, 4),
    ];
    assert_eq!(names, expected);
    let used: Vec<_> = function.body.iter().map(|instruction| instruction.operands[1].clone()).collect();
    let expected = [
        Operand::Variable(Var(3), 0),
        Operand::Variable(Var(1), 0),
        address(Base::Var(Var(3)), 4),
        address(Base::Var(Var(4)), 0),
        Operand::Variable(Var(2), 0),
    ];
    assert_eq!(used, expected);
    assert_eq!(module.variables[0].initial, [7, 0, 0, 0]);
    assert!(function.variables[4].initial.is_empty(), "the module keeps the initial bytes");
    assert_eq!(module.variables[1].elements, None);
    assert_eq!(module.variables[2].initial, [0, 0, 0xc0, 0x3f, 0, 0, 0x80, 0xbf]);
}

#[test]
fn initial_values_in_every_type() {
    let bytes = |declaration: &str| module(&format!("{HEADER}{declaration}")).variables.remove(0).initial;
    assert_eq!(bytes(".global .align 4 .u32 x[4] = {1, 0x2};"), [1, 0, 0, 0, 2, 0, 0, 0]);
    assert_eq!(bytes(".global .b8 x[16] = {255, -1, 0,};"), [255, 255, 0]);
    assert_eq!(bytes(".visible .const .s16 x = -2;"), [0xfe, 0xff]);
    assert_eq!(bytes(".global .f64 x = 0dBFE0000000000000;"), (-0.5f64).to_le_bytes());
    assert_eq!(bytes(".global .f32 x = 0.1;"), 0.1f32.to_le_bytes());
    assert_eq!(
        bytes(".global .f32 x[2] = {-0.1, 3};"),
        [(-0.1f32).to_le_bytes(), 3f32.to_le_bytes()].concat()
    );
    assert_eq!(
        bytes(".global .f64 x[2] = {-3, 0.1};"),
        [(-3f64).to_le_bytes(), 0.1f64.to_le_bytes()].concat()
    );
    assert_eq!(bytes(".global .b32 x[2] = {0f3F800000, -1};"), [0, 0, 0x80, 0x3f, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(bytes(".global .f32 x = 0f7FA00000;"), 0x7fa0_0000u32.to_le_bytes());
    assert_eq!(bytes(".global .u64 x[] = {5};"), 5u64.to_le_bytes());
    assert_eq!(bytes(".global .u8 x[2][3];"), []);
    let matrix = module(&format!("{HEADER}.global .align 8 .u8 x[2][3];")).variables.remove(0);
    assert_eq!((matrix.elements, matrix.align, matrix.space), (Some(6), 8, Space::Global));
    assert_eq!(bytes(".visible .global .attribute(.managed, .unified(1, 2)) .b8 x = 3;"), [3]);
}

#[test]
fn heads_of_kernels_and_functions() {
    let text = format!(
        "{HEADER}
         .extern .func (.param .b32 status) vprintf (.param .b64 format, .param .b64 arguments);
         .extern .func trace;
         .func (.param .align 8 .b8 result[16]) later(.param .b32 _, .param .b32 _);
         .visible .entry kernel(
            .param .u64 .ptr .global .align 16 kernel_0,
            .param .align 64 .b8 kernel_1[128],
            .param .f32 kernel_2
         )
         .maxntid 16, 8, 1
         .minnctapersm 2
         .maxnreg 128
         .explicitcluster
         .reqnctapercluster 2, 1, 1
         {{ ret; }}
         .weak .func (.param .align 8 .b8 result[16]) later(.param .b32 a, .param .b32 b) .noreturn {{ ret; }}
         .visible .entry empty .reqntid 32 {{ }}"
    );
    let module = module(&text);
    let heads: Vec<_> = module
        .functions
        .iter()
        .map(|f| (f.name.as_str(), f.is_entry, f.has_body, f.returns, f.params, f.max_threads))
        .collect();
    let expected = [
        ("vprintf", false, false, 1, 3, None),
        ("trace", false, false, 0, 0, None),
        ("kernel", true, true, 0, 3, Some(128)),
        ("later", false, true, 1, 3, None),
        ("empty", true, true, 0, 0, Some(32)),
    ];
    assert_eq!(heads, expected);
    let kernel = module.kernel("kernel").expect("the kernel");
    assert_eq!((kernel.variables[0].align, kernel.variables[1].bytes()), (8, 128));
    assert_eq!((kernel.variables[1].align, kernel.variables[2].ty), (64, Type::F32));
    assert!(module.kernel("later").is_none());
}

#[test]
fn calls_have_vectors_for_lists() {
    let text = format!(
        "{HEADER}.func (.param .b32 r) g(.param .b32 a) {{ ret; }} .func h {{ ret; }}
         .entry f() {{
           .reg .b32 %r<2>; .reg .b64 %rd;
           {{ // callseq 0
             .param .b32 param0; .param .b32 retval0;
             st.param.b32 [param0+0], %r1;
             call.uni (retval0), g, (param0);
             ld.param.b32 %r1, [retval0+0];
           }}
           {{ .param .b32 param0; call.uni (_), g, (param0); }}
           call h;
           call.uni h, ();
           mov.u64 %rd, g;
           prototype_0 : .callprototype (.param .b32 _) _ (.param .b32 _);
           {{ .param .b32 param0; .param .b32 retval0; call (retval0), %rd, (param0), prototype_0; }}
         }}"
    );
    let module = module(&text);
    let function = module.kernel("f").expect("the kernel");
    let variable = |index| Operand::Variable(Var(index), 0);
    let name = |name: &str| Operand::Name(name.to_string());
    let call = |index: usize| function.body[index].operands.as_slice();
    assert_eq!(call(1), [Operand::Vector(vec![variable(1)]), name("g"), Operand::Vector(vec![variable(0)])]);
    assert_eq!(call(3)[0], Operand::Vector(vec![Operand::Sink]));
    assert_eq!(call(4), [name("h")]);
    assert_eq!(call(5), [name("h"), Operand::Vector(vec![])]);
    assert_eq!(call(6)[1], name("g"));
    assert!(matches!(call(7), [_, Operand::Reg(_), _, Operand::Name(_)]));
    assert!(function.labels.is_empty());
}

#[test]
fn lines_of_the_source() {
    let text = format!(
        "{HEADER}.file 1 \"/a/b.cu\"\n.file 2 \"C:\\\\\\\"x\\\".h\", 123, 456\n
         .entry f() {{
           ret;
           .loc 1 10 5
           ret;
           .loc 2 7 1, function_name $L__info_string0, inlined_at 1 10 5
           ret;
           .loc 1 0 3, function_name $L__info_string3+16, inlined_at 1 9 9
           ret;
         }}
         .section .debug_str {{ $L__info_string0: .b8 95,90 {{ }} .b8 0 }}"
    );
    let module = module(&text);
    let sources: Vec<_> = module.functions[0].body.iter().map(|i| i.source).collect();
    let source = |file, line| Some(Source { file, line });
    assert_eq!(sources, [None, source(1, 10), source(2, 7), None]);
    assert_eq!(module.files, [(1, "/a/b.cu".to_string()), (2, "C:\\\\\\\"x\\\".h".to_string())]);
}

#[test]
fn what_says_nothing_is_passed_by() {
    let function = kernel(
        ".pragma \"nounroll\"; // a comment
         /* and
            another */ ; ;
         { } {{ ; }}
         // begin inline asm
         ret;
         // end inline asm",
    );
    assert_eq!(function.body.len(), 1);
    assert_eq!(function.body[0].line, 11);
    let module = module(&format!("\u{feff}{HEADER}.pragma \"x\";\n.target sm_80, debug\n"));
    assert_eq!((module.version, module.target.as_str()), ((9, 0), "sm_80"));
}

#[test]
fn text_as_triton_writes_it() {
    let text = around(
        "	.reg .pred 	%p<7>;
	.reg .b32 	%r<33>;
	.reg .b64 	%rd<9>;
	.loc	1 36 18                         // test.py:36:18
$L__func_begin0:
// %bb.0:
	mov.u32 	%r9, %ctaid.x;
	// begin inline asm
	mov.u32 %r1, 0x0;
	@!%p1 mov.u32 %r1, 0;
	@%p1 ld.global.L1::evict_last.v4.b32 { %r1, %r2, %r3, %r4 }, [ %rd1 + 0 ];
	// end inline asm
	@%p1 bra 	$L__BB0_2;
	bra.uni 	$L__BB0_1;
$L__BB0_1:                              // %.preheader
	mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 { %r1, %r2, %r3, %r4 }, { %r5, %r6, %r7, %r8 }, { %r9, %r10 }, { %r1, %r2, %r3, %r4 };
	cp.async.cg.shared.global [ %r13 + 0 ], [ %rd2 + 0 ], 0x10, %r12;
	@%p2 st.global.v2.b32 [ %rd4 + 0 ], { %r15, %r16 };
$L__BB0_2:
	ret;
$L__tmp1:
$L__func_end0:",
    )
    .replace(".visible", "	// .globl	f\n.visible")
    .replace("(.param .u64 p)", "(\n\t.param .u64 .ptr .global .align 1 p,\n\t.param .u32 n\n)\n.reqntid 128");
    let module = module(&text);
    let function = &module.functions[0];
    assert_eq!(function.max_threads, Some(128));
    assert_eq!(function.body.len(), 10);
    assert_eq!(function.labels.last().map(|label| label.instruction), Some(10));
    assert_eq!(function.body[6].modifiers.join("."), "sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32");
    assert_eq!(function.body[6].operands.len(), 4);
    assert_eq!(chunkwise_sim::syntax::verify(&crate::texts::module(&text.replace("1 36", "1 0"))), Ok(()));
}

#[test]
fn text_as_nvrtc_writes_it() {
    let module = module(&fixture("forms.ptx"));
    let names: Vec<_> = module.functions.iter().map(|f| (f.name.as_str(), f.is_entry, f.has_body)).collect();
    let expected = [
        ("vprintf", false, false),
        ("_Z6turned4Pairf", false, true),
        ("_Z6halvedf", false, true),
        ("_Z7doubledf", false, true),
        ("indirect", true, true),
        ("selected", true, true),
        ("assembled", true, true),
        ("copied", true, true),
        ("spread", true, true),
    ];
    assert_eq!(names, expected);
    let assembled = module.kernel("assembled").expect("the kernel");
    assert_eq!(assembled.max_threads, Some(128));
    // Both turns of the loop bring the scopes of the inline text along.
    let count = |name: &str, ty| assembled.registers.iter().filter(|r| r.name == name && r.ty == ty).count();
    assert_eq!((count("t", Type::B32), count("t", Type::B64), count("u1", Type::B32)), (2, 2, 2));
    assert_eq!(assembled.labels.iter().filter(|label| label.name == "skip").count(), 2);
    assert!(assembled.body.iter().filter_map(|i| i.source).any(|s| s.file == 1 && s.line > 50));
    let copied = module.kernel("copied").expect("the kernel");
    let has_tensor = |i: &Instruction| i.operands.iter().any(|o| matches!(o, Operand::Tensor { .. }));
    assert!(copied.body.iter().any(has_tensor));
    let bytes = |name: &str| module.variables.iter().find(|v| v.name == name).map(|v| v.initial.clone());
    assert_eq!(bytes("accumulated"), Some((-0.5f64).to_le_bytes().to_vec()));
    assert_eq!(bytes("bytes"), Some(vec![1, 2, 255]));
}
