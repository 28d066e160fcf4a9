//! Devices, tensors, NVRTC and the kernel cache of Chunkwise.
//!
//! ```text
//! Rule -- RuleExt::on(&Device) --> Executable -- forward(Bindings) --> Tensors
//! ```
//!
//! [`Tensor`]s live on the host; a [`View`] is a part of one. A [`Device`] runs a rule: the CPU through the evaluators of `algebra`, a GPU through
//! kernels of `codegen` that are compiled at run time. Who serves models prepares a launch once and repeats it on tensors
//! of the device's (`Executable::prepare`). Every failure is an [`Error`] of one of five kinds; nothing a
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
#[cfg(any(feature = "cuda", feature = "sim"))]
mod prepared;
mod tensor;
mod validate;
mod view;

pub use bind::{Bind, Bindings, Tensors};
pub use device::{Device, Executable, Options, PlanChoice, Precision, RuleExt};
pub use error::{Error, Message, Messages, Result};
#[cfg(any(feature = "cuda", feature = "sim"))]
pub use gpu::null::Requests;
#[cfg(any(feature = "cuda", feature = "sim"))]
pub use prepared::{Prepared, Queue, Slot};
pub use tensor::{Data, Element, Tensor};
pub use view::View;
