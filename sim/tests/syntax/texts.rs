//! Texts to parse: real ones from compilers, and small ones around the lines under test.

use chunkwise_sim::syntax::ast::{Function, Module};
use chunkwise_sim::syntax::parse;
use std::path::Path;

/// What stands before a function.
pub(crate) const HEADER: &str = ".version 9.0\n.target sm_90a\n.address_size 64\n";

/// Every PTX file under the tests, by NVRTC, by Triton and by hand, sorted by name.
pub(crate) fn real() -> Vec<(String, String)> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut texts = Vec::new();
    for folder in ["ptx", "kernels", "triton"] {
        let Ok(entries) = std::fs::read_dir(tests.join(folder)) else { continue };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            if path.extension().is_some_and(|extension| extension == "ptx") {
                let text = std::fs::read_to_string(&path).expect("a readable file");
                texts.push((format!("{folder}/{}", path.file_name().unwrap().display()), text));
            }
        }
    }
    texts.sort();
    assert!(texts.len() >= 4, "the fixtures are missing");
    texts
}

/// One real text.
pub(crate) fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ptx").join(name);
    std::fs::read_to_string(&path).expect("a readable file")
}

/// A module with one kernel of a body.
pub(crate) fn around(body: &str) -> String {
    format!("{HEADER}.visible .entry f(.param .u64 p)\n{{\n{body}\n}}\n")
}

/// The kernel of a body.
pub(crate) fn kernel(body: &str) -> Function {
    module(&around(body)).functions.remove(0)
}

/// The module of a text that parses.
pub(crate) fn module(text: &str) -> Module {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A module without line numbers, which printing changes.
pub(crate) fn without_lines(mut module: Module) -> Module {
    module.variables.iter_mut().for_each(|variable| variable.line = 0);
    for function in &mut module.functions {
        function.line = 0;
        function.variables.iter_mut().for_each(|variable| variable.line = 0);
        function.body.iter_mut().for_each(|instruction| instruction.line = 0);
    }
    module
}
