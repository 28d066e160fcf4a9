//! A kernel that somebody changed by hand, in place of a generated one.
//!
//! ```text
//! chunkwise emit RULE > mine.cu    ... edit ...    chunkwise run RULE --kernel mine.cu
//! ```

use crate::error::{Error, Result};
use chunkwise_codegen::{Kernel, Schedule};
use std::path::Path;

/// A kernel that somebody changed by hand.
#[derive(Debug)]
pub(super) struct Edited {
    /// The file's name, for messages.
    pub(super) file: String,
    pub(super) text: String,
}

impl Edited {
    /// What messages call the kernel, where it is this one: its file's name.
    pub(super) fn name_of(&self, kernel: &Kernel) -> Option<String> {
        let stem = || Path::new(&self.file).file_stem().map(|stem| stem.to_string_lossy().into());
        if kernel.source == self.text { stem() } else { None }
    }

    /// Takes the place of the kernel of its name, or of the one that there is.
    pub(super) fn replace(&self, schedule: &mut Schedule) -> Result<()> {
        let named = |kernel: &Kernel| parameters(&self.text, &kernel.name).is_some();
        let at = schedule.kernels.iter().position(named).unwrap_or(0);
        let Some(kernel) = schedule.kernels.get_mut(at) else { return Ok(()) };
        self.check(kernel)?;
        kernel.source = self.text.clone();
        Ok(())
    }

    /// What has to be as it was generated, since arguments are passed by it: the name and the parameters.
    fn check(&self, kernel: &Kernel) -> Result<()> {
        let wanted = parameters(&kernel.source, &kernel.name);
        let what = match parameters(&self.text, &kernel.name) {
            Some(given) if Some(&given) == wanted.as_ref() => return Ok(()),
            Some(_) => format!("{} has other parameters than the kernel generated here", self.file),
            None => format!("{} has no kernel `{}`", self.file, kernel.name),
        };
        let help = "begin from what `chunkwise emit` prints for this rule, these sizes and this type, and keep the \
                    kernel's name and parameters";
        Err(Error::mistake(what, help))
    }
}

/// The words of a kernel's parameters, without comments; `None` where the text has no such kernel.
fn parameters(text: &str, kernel: &str) -> Option<Vec<String>> {
    let bare: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or(line)).collect();
    let bare = bare.join("\n");
    let (_, after) = bare.split_once(&format!("{kernel}("))?;
    let (inside, _) = after.split_once(')')?;
    Some(inside.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_compared_without_comments_and_spaces() {
        let generated = "__global__ void f(\n    const f32 *q, // q [B, T]\n    unsigned heads)\n{ g(1); }";
        let edited = "void f(const f32 *q,  unsigned heads) { h(2); }";
        assert!(parameters(generated, "f").is_some());
        assert_eq!(parameters(generated, "f"), parameters(edited, "f"));
        assert_ne!(parameters(generated, "f"), parameters("f(const bf16 *q, unsigned heads)", "f"));
        assert_eq!(parameters(generated, "other"), None);
    }
}
