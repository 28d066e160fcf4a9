//! Tests of generated kernels that need no CUDA: their text, their structure, and what they compute, run on the CPU.
//! (The tests with the real compiler are `runtime/tests/kernels.rs`.)

mod host;
mod limits;
mod numerics;
mod problem;
mod snapshots;

use chunkwise_codegen::recurrent::{Spec, emit};
use chunkwise_codegen::{DType, Kernel, Limitation};
use chunkwise_dsl::rule::Rule;

/// Rules of `tests/rules/catalogue.rs`, in order.
pub(crate) fn catalogue() -> Vec<Rule> {
    rules(include_str!("../rules/catalogue.rs"))
}

/// Rules of a text that has no mistakes.
pub(crate) fn rules(text: &str) -> Vec<Rule> {
    chunkwise_dsl::parse_file(text).unwrap_or_else(|report| panic!("{report:?}"))
}

/// A rule of the catalogue.
pub(crate) fn rule(name: &str) -> Rule {
    catalogue().into_iter().find(|rule| rule.signature.name == name).unwrap()
}

/// A rule's kernel, where dims named `V` have the size `v` and all others `k`.
pub(crate) fn try_kernel(rule: &Rule, k: usize, v: usize, dtype: DType) -> Result<Kernel, Limitation> {
    emit(rule.timeline.as_ref().unwrap(), &Spec::new(sizes(rule, k, v), dtype))
}

/// The same, of a rule that has one.
pub(crate) fn kernel(rule: &Rule, k: usize, v: usize, dtype: DType) -> Kernel {
    try_kernel(rule, k, v, dtype).unwrap_or_else(|why| panic!("{} at {k} x {v}: {why}", rule.signature.name))
}

/// Sizes by dim.
pub(crate) fn sizes(rule: &Rule, k: usize, v: usize) -> Vec<usize> {
    rule.signature.dims.iter().map(|dim| if dim == "V" { v } else { k }).collect()
}
