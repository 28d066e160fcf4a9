//! Says of PTX files whether the simulator knows all that is in them.
//!
//! ```text
//! cargo run -p chunkwise-sim --example coverage -- kernel.ptx other.ptx
//! kernel.ptx: `gemm`, 412 instructions, 61 forms
//! other.ptx: line 310: ..
//! ```
//!
//! Ends with 1 if there is something that it does not know.

use chunkwise_sim::machine::{Error, Module};
use chunkwise_sim::syntax::ast::Instruction;
use std::collections::BTreeSet;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut unknown = 0;
    for path in std::env::args().skip(1) {
        let said = match std::fs::read_to_string(&path) {
            Ok(text) => describe(&text).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match said {
            Ok(lines) => lines.iter().for_each(|line| println!("{path}: {line}")),
            Err(error) => {
                println!("{path}: {error}");
                unknown += 1;
            }
        }
    }
    ExitCode::from(u8::from(unknown > 0))
}

/// A line for each kernel of a module.
fn describe(text: &str) -> Result<Vec<String>, Error> {
    let module = Module::parse(text)?;
    let mut lines = Vec::new();
    for name in module.kernels() {
        module.kernel(name)?;
        let body = module.tree().kernel(name).map_or(&[][..], |function| &function.body[..]);
        let forms: BTreeSet<String> = body.iter().map(form).collect();
        lines.push(format!("`{name}`, {} instructions, {} forms", body.len(), forms.len()));
    }
    Ok(lines)
}

/// The opcode with its modifiers.
fn form(instruction: &Instruction) -> String {
    let words = std::iter::once(&instruction.opcode).chain(&instruction.modifiers);
    words.map(String::as_str).collect::<Vec<_>>().join(".")
}
