//! A simulator of NVIDIA's PTX that is stricter than a GPU.
//!
//! It runs the text that a compiler emitted, warps of 32 lanes with reconvergence, blocks in parallel, on the CPU. What a
//! GPU lets pass in silence is an error here: an access out of bounds, a read of memory that nobody wrote, two accesses to
//! one address that no barrier orders, data of a `cp.async` used before its wait, a collective that part of a warp misses, a
//! register that nobody set.
//! It knows PTX and nothing else; an opcode or modifier that it does not know is an error that names the line.
//!
//! ```text
//! text --syntax--> Module --verify--> --decode--> Kernel (typed operations, control-flow graph) --machine--> Report
//!                                                     memory: global, shared, local; clocks; shadows
//! ```
//!
//! ```
//! use chunkwise_sim::{Arguments, Global, Launch, Module, Options};
//!
//! let ptx = "
//! .version 8.0
//! .target sm_80
//! .address_size 64
//! .visible .entry double(.param .u64 x)
//! {
//!     .reg .b32 %r<3>;
//!     .reg .b64 %rd<3>;
//!     .reg .f32 %f<3>;
//!     ld.param.u64 %rd1, [x];
//!     mov.u32 %r1, %tid.x;
//!     mad.wide.u32 %rd2, %r1, 4, %rd1;
//!     ld.global.f32 %f1, [%rd2];
//!     add.f32 %f2, %f1, %f1;
//!     st.global.f32 [%rd2], %f2;
//!     ret;
//! }";
//! let kernel = Module::parse(ptx)?.kernel("double")?;
//! let mut memory = Global::new();
//! let x = memory.alloc_named(128, 256, "x")?;
//! memory.write(x, &[1.5f32.to_le_bytes(); 32].concat())?;
//! let report = kernel.run(&Launch::linear(1, 32), &Arguments::new().pointer(x), &mut memory, &Options::default())?;
//! let mut first = [0; 4];
//! memory.read(x, &mut first)?;
//! assert_eq!(f32::from_le_bytes(first), 3.0);
//! assert_eq!(report.total.global_load_bytes, 128);
//!
//! // One thread too many: an access out of bounds, named with its instruction, block, warp and lane.
//! let wrong = kernel.run(&Launch::linear(1, 33), &Arguments::new().pointer(x), &mut memory, &Options::default());
//! assert!(wrong.unwrap_err().to_string().starts_with("access out of bounds on global memory in `double`"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | |
//! |---|---|
//! | [`syntax`] | PTX as text and as a tree: lexer, parser, printer, verifier |
//! | `decode` | instructions with all their modifiers understood |
//! | [`flow`] | basic blocks, and where lanes that part meet again |
//! | [`math`] | what one lane computes: integers, floats with rounding modes, conversions, tensor cores |
//! | `memory` | memories that know who wrote each byte, and when |
//! | [`machine`] | warps, blocks, grids |
//! | `count` | what was done: instructions, bytes, sectors, bank conflicts, tensor flops |
//! | `check` | what a kernel did wrong, and who else was there |
//!
//! What it cannot see: errors of `ptxas`, spills, time, the exact rounding inside tensor cores.

pub mod check;
pub mod count;
pub mod decode;
pub mod flow;
pub mod machine;
pub mod math;
pub mod memory;
pub mod syntax;

pub use machine::{Arguments, Error, Kernel, Launch, Module, Options};
pub use memory::Strictness;
pub use memory::global::Global;
