//! `chunkwise explain`: what was derived from a rule, as text from `algebra`.

use crate::args::Explain;
use crate::failure::Outcome;
use crate::output::Output;
use crate::{dims, source};
use chunkwise_algebra::explain::{self, Setting};

/// Runs the command.
///
/// # Errors
/// Mistakes in the rule or its dims.
pub fn explain(arguments: &Explain, output: &mut Output) -> Outcome {
    let found = source::find(&arguments.rule)?;
    let rule = found.rule();
    let sizes = dims::sizes(&rule.signature, &arguments.dims, |_| 128)?;
    let (element, element_bytes) = (arguments.dtype.to_string(), arguments.dtype.size());
    let setting = Setting { sizes, chunk: arguments.chunk, element, element_bytes };
    output.text(explain::explain(rule, &setting))
}
