//! Evaluators, adjoint and chunkwise form of Chunkwise timelines. Knows no GPU.

pub mod adjoint;
pub mod data;
pub mod eval;
pub mod token;
mod vjp;

pub use data::{Cotangents, Gradients, Inputs, Outputs, Plan, Real, Rows};
