//! The recurrent kernel of every rule in the catalogue: the whole text as a golden file, and the real compiler on it for
//! one of three generations of GPUs. No kernel may spill, nor use a stack unless its state lies in memory.
//! `INSTA_UPDATE=always cargo test --test kernels` renews the texts.

use chunkwise::{Rule, catalogue};
use chunkwise_codegen::recurrent::{Spec, emit};
use chunkwise_codegen::{Arch, DType, Kernel, Limitation};
use chunkwise_dsl::class::{Feedback, classify};
use chunkwise_dsl::timeline::Timeline;
use chunkwise_runtime::nvrtc::{KernelResources, Nvrtc};
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

/// One text for the compiler.
struct Job {
    name: String,
    text: String,
    arch: Arch,
    /// Whether the state lies in memory, by design: then there is a stack, and still nothing spills.
    memory: bool,
}

/// What is wrong with the compiled text, if anything.
fn complaint(nvrtc: &Nvrtc, job: &Job) -> Option<String> {
    let Job { name, text, arch, memory } = job;
    let binary = match nvrtc.compile(text, name, *arch, &[]) {
        Ok(binary) => binary,
        Err(error) => return Some(format!("{name} for {arch}: {error}")),
    };
    if binary.resources.is_empty() {
        return Some(format!("{name} for {arch}: the compiler's log names no kernel"));
    }
    let wrong = |used: &&KernelResources| {
        used.spill_store_bytes + used.spill_load_bytes > 0 || (used.stack_bytes > 0) != *memory
    };
    binary.resources.iter().find(wrong).map(|used| format!("{name} for {arch} spills: {used:?}"))
}

/// Compiles all and panics with every complaint.
fn compile(jobs: &[Job]) {
    let nvrtc = Nvrtc::find().unwrap_or_else(|error| panic!("{error}"));
    let found: Vec<String> = jobs.par_iter().filter_map(|job| complaint(&nvrtc, job)).collect();
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

/// A state that lies in memory: its loops over rows, and what the header says.
#[test]
fn text_of_a_state_in_memory() {
    let rule = rules().into_iter().find(|rule| rule.signature.name == "ttt_linear_online").unwrap();
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("ttt_linear_online_256", kernel(rule, 256, DType::BF16).unwrap().source);
    });
}

/// The files themselves, so that what is compiled is what a person reads. Generations take turns.
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
    let of = |((name, text), arch)| Job { name, text, arch, memory: false };
    compile(&rules().into_iter().map(read).zip(ARCHS.into_iter().cycle()).map(of).collect::<Vec<_>>());
}

/// The largest size that a kernel takes, with the widest elements. Where rows of the state mix, one block must hold the
/// whole state, and 256 x 256 numbers are all registers that it has: that state lies in memory, and no other does.
#[test]
fn the_largest_kernels_compile_without_spills() {
    let of = |rule: &Rule| Job {
        name: format!("{}_256", rule.signature.name),
        text: kernel(rule, 256, DType::F32)
            .unwrap_or_else(|why| panic!("{}: {why}", rule.signature.name))
            .source,
        arch: Arch::Sm90,
        memory: classify(timeline(rule)).feedback == Feedback::RowMixing,
    };
    compile(&rules().into_iter().map(of).collect::<Vec<_>>());
}

/// Sizes whose states are too large for one block's registers, padded and not, in every type: the state is in memory, and
/// so the block is there for more warps than could hold it.
#[test]
fn states_in_memory_compile_without_spills() {
    let rule = rules().into_iter().find(|rule| rule.signature.name == "ttt_linear_online").unwrap();
    let mut jobs = Vec::new();
    for (at, (k, v)) in [(256, 256), (256, 65), (65, 256), (200, 129), (100, 200)].into_iter().enumerate() {
        // Each type for another generation, and for another one at the next sizes.
        let archs = ARCHS.into_iter().cycle().skip(at);
        for (dtype, arch) in [DType::F32, DType::F16, DType::BF16].into_iter().zip(archs) {
            let kernel = emit(timeline(rule), &Spec::new(vec![k, v], dtype)).unwrap();
            // The smaller ones still fit in 16 bits, where what was fetched takes less.
            let memory = kernel.source.contains("it lies in local memory");
            assert!(memory || k * v < 20_000, "{k} x {v}, {dtype}");
            jobs.push(Job { name: format!("{k}x{v}_{dtype}"), text: kernel.source, arch, memory });
        }
    }
    assert!(jobs.iter().filter(|job| job.memory).count() >= 10);
    compile(&jobs);
}
