//! Devices, tensors, NVRTC and the kernel cache of Chunkwise.
