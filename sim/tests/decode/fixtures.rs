//! What compilers really write.

use super::operations;
use chunkwise_sim::{decode, syntax};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The PTX files under the tests' folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "ptx") {
            found.push(path);
        }
    }
}

/// What the syntax's modules, which hold all that NVRTC can be made to write, have of what is not supported.
const LIMITS: [&str; 5] = [
    "`mbarrier` belongs to sm_90",
    "`vprintf` has no body",
    "the address of a function",
    "calls by a register",
    "calls itself",
];

/// Every kernel of every module under `sim/tests`: from NVRTC, from Triton.
#[test]
fn every_kernel_of_every_fixture() {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), &mut found);
    found.sort();
    let (mut kernels, mut instructions, mut wrong) = (0, 0, Vec::new());
    for path in &found {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let text = std::fs::read_to_string(path).expect("a file that was found");
        let module = syntax::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for function in module.functions.iter().filter(|f| f.is_entry) {
            match decode::kernel(&module, &function.name) {
                Ok(kernel) => (kernels, instructions) = (kernels + 1, instructions + kernel.code.len()),
                Err(e) if name.starts_with("forms") && LIMITS.iter().any(|part| e.what.contains(part)) => {}
                Err(e) => wrong.push(format!("{}: {e}", path.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(kernels >= 40 && instructions > 9000, "only {kernels} kernels, {instructions} instructions");
}

/// One instruction of each form (opcode, modifiers, kinds of operands) in the PTX of the whole catalogue: 28 rules of two
/// dims for bf16, f16, f32 on sm_80, sm_90 and sm_120. Names are those of `HEAD`.
#[test]
fn every_form_of_the_catalogue() {
    let mut by_opcode: BTreeMap<&str, usize> = BTreeMap::new();
    for line in include_str!("forms/catalogue.txt").lines().filter(|line| !line.is_empty()) {
        let opcode = line.trim_start_matches(|c: char| c != ' ').trim();
        let head = if line.starts_with('@') { opcode } else { line };
        *by_opcode.entry(head.split(['.', ' ', ';']).next().unwrap_or_default()).or_default() += 1;
        if let Err(what) = operations(line) {
            panic!("{line}\n    {what}");
        }
    }
    insta::assert_snapshot!(
        by_opcode.iter().map(|(opcode, forms)| format!("{opcode} {forms}")).collect::<Vec<_>>().join("\n")
    );
}
