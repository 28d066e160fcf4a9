//! Devices, tensors, NVRTC and the kernel cache of Chunkwise.
//!
//! ```text
//! Rule -- RuleExt::on(&Device) --> Executable -- forward(Bindings) --> Tensors
//! ```
//!
//! [`Tensor`]s live on the host; a [`View`] is a part of one. A [`Device`] runs a rule: the CPU through the evaluators
//! of `algebra`, a GPU through kernels of `codegen` that are compiled at run time. Who serves models prepares a launch
//! once and repeats it on tensors of the device's (`Executable::prepare`). Every failure is an [`Error`] of one of five
//! kinds; nothing a user passes in panics.

mod bind;
pub mod cache;
#[cfg(feature = "sim")]
pub mod counters;
mod cpu;
mod device;
mod error;
mod executable;
#[cfg(any(feature = "cuda", feature = "sim"))]
mod gpu;
pub mod install;
pub mod io;
pub mod jit;
mod layout;
pub mod nvrtc;
mod options;
mod precision;
#[cfg(any(feature = "cuda", feature = "sim"))]
mod prepared;
mod tensor;
mod validate;
mod view;

pub use bind::{Bind, Bindings, Tensors};
pub use device::{Device, RuleExt};
pub use error::{Error, Message, Messages, Result};
pub use executable::Executable;
#[cfg(any(feature = "cuda", feature = "sim"))]
pub use gpu::null::Requests;
pub use options::{Cold, Options, PlanChoice, Precision};
#[cfg(any(feature = "cuda", feature = "sim"))]
pub use prepared::{Prepared, Queue, Slot};
pub use tensor::{Data, Element, Tensor};
pub use view::View;
