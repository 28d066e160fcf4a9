//! Proving and timing kernels on a real GPU.
//!
//! | module | |
//! |---|---|
//! | [`micro`] | one instruction a kernel, simulator against GPU, bit by bit |

pub mod micro;
