//! Proving kernels in the simulator and on a real GPU, and timing them there.
//!
//! | module | |
//! |---|---|
//! | [`kernels`] | generated kernels against the token loop in f64 |
//! | [`micro`] | one instruction a kernel, simulator against GPU, bit by bit |
//! | [`time`] | times on a GPU, and bytes |
//! | [`results`] | files |
//! | [`gpu`] | micro-kernels through the driver |

pub mod gpu;
pub mod kernels;
pub mod micro;
pub mod results;
pub mod time;
