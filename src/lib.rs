//! Chunkwise.

extern crate self as chunkwise;

pub mod catalogue;
#[path = "rules/mod.rs"]
mod papers;

pub use catalogue::catalogue;
pub use chunkwise_dsl::rule::Rule;
pub use chunkwise_macros::rule;
pub use chunkwise_runtime::{
    Bind, Bindings, Data, Device, Element, Error, Executable, Options, PlanChoice, Result, RuleExt, Tensor,
    Tensors, io,
};

pub use papers::all as rules;

/// Everything a program that declares and runs rules needs: `use chunkwise::prelude::*;`.
pub mod prelude {
    pub use crate::{Bind, Bindings, Device, Options, PlanChoice, Rule, RuleExt, Tensor, Tensors, rule};
}

/// What the code that `#[rule]` makes refers to; no part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use chunkwise_dsl::front::embedded;
}
