//! A simulator of NVIDIA's PTX that is stricter than a GPU.
//!
//! It runs the text that a compiler emitted, warps of 32 lanes with reconvergence, blocks in parallel, on the CPU. What a
//! GPU lets pass in silence is an error here: an access out of bounds, a read of memory that nobody wrote, two accesses to
//! one address that no barrier orders, data of a `cp.async` used before its wait, a collective that part of a warp misses.
//! It knows PTX and nothing else; an opcode or modifier that it does not know is an error that names the line.
//!
//! ```text
//! text --syntax--> Module --verify--> --decode--> Kernel (typed operations, control-flow graph) --machine--> Report
//!                                                     memory: global, shared, local; clocks; shadows
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
