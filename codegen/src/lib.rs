//! CUDA kernels from Chunkwise timelines.
