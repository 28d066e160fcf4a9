//! The CPU device: a thin driver over the evaluators of `algebra`.

use crate::bind::{Bindings, Tensors};
use crate::device::Options;
use crate::error::{Error, Result};
use chunkwise_dsl::rule::Rule;
use std::sync::Arc;

/// A rule on the CPU.
#[derive(Clone, Debug)]
pub(crate) struct Cpu {
    rule: Arc<Rule>,
}

impl Cpu {
    pub(crate) fn new(rule: &Rule) -> Cpu {
        Cpu { rule: Arc::new(rule.clone()) }
    }

    pub(crate) fn forward(&self, _: &Bindings<'_>, _: &Options) -> Result<Tensors> {
        Err(Error::limitation(format!("`{}` cannot run yet", self.rule.signature.name), ""))
    }

    pub(crate) fn backward(&self, bindings: &Bindings<'_>, options: &Options) -> Result<Tensors> {
        self.forward(bindings, options)
    }
}
