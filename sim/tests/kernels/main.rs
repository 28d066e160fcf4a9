//! Kernels that run whole, against the CPU: written here in CUDA and compiled by NVRTC (`*.cu`, `*.ptx`, made by
//! `compile.py`), or written in Triton (`../triton`); and the same kernels with one thing broken (`../mutations`).
//!
//! All checks are on. Inputs are random; `CHUNKWISE_SEED` (default 1) moves them, and a failure prints it.

mod cases;
mod counts;
mod harness;
#[path = "../mutations/mod.rs"]
mod mutations;
mod random;
mod runs;
#[path = "../triton/mod.rs"]
mod triton;
