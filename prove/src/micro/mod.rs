//! Micro-kernels: one instruction each, run by the simulator and by a GPU on the same words, and compared bit by bit.
//!
//! ```text
//! Form { name: "fma.rn.ftz.f32", reads: 3, writes: 1, body: "fma.rn.ftz.f32 %f0, %a0, ..", draw: .., agree: Bits }
//!     ->  a kernel of BLOCKS blocks of one warp; each lane reads 3 words, runs the body, writes 1 word
//! ```
//!
//! | file | forms |
//! |---|---|
//! | `scalar` | arithmetic with every rounding mode, integers and bits, approximations |
//! | `convert` | conversions, by type, rounding and saturation |
//! | `warp` | shuffles, votes, matches, reductions |
//! | `matrix` | every `mma.sync` shape and type, `ldmatrix`, `movmatrix` |
//! | `memory` | `cp.async` of every size with zero fill, vectors, shared atomics |
//!
//! The ISA fixes the bits of most instructions; those of approximations and of tensor cores' sums it only bounds, and how
//! far the two are apart is part of the result.

mod convert;
pub mod draw;
mod matrix;
mod memory;
pub mod run;
mod scalar;
mod warp;

use draw::Draw;

/// Blocks of a micro-kernel, each of one warp.
pub const BLOCKS: u32 = 128;

/// How far the simulator may be from a GPU.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Agree {
    /// Not at all. (Any NaN is as good as any other of its type where `nan` has the width of the type in bits.)
    Bits {
        /// 0 for words without NaNs, 16 for pairs of halves, 32 for f32, 64 for f64 in two words.
        nan: u32,
    },
    /// f32 results by so many units in the last place, or by `absolute`.
    Ulps {
        /// Units in the last place.
        ulps: u32,
        /// An absolute difference that is allowed too.
        absolute: f32,
    },
    /// Pairs of halves by so many units in the last place.
    HalfUlps {
        /// Units in the last place.
        ulps: u32,
        /// bf16, not f16.
        brain: bool,
    },
    /// Sums of products of f32: by this part of the sum of magnitudes, which is at most `scale`.
    Sum {
        /// Allowed difference.
        absolute: f32,
        /// Two halves a word, not an f32.
        halves: bool,
    },
}

/// One micro-kernel.
#[derive(Clone, Debug)]
pub struct Form {
    /// What it is called in reports: the instruction.
    pub name: String,
    /// Words a lane reads, as `%a0` ..
    pub reads: u32,
    /// Words a lane writes, from `%d0` ..
    pub writes: u32,
    /// PTX between the loads and the stores.
    pub body: String,
    /// What the words are drawn from, one for each word read.
    pub draw: Vec<Draw>,
    /// How results are compared.
    pub agree: Agree,
}

impl Form {
    /// The kernel, as PTX for sm_80. It is called `micro` and takes the address of the words read and that of the
    /// words written.
    pub fn ptx(&self) -> String {
        let (n, m) = (self.reads, self.writes);
        let mut text = String::from(".version 7.8\n.target sm_80\n.address_size 64\n\n");
        text.push_str(".visible .entry micro(.param .u64 from, .param .u64 to)\n{\n");
        text.push_str(".reg .b64 %from, %to, %offset;\n.reg .b32 %index, %lane, %block;\n");
        text.push_str(&format!(".reg .b32 %a<{}>, %d<{}>, %r<16>;\n", n.max(1), m.max(1)));
        text.push_str(
            ".reg .f32 %f<16>;\n.reg .b64 %q<16>;\n.reg .f64 %x<8>;\n.reg .b16 %h<16>;\n.reg .pred %p<8>;\n",
        );
        text.push_str(".shared .align 16 .b8 tile[4096];\n");
        text.push_str("ld.param.u64 %from, [from];\nld.param.u64 %to, [to];\n");
        text.push_str(
            "mov.u32 %lane, %tid.x;\nmov.u32 %block, %ctaid.x;\nmad.lo.u32 %index, %block, 32, %lane;\n",
        );
        text.push_str(&format!("mul.wide.u32 %offset, %index, {};\nadd.u64 %from, %from, %offset;\n", 4 * n));
        for i in 0..n {
            text.push_str(&format!("ld.global.b32 %a{i}, [%from+{}];\n", 4 * i));
        }
        text.push_str(&self.body);
        text.push_str(&format!("\nmul.wide.u32 %offset, %index, {};\nadd.u64 %to, %to, %offset;\n", 4 * m));
        for i in 0..m {
            text.push_str(&format!("st.global.b32 [%to+{}], %d{i};\n", 4 * i));
        }
        text.push_str("ret;\n}\n");
        text
    }
}

/// Every form, by group.
pub fn all() -> Vec<(&'static str, Vec<Form>)> {
    vec![
        ("arithmetic", scalar::forms()),
        ("conversions", convert::forms()),
        ("warp", warp::forms()),
        ("matrices", matrix::forms()),
        ("memory", memory::forms()),
    ]
}

/// `n` copies of one way to draw.
fn each(draw: Draw, n: usize) -> Vec<Draw> {
    vec![draw; n]
}
