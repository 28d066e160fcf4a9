//! Evaluators, adjoint and chunkwise form of Chunkwise timelines. Knows no GPU.
