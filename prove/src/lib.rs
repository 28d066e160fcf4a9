//! Proving and timing kernels on a real GPU.
//!
//! | module | |
//! |---|---|
//! | [`micro`] | one instruction a kernel, simulator against GPU, bit by bit |
//! | [`gpu`] | micro-kernels through the driver |

pub mod gpu;
pub mod micro;
