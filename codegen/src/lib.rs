//! CUDA kernels from Chunkwise timelines.

pub mod arch;
pub mod dtype;
