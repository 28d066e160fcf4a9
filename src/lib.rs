//! Chunkwise.

extern crate self as chunkwise;

pub use chunkwise_dsl::rule::Rule;
pub use chunkwise_runtime::{
    Bind, Bindings, Data, Device, Element, Error, Executable, Options, PlanChoice, Result, RuleExt, Tensor,
    Tensors, io,
};

/// Everything a program that declares and runs rules needs: `use chunkwise::prelude::*;`.
pub mod prelude {
    pub use crate::{Bind, Bindings, Device, Options, PlanChoice, Rule, RuleExt, Tensor, Tensors};
}
