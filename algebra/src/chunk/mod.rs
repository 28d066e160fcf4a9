//! Chunkwise evaluation of a timeline, forward and backward: the algorithm that kernels implement, on the CPU.
//!
//! A chunk touches the `K x V` state twice, with matmuls; inside it only keys and values move ([`carry`], [`forward`]). The
//! backward pass runs the dual timeline through the same code in reversed order and adds what is bilinear in both passes
//! ([`backward`]).

mod backward;
mod carry;
mod forward;
mod program;
mod sequence;

pub(crate) use program::Program;
pub(crate) use sequence::Chunkwise;
