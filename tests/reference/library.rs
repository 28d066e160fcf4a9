//! The library under test, behind one small door: a rule's text in, arrays of `f64` in, arrays of `f64` out.
//!
//! Only the public interface is used: `parse_file`, `RuleExt::on`, `Executable::forward` and `backward`.

use crate::problem::{Array, Arrays};
use chunkwise_dsl::rule::Rule;
use chunkwise_runtime::{Device, Element, Executable, Options, PlanChoice, RuleExt, Tensor, Tensors};
use std::fmt;

/// A plan with its chunk length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Plan {
    Recurrent,
    Chunkwise(usize),
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plan::Recurrent => f.write_str("recurrent"),
            Plan::Chunkwise(chunk) => write!(f, "chunk {chunk}"),
        }
    }
}

/// The rule called `name` in a file's text, or every message about the text.
pub(crate) fn parse(text: &str, name: &str) -> Result<Rule, String> {
    let rules = chunkwise_dsl::parse_file(text).map_err(|report| {
        let lines = report.diagnostics.iter().map(|d| {
            let place = text.get(d.range.clone()).unwrap_or("?");
            format!("{:?} at `{place}`: {}\n  help: {}", d.kind, d.message, d.hint)
        });
        lines.collect::<Vec<_>>().join("\n")
    })?;
    let found = rules.into_iter().find(|r| r.signature.name == name);
    found.ok_or_else(|| format!("the file holds no rule `{name}`"))
}

/// A rule on the CPU with a plan and an element type.
pub(crate) struct Subject {
    executable: Executable,
    element: Element,
    /// Names of the tensors that only a backward pass takes.
    cotangents: Vec<String>,
}

impl Subject {
    /// Prepares a rule.
    pub(crate) fn new(rule: &Rule, plan: Plan, element: Element) -> Result<Subject, String> {
        let (plan, chunk) = match plan {
            Plan::Recurrent => (PlanChoice::Recurrent, 64),
            Plan::Chunkwise(chunk) => (PlanChoice::Chunkwise, chunk),
        };
        let executable = rule.on(&Device::cpu()).map_err(|e| e.to_string())?;
        let executable =
            executable.with_options(Options { plan, chunk, dtype: Some(element), ..Options::default() });
        let outputs = rule.signature.outputs.iter().map(|o| &o.name);
        let states = rule.signature.states.iter().map(|s| &s.name);
        let cotangents = outputs.chain(states).map(|name| format!("d{name}")).collect();
        Ok(Subject { executable, element, cotangents })
    }

    /// Outputs and final states; cotangents among the inputs are left out.
    pub(crate) fn forward(&self, inputs: &Arrays) -> Result<Arrays, String> {
        let wanted = |name: &str| !self.cotangents.iter().any(|c| c == name);
        let inputs: Tensors = self.tensors(inputs).filter(|(name, _)| wanted(name)).collect();
        self.executable.forward(&inputs).map(arrays).map_err(|e| e.to_string())
    }

    /// Outputs, final states and gradients.
    pub(crate) fn backward(&self, inputs: &Arrays) -> Result<Arrays, String> {
        let inputs: Tensors = self.tensors(inputs).collect();
        self.executable.backward(&inputs).map(arrays).map_err(|e| e.to_string())
    }

    fn tensors<'a>(&'a self, inputs: &'a Arrays) -> impl Iterator<Item = (&'a str, Tensor)> + 'a {
        inputs.iter().map(|(name, array)| (name.as_str(), tensor(name, array, self.element)))
    }
}

pub(crate) fn tensor(name: &str, array: &Array, element: Element) -> Tensor {
    let shape = array.shape.clone();
    let built = match (name, element) {
        // Both integer types are allowed; the number of sequences decides.
        ("cu_seqlens", _) if shape[0].is_multiple_of(2) => {
            Tensor::new(shape, array.data.iter().map(|&x| x as i32).collect::<Vec<i32>>())
        }
        ("cu_seqlens", _) => Tensor::new(shape, array.data.iter().map(|&x| x as i64).collect::<Vec<i64>>()),
        (_, Element::F32) => Tensor::new(shape, array.data.iter().map(|&x| x as f32).collect::<Vec<f32>>()),
        _ => Tensor::new(shape, array.data.clone()),
    };
    built.expect("an array's shape fits its data")
}

pub(crate) fn arrays(tensors: Tensors) -> Arrays {
    let one = |(name, tensor): (String, Tensor)| {
        (name, Array { shape: tensor.shape().to_vec(), data: tensor.to_f64().into_owned() })
    };
    tensors.into_iter().map(one).collect()
}
