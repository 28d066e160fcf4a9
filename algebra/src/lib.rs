//! Evaluators, adjoint and chunkwise form of Chunkwise timelines. Knows no GPU.

pub mod adjoint;
pub mod bounds;
mod chunk;
pub mod data;
pub mod eval;
mod evaluator;
pub mod events;
pub mod explain;
pub mod program;
pub mod segment;
pub mod token;
mod vjp;

pub use data::{Cotangents, Gradients, Inputs, Outputs, Plan, Real, Rows};
pub use evaluator::{Evaluator, Unsupported};
