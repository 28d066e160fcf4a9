//! Instructions with all their modifiers understood.
//!
//! ```text
//! ld.global.nc.L1::no_allocate.v2.f32 {%f1, %f2}, [%rd4+8];
//!     -> Load { order: Weak, constant: true, bytes: 4, dst: [Reg32, Reg32], address: { Global, Reg64, 8 } }
//! ld.global.nc.fast.f32 %f1, [%rd4];
//!     -> line 12: ld.global.nc.fast.f32 ..: `.fast` is no modifier of ld
//! ```

pub mod kernel;
pub mod op;

pub use kernel::{Banks, Instruction, Kernel, Parameter};

/// An instruction that the simulator does not understand.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {text}\n  {what}")]
pub struct Error {
    /// Line of the PTX text, from 1.
    pub line: u32,
    /// The instruction.
    pub text: String,
    /// What is wrong or not supported, and what would be.
    pub what: String,
}
