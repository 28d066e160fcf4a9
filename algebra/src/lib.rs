//! Evaluators, adjoint and chunkwise form of Chunkwise timelines. Knows no GPU.

pub mod data;

pub use data::{Cotangents, Gradients, Inputs, Outputs, Plan, Real, Rows};
