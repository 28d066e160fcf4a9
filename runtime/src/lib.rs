//! Devices, tensors, NVRTC and the kernel cache of Chunkwise.
//!
//! ```text
//! Rule -- RuleExt::on(&Device) --> Executable -- forward(Bindings) --> Tensors
//! ```
//!
//! [`Tensor`]s live on the host. A [`Device`] runs a rule: the CPU through the evaluators of `algebra`, a GPU through
//! kernels of `codegen` that are compiled at run time. Every failure is an [`Error`] of one of five kinds; nothing a
//! user passes in panics.

mod bind;
pub mod cache;
#[cfg(feature = "sim")]
pub mod counters;
mod cpu;
mod device;
mod error;
#[cfg(any(feature = "cuda", feature = "sim"))]
mod gpu;
pub mod install;
pub mod io;
pub mod jit;
mod layout;
pub mod nvrtc;
mod precision;
mod tensor;
mod validate;

pub use bind::{Bind, Bindings, Tensors};
pub use device::{Device, Executable, Options, PlanChoice, Precision, RuleExt};
pub use error::{Error, Message, Messages, Result};
pub use tensor::{Data, Element, Tensor};
