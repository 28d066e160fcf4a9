//! Checked warp instructions per second on one core, for kernels of four kinds.
//!
//! ```text
//! cargo bench -p chunkwise-sim
//! speed/fma      ..  thrpt: 60 Melem/s          an element is a warp instruction
//! ```

use chunkwise_sim::machine::{Arguments, Kernel, Launch, Module, Options};
use chunkwise_sim::memory::global::Global;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;

/// Eight independent multiply-adds in a loop.
const FMA: &str = "
.version 8.0
.target sm_80
.address_size 64
.visible .entry fma(.param .u64 out, .param .u32 n)
{
    .reg .pred %p;
    .reg .b32 %i, %n, %t;
    .reg .b64 %o, %a;
    .reg .f32 %f<10>;
    ld.param.u64 %o, [out];
    ld.param.u32 %n, [n];
    mov.u32 %t, %tid.x;
    cvt.rn.f32.u32 %f8, %t;
    mov.f32 %f9, 0f3F7FF000;
    mov.f32 %f0, %f8;
    mov.f32 %f1, %f8;
    mov.f32 %f2, %f8;
    mov.f32 %f3, %f8;
    mov.f32 %f4, %f8;
    mov.f32 %f5, %f8;
    mov.f32 %f6, %f8;
    mov.f32 %f7, %f8;
    mov.u32 %i, 0;
LOOP:
    fma.rn.f32 %f0, %f0, %f9, %f8;
    fma.rn.f32 %f1, %f1, %f9, %f8;
    fma.rn.f32 %f2, %f2, %f9, %f8;
    fma.rn.f32 %f3, %f3, %f9, %f8;
    fma.rn.f32 %f4, %f4, %f9, %f8;
    fma.rn.f32 %f5, %f5, %f9, %f8;
    fma.rn.f32 %f6, %f6, %f9, %f8;
    fma.rn.f32 %f7, %f7, %f9, %f8;
    add.u32 %i, %i, 1;
    setp.lt.u32 %p, %i, %n;
    @%p bra LOOP;
    add.f32 %f0, %f0, %f1;
    add.f32 %f2, %f2, %f3;
    add.f32 %f4, %f4, %f5;
    add.f32 %f6, %f6, %f7;
    add.f32 %f0, %f0, %f2;
    add.f32 %f4, %f4, %f6;
    add.f32 %f0, %f0, %f4;
    mul.wide.u32 %a, %t, 4;
    add.u64 %a, %a, %o;
    st.global.f32 [%a], %f0;
    ret;
}
";

/// `C = A B` of 64 x 64 blocks in shared memory, 16 x 16 threads with 4 x 4 numbers each, as compilers write it.
fn gemm_text() -> String {
    let mut body = String::new();
    for k in 0..16 {
        body += &format!("    ld.shared.v4.f32 {{%a0, %a1, %a2, %a3}}, [%ra+{}];\n", 256 * k);
        body += &format!("    ld.shared.v4.f32 {{%b0, %b1, %b2, %b3}}, [%rb+{}];\n", 256 * k);
        for i in 0..4 {
            for j in 0..4 {
                body += &format!("    fma.rn.f32 %c{}, %a{i}, %b{j}, %c{};\n", 4 * i + j, 4 * i + j);
            }
        }
    }
    let zero: String = (0..16).map(|i| format!("    mov.f32 %c{i}, 0f00000000;\n")).collect();
    let store: String = (0..4)
        .map(|i| {
            let [a, b, c, d] = [0, 1, 2, 3].map(|j| 4 * i + j);
            format!("    st.global.v4.f32 [%oc+{}], {{%c{a}, %c{b}, %c{c}, %c{d}}};\n", 256 * i)
        })
        .collect();
    format!(
        "
.version 8.0
.target sm_80
.address_size 64
.visible .entry gemm(.param .u64 pa, .param .u64 pb, .param .u64 pc, .param .u32 steps)
{{
    .shared .align 16 .b8 sa[4096];
    .shared .align 16 .b8 sb[4096];
    .reg .pred %p;
    .reg .b32 %t, %x, %y, %ra, %rb, %wa, %wb, %i, %n;
    .reg .b64 %ga, %gb, %oc, %d;
    .reg .f32 %a<4>, %b<4>, %c<16>, %u<4>, %v<4>;
    ld.param.u64 %ga, [pa];
    ld.param.u64 %gb, [pb];
    ld.param.u64 %oc, [pc];
    ld.param.u32 %n, [steps];
    mov.u32 %t, %tid.x;
    and.b32 %x, %t, 15;
    shr.u32 %y, %t, 4;
    mul.wide.u32 %d, %t, 16;
    add.u64 %ga, %ga, %d;
    add.u64 %gb, %gb, %d;
    mov.u32 %wa, sa;
    mov.u32 %wb, sb;
    shl.b32 %ra, %y, 4;
    add.u32 %ra, %ra, %wa;
    shl.b32 %rb, %x, 4;
    add.u32 %rb, %rb, %wb;
    shl.b32 %i, %t, 4;
    add.u32 %wa, %wa, %i;
    add.u32 %wb, %wb, %i;
    mul.wide.u32 %d, %y, 1024;
    add.u64 %oc, %oc, %d;
    mul.wide.u32 %d, %x, 16;
    add.u64 %oc, %oc, %d;
{zero}    mov.u32 %i, 0;
LOOP:
    ld.global.v4.f32 {{%u0, %u1, %u2, %u3}}, [%ga];
    ld.global.v4.f32 {{%v0, %v1, %v2, %v3}}, [%gb];
    bar.sync 0;
    st.shared.v4.f32 [%wa], {{%u0, %u1, %u2, %u3}};
    st.shared.v4.f32 [%wb], {{%v0, %v1, %v2, %v3}};
    bar.sync 0;
    add.u64 %ga, %ga, 4096;
    add.u64 %gb, %gb, 4096;
{body}    add.u32 %i, %i, 1;
    setp.lt.u32 %p, %i, %n;
    @%p bra LOOP;
{store}    ret;
}}
"
    )
}

/// A kernel with its memory and arguments.
struct Case {
    kernel: Kernel,
    launch: Launch,
    arguments: Arguments,
    memory: Global,
}

impl Case {
    /// Runs once; the number of warp instructions.
    fn run(&mut self) -> u64 {
        let options = Options { threads: 1, ..Options::default() };
        let report = self.kernel.run(&self.launch, &self.arguments, &mut self.memory, &options);
        report.unwrap_or_else(|error| panic!("{error}")).total.instructions
    }
}

fn kernel(text: &str, name: &str) -> Kernel {
    Module::parse(text).and_then(|module| module.kernel(name)).unwrap_or_else(|error| panic!("{error}"))
}

/// A buffer of small numbers of f32.
fn buffer(memory: &mut Global, name: &str, floats: usize) -> u64 {
    let address = memory.alloc_named(4 * floats as u64, 256, name).expect("a small buffer");
    let bytes: Vec<u8> = (0..floats).flat_map(|i| ((i % 17) as f32 / 16.0).to_le_bytes()).collect();
    memory.write(address, &bytes).expect("the buffer is there");
    address
}

fn fma() -> Case {
    let mut memory = Global::new();
    let out = buffer(&mut memory, "out", 256);
    let arguments = Arguments::new().pointer(out).u32(2000);
    Case { kernel: kernel(FMA, "fma"), launch: Launch::linear(1, 256), arguments, memory }
}

fn gemm() -> Case {
    let mut memory = Global::new();
    let steps = 16;
    let [a, b] = ["a", "b"].map(|name| buffer(&mut memory, name, 64 * 16 * steps));
    let c = buffer(&mut memory, "c", 64 * 64);
    let arguments = Arguments::new().pointer(a).pointer(b).pointer(c).u32(steps as u32);
    Case { kernel: kernel(&gemm_text(), "gemm"), launch: Launch::linear(1, 256), arguments, memory }
}

/// The recurrent kernel of the gated delta rule in bf16, K = V = 64, one sequence of 64 tokens: what NVRTC made of it.
fn recurrent() -> Case {
    const TEXT: &str = include_str!("../tests/ptx/gated_deltanet_recurrent.ptx");
    let (tokens, heads, dim) = (64, 1, 64);
    let mut memory = Global::new();
    // Pairs of bf16 are as large as one f32, and any bits of small numbers will do.
    let vectors = ["q", "k", "v"].map(|name| buffer(&mut memory, name, tokens * heads * dim / 2));
    let scalars = ["g", "beta"].map(|name| buffer(&mut memory, name, tokens * heads));
    let [q, k, v] = vectors;
    let [g, beta] = scalars;
    let [o, s] = ["o", "s"].map(|name| buffer(&mut memory, name, heads * dim * dim));
    let mut arguments = Arguments::new().pointer(q).pointer(k).pointer(v).pointer(g).pointer(beta);
    arguments = arguments.pointer(0).pointer(o).pointer(s).pointer(0).u64(tokens as u64);
    for _ in 0..6 {
        arguments = arguments.u32(heads as u32);
    }
    let kernel = kernel(TEXT, "gated_deltanet_recurrent");
    Case { kernel, launch: Launch::linear(heads as u32, 64), arguments, memory }
}

/// A product of 128 x 128 x 256 in bf16 on tensor cores, with ldmatrix and cp.async: 64 x 64 x 32 at a time.
fn tensor() -> Case {
    const TEXT: &str = include_str!("../tests/kernels/gemm.ptx");
    let (m, n, k) = (128, 128, 256);
    let mut memory = Global::new();
    let a = buffer(&mut memory, "a", m * k / 2);
    let b = buffer(&mut memory, "b", k * n / 2);
    let c = buffer(&mut memory, "c", m * n);
    let arguments = Arguments::new().pointer(a).u32(2 * k as u32).pointer(b).u32(2 * n as u32).pointer(c);
    let arguments = arguments.u32(m as u32).u32(n as u32).u32(k as u32);
    let launch = Launch { grid: [2, 2, 1], block: [128, 1, 1], dynamic_shared: 0 };
    Case { kernel: kernel(TEXT, "gemm_bf16"), launch, arguments, memory }
}

fn speed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("speed");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    for (name, mut case) in
        [("fma", fma()), ("gemm", gemm()), ("recurrent", recurrent()), ("tensor", tensor())]
    {
        let instructions = case.run();
        group.throughput(Throughput::Elements(instructions));
        group.bench_function(name, |bencher| bencher.iter(|| case.run()));
    }
    group.finish();
}

criterion_group!(benches, speed);
criterion_main!(benches);
