//! The real compiler on the kernels, for every generation of GPUs: no spills at the usual sizes, no warnings, and no more
//! shared memory than a block may have. Every plan, type and precision, and every width of blocks that the plan choice takes.

use crate::case::{Case, KINDS, fused, nvrtc, rules, timeline, variable};
use crate::limits::none;
use chunkwise::Arch;
use chunkwise_codegen::fused::COLUMNS;
use chunkwise_codegen::{DType, Kernel, Plan, Precision};
use chunkwise_dsl::class::{Feedback, classify};
use rayon::prelude::*;

/// Sizes at which nothing may spill.
const SIZES: [usize; 2] = [64, 128];

/// A kernel that has spilled, or was near it: the rule, the plan, the type and its precision, value columns, the size.
type Near = (&'static str, Plan, (DType, Precision), usize, usize, Arch);

/// States that meet, in one part and in two, where compilers keep what a warp's threads share apart and where they do not; a solve
/// where floats lie in pairs; operands in two parts beside a second state; a carry that hands on.
const NEAR: [Near; 10] = [
    ("momentum_delta", Plan::Fused, (DType::BF16, Precision::Fast), 128, 128, Arch::Sm86),
    ("momentum_delta", Plan::Fused, (DType::F32, Precision::Fast), 64, 128, Arch::Sm80),
    ("momentum_delta", Plan::Fused, (DType::BF16, Precision::High), 128, 128, Arch::Sm90),
    ("momentum_delta", Plan::Fused, (DType::BF16, Precision::Fast), 128, 64, Arch::Sm90),
    ("momentum_delta", Plan::Split, (DType::BF16, Precision::High), 128, 128, Arch::Sm90),
    ("gated_deltanet", Plan::Fused, (DType::BF16, Precision::Fast), 128, 128, Arch::Sm100),
    ("mlstm_capped", Plan::Fused, (DType::F32, Precision::Fast), 64, 128, Arch::Sm90),
    ("rodimus", Plan::Split, (DType::BF16, Precision::Fast), 128, 128, Arch::Sm80),
    ("rodimus", Plan::Segmented, (DType::BF16, Precision::Fast), 128, 128, Arch::Sm90),
    ("deltaproduct2", Plan::Fused, (DType::F32, Precision::Fast), 64, 128, Arch::Sm90),
];

#[test]
fn kernels_near_a_spill_have_none() {
    let all = rules();
    let complain = |&(name, plan, (dtype, precision), columns, size, arch): &Near| {
        let Some(rule) = all.iter().find(|rule| rule.signature.name == name) else {
            return vec![format!("there is no rule {name}")];
        };
        let sizes = vec![size; rule.signature.dims.len()];
        complaints(&Case { plan, precision, columns, ..Case::new(rule.clone(), dtype, sizes) }, arch)
    };
    none(NEAR.par_iter().flat_map(complain).collect());
}

/// The kernel that most launches take, of every rule.
#[test]
fn no_rule_spills() {
    let cases: Vec<Case> = fused(128, 128).into_iter().filter(Case::is_in_catalogue).collect();
    assert!(cases.len() >= 28, "{} rules", cases.len());
    none(cases.par_iter().flat_map(|case| complaints(case, Arch::Sm90)).collect());
}

/// So many of all kernels that the catalogue has, by the seed; as many times more as `CHUNKWISE_CASES` says.
#[test]
fn kernels_compile_without_spills() {
    judge(Plan::Fused, 4, |_| true);
}

/// The kernels of the plan `split`.
#[test]
fn split_kernels_compile_without_spills() {
    judge(Plan::Split, 4, |_| true);
}

/// Parts of segmented plans; what they end with is the fused kernel again.
#[test]
fn parts_compile_without_spills() {
    judge(Plan::Segmented, 1, |kernel| !kernel.name.ends_with("_outputs"));
}

/// Compiles some of all that the catalogue has of a plan, those whose turn it is, and judges the kernels that count.
fn judge(plan: Plan, some: usize, counts: impl Fn(&Kernel) -> bool + Sync) {
    let (seed, draws) = (variable("CHUNKWISE_SEED", 1) as usize, variable("CHUNKWISE_CASES", 1) as usize);
    println!("CHUNKWISE_SEED={seed} CHUNKWISE_CASES={draws}");
    let all = all(plan);
    let some = (some * draws).min(all.len());
    // Where feedback is not linear pieces do not compose: there is no segmented plan. Whatever else has none is a complaint.
    let composes =
        |case: &Case| matches!(classify(timeline(&case.rule)).feedback, Feedback::None | Feedback::Linear);
    let has_plan = |(case, _): &&(Case, Arch)| plan != Plan::Segmented || composes(case);
    let in_turn =
        turns(all.len()).skip(seed % all.len() * some % all.len()).take(all.len()).map(|at| &all[at]);
    let jobs: Vec<&(Case, Arch)> = in_turn.filter(has_plan).take(some).collect();
    none(jobs.par_iter().flat_map(|(case, arch)| complaints_of_those(case, *arch, &counts)).collect());
}

/// Every rule of the catalogue that has fused kernels, of every size, type, precision and width of blocks, for every architecture.
/// Only blocks of the fused plan are chosen to be narrower than they can be.
fn all(plan: Plan) -> Vec<(Case, Arch)> {
    let mut all = Vec::new();
    let widths = if plan == Plan::Fused { &COLUMNS[..] } else { &COLUMNS[..1] };
    for size in SIZES {
        for case in fused(size, size).into_iter().filter(Case::is_in_catalogue) {
            let case = Case { plan, ..case };
            for arch in Arch::ALL {
                for (dtype, precision) in KINDS {
                    let of = |&columns: &usize| (Case { dtype, precision, columns, ..case.clone() }, arch);
                    all.extend(widths.iter().map(of));
                }
            }
        }
    }
    all
}

/// All numbers below `count`, again and again, in an order in which any few neighbours lie far apart: steps of the golden ratio.
fn turns(count: usize) -> impl Iterator<Item = usize> {
    let divisor = |mut x: usize, mut y: usize| {
        while y > 0 {
            (x, y) = (y, x % y);
        }
        x
    };
    let step = (count * 618 / 1000..).find(|step| divisor(*step, count) == 1).unwrap_or(1);
    (0..).map(move |n| n * step % count)
}

/// What is wrong with the plan's kernels.
fn complaints(case: &Case, arch: Arch) -> Vec<String> {
    complaints_of_those(case, arch, &|_| true)
}

/// What is wrong with those of the plan's kernels that count.
fn complaints_of_those(case: &Case, arch: Arch, counts: &(impl Fn(&Kernel) -> bool + Sync)) -> Vec<String> {
    match case.schedule(arch) {
        Ok(schedule) => {
            let kernels = schedule.kernels.iter().filter(|kernel| counts(kernel));
            kernels.flat_map(|kernel| complaints_of(case, kernel, arch)).collect()
        }
        Err(why) => vec![format!("{} for {arch}: {why}", case.label())],
    }
}

fn complaints_of(case: &Case, kernel: &Kernel, arch: Arch) -> Vec<String> {
    let label = format!("{}, {} for {arch}", case.label(), kernel.name);
    let binary = match nvrtc().compile(&kernel.source, &kernel.name, arch, &[]) {
        Ok(binary) => binary,
        Err(error) => return vec![format!("{label}: {error}")],
    };
    let mut wrong = Vec::new();
    if binary.log.to_lowercase().contains("warning") {
        wrong.push(format!("warnings:\n{}", binary.log));
    }
    match binary.resources_of(&kernel.name) {
        None => wrong.push("the compiler's log does not name the kernel".to_owned()),
        Some(used) => {
            if [used.spill_store_bytes, used.spill_load_bytes, used.stack_bytes].iter().any(|n| *n > 0) {
                wrong.push(format!("spills: {used:?}"));
            }
            let shared = used.shared_bytes as usize + kernel.shared as usize;
            if shared > arch.max_shared_per_block() {
                wrong.push(format!("{shared} bytes of shared memory"));
            }
            if used.registers * kernel.threads > 65536 {
                wrong.push(format!("{} registers of {} threads do not fit", used.registers, kernel.threads));
            }
        }
    }
    wrong.into_iter().map(|what| format!("{label}: {what}")).collect()
}
