//! Decoding, instruction by instruction: a line of PTX in, an operation or a refusal out.
//!
//! | module | |
//! |---|---|
//! | `forms` | thousands of forms that `ptxas` takes or refuses, and where the simulator differs from it |
//! | `operations` | for each family of opcodes, what its instructions become |
//! | `refusals` | what is said of instructions that are refused |
//! | `kernels` | places of variables, calls replaced by what they call, branches |
//! | `fixtures` | whole modules that compilers wrote, and the forms that all kernels of the catalogue consist of |

mod fixtures;
mod forms;
mod kernels;
mod operations;
mod refusals;

use chunkwise_sim::decode::{self, Kernel};
use chunkwise_sim::syntax;

/// Everything that the tests' instructions name. `%c` have 8 bits, `%h` 16, `%r` 32, `%rd` 64, `%q` 128.
const HEAD: &str = "
.version 9.0
.target sm_80
.address_size 64
.global .align 16 .b8 glob[256];
.const .align 16 .b8 cst[256];
.extern .shared .align 16 .b8 dyn[];
.visible .entry k(.param .u64 arg, .param .align 16 .b8 big[32])
{
.reg .pred %p<8>;
.reg .b8 %c<8>;
.reg .b16 %h<12>;
.reg .f16 %hf<8>;
.reg .f16x2 %hh<8>;
.reg .b32 %r<20>;
.reg .u32 %u<8>;
.reg .s32 %s<8>;
.reg .f32 %f<20>;
.reg .b64 %rd<20>;
.reg .f64 %fd<20>;
.reg .b128 %q<4>;
.shared .align 16 .b8 buf[1024];
.local .align 16 .b8 loc[64];
";

/// A kernel with this body, as a module.
fn module(body: &str) -> String {
    format!("{HEAD}{body}\nL1: L2: L3: ret;\nL4: .branchtargets L1, L2;\n}}\n")
}

/// The kernel of a text, or all that is said against it.
fn kernel(text: &str, name: &str) -> Result<Kernel, String> {
    let module = syntax::parse(text).map_err(|error| error.to_string())?;
    decode::kernel(&module, name).map_err(|error| error.to_string())
}

/// The operations of one instruction, or what is said against it.
fn operations(line: &str) -> Result<Vec<String>, String> {
    let module = syntax::parse(&module(line)).map_err(|error| error.to_string())?;
    let kernel = decode::kernel(&module, "k").map_err(|error| error.what)?;
    let code = &kernel.code[..kernel.code.len() - 1];
    Ok(code.iter().map(|i| format!("{:?}", i.op)).collect())
}
