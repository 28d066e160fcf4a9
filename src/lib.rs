//! Chunkwise is a compiler for recurrences with a matrix memory. You declare, in a few lines, how the memory changes at one
//! token; Chunkwise derives the chunkwise-parallel algorithm, its gradient and its kernels from that declaration alone.
//!
//! ```
//! use chunkwise::prelude::*;
//!
//! /// The delta rule: what the key reads back is replaced by the value.
//! #[rule]
//! fn delta(mut s: State<K, V>, q: Vector<K>, k: Vector<K>, v: Vector<V>, beta: Scalar) -> Vector<V> {
//!     let k = l2norm(k);
//!     s += outer(beta * k, v - s.read(k));
//!     s.read(q)
//! }
//!
//! # fn main() -> chunkwise::Result<()> {
//! // One sequence of 3 tokens, one head, K = V = 2; layouts are [B, T, H, D] and [B, T, H].
//! let key = Tensor::new([1, 3, 1, 2], vec![1f32, 0., 0., 1., 1., 0.])?;
//! let value = Tensor::new([1, 3, 1, 2], vec![1f32, 2., 3., 4., 5., 6.])?;
//! let beta = Tensor::new([1, 3, 1], vec![1f32; 3])?;
//!
//! let out = delta().on(&Device::cpu())?.forward(delta::Inputs { q: &key, k: &key, v: &value, beta: &beta })?;
//! let o = out.get("o").unwrap().to_f32();
//! // Asked for the key it was just given, the memory answers with the value, also where the key is overwritten.
//! assert!(o.iter().zip([1., 2., 3., 4., 5., 6.]).all(|(o, v)| (o - v).abs() < 1e-4));
//! # Ok(())
//! # }
//! ```
//!
//! # Where to read on
//!
//! - The language: [`macro@rule`]. Layouts of tensors: [`chunkwise_dsl::signature`].
//! - Running a rule: [`RuleExt::on`], [`Executable`], [`Options`]; tensors: [`Tensor`], [`Bindings`], files: [`io`].
//! - Parts of tensors, without copies: [`View`]. Serving a model, on a GPU's own tensors: [`Executable::prepare`].
//! - What is derived: the timeline ([`chunkwise_dsl::timeline`]), its class ([`chunkwise_dsl::class`]), its dual
//!   ([`chunkwise_algebra::adjoint`]), the equations of a rule ([`chunkwise_algebra::explain`]).
//! - Kernels: [`chunkwise_codegen`]; compiling and keeping them: [`chunkwise_runtime::jit`]; running them without a GPU, and
//!   counting what they do: [`Device::sim`], [`chunkwise_runtime::counters`].
//! - Rules of the literature: [`catalogue()`].

extern crate self as chunkwise;

pub mod catalogue;
#[path = "rules/mod.rs"]
mod papers;

pub use catalogue::catalogue;
pub use chunkwise_codegen::Arch;
pub use chunkwise_dsl::rule::Rule;
pub use chunkwise_macros::rule;
pub use chunkwise_runtime::{
    Bind, Bindings, Cold, Data, Device, Element, Error, Executable, Options, PlanChoice, Precision, Prepared,
    Queue, Requests, Result, RuleExt, Slot, Tensor, Tensors, View, io,
};

pub use papers::all as rules;

/// Everything a program that declares and runs rules needs: `use chunkwise::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Bind, Bindings, Device, Options, PlanChoice, Precision, Rule, RuleExt, Tensor, Tensors, View, rule,
    };
}

/// What the code that `#[rule]` makes refers to; no part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use chunkwise_dsl::front::embedded;
}
