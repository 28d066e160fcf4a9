//! The recurrent kernel of every rule in the catalogue: the whole text as a golden file, and the real compiler on it for
//! three generations of GPUs. No kernel may spill or use a stack. `INSTA_UPDATE=always cargo test --test kernels` renews
//! the texts.

use chunkwise::{Rule, catalogue};
use chunkwise_codegen::recurrent::{Spec, emit};
use chunkwise_codegen::{Arch, DType, Kernel, Limitation};
use chunkwise_dsl::class::{Feedback, classify};
use chunkwise_dsl::timeline::Timeline;
use chunkwise_runtime::nvrtc::Nvrtc;
use rayon::prelude::*;

const ARCHS: [Arch; 3] = [Arch::Sm80, Arch::Sm90, Arch::Sm120];

fn rules() -> Vec<&'static Rule> {
    let rules: Vec<_> = catalogue().iter().filter_map(|entry| entry.rule.map(|rule| rule())).collect();
    assert!(rules.len() >= 30, "only {} rules", rules.len());
    rules
}

fn timeline(rule: &Rule) -> &Timeline {
    rule.timeline.as_ref().unwrap_or_else(|why| panic!("{}: {why}", rule.signature.name))
}

/// The kernel with every dim of one size.
fn kernel(rule: &Rule, size: usize, dtype: DType) -> Result<Kernel, Limitation> {
    emit(timeline(rule), &Spec::new(vec![size; rule.signature.dims.len()], dtype))
}

/// What is wrong with the compiled text, if anything.
fn complaint(nvrtc: &Nvrtc, name: &str, text: &str, arch: Arch) -> Option<String> {
    let binary = match nvrtc.compile(text, name, arch, &[]) {
        Ok(binary) => binary,
        Err(error) => return Some(format!("{name} for {arch}: {error}")),
    };
    let wasted = |used: &&chunkwise_runtime::nvrtc::KernelResources| {
        used.spill_store_bytes + used.spill_load_bytes + used.stack_bytes > 0
    };
    if binary.resources.is_empty() {
        return Some(format!("{name} for {arch}: the compiler's log names no kernel"));
    }
    binary.resources.iter().find(wasted).map(|used| format!("{name} for {arch} spills: {used:?}"))
}

/// Compiles all and panics with every complaint.
fn compile(jobs: Vec<(String, String, Arch)>) {
    let nvrtc = Nvrtc::find().unwrap_or_else(|error| panic!("{error}"));
    let found: Vec<String> =
        jobs.par_iter().filter_map(|(name, text, arch)| complaint(&nvrtc, name, text, *arch)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn texts_of_the_catalogue() {
    for rule in rules() {
        let name = &rule.signature.name;
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name.as_str(), kernel(rule, 128, DType::BF16).unwrap().source);
        });
    }
}

/// The files themselves, so that what is compiled is what a person reads.
#[test]
fn the_golden_files_compile_without_spills() {
    let read = |rule: &Rule| {
        let name = rule.signature.name.clone();
        let path = format!("{}/tests/kernels/snapshots/{name}.snap", env!("CARGO_MANIFEST_DIR"));
        let file = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        // Three dashes open and close the test's own lines.
        let text = file.splitn(3, "---\n").nth(2).unwrap_or_else(|| panic!("{path} has no text"));
        (name, text.to_owned())
    };
    let of = |(name, text): (String, String)| ARCHS.map(|arch| (name.clone(), text.clone(), arch));
    compile(rules().into_iter().map(read).flat_map(of).collect());
}

/// The largest size that a kernel takes, with the widest elements. Where rows of the state mix, one block must hold the
/// whole state, and 256 x 256 numbers are all registers that it has: that is said, and nothing else is.
#[test]
fn the_largest_kernels_compile_without_spills() {
    let mut jobs = Vec::new();
    for rule in rules() {
        let name = &rule.signature.name;
        let is_whole = classify(timeline(rule)).feedback == Feedback::RowMixing;
        match kernel(rule, 256, DType::F32) {
            Ok(kernel) if !is_whole => jobs.push((format!("{name}_256"), kernel.source, Arch::Sm90)),
            Err(Limitation::WholeState { .. }) if is_whole => {}
            other => panic!("{name}: {other:?}"),
        }
    }
    compile(jobs);
}
