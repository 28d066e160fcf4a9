//! The real compiler on the kernels, for every generation of GPUs: no spills at the usual sizes, no warnings, and no more
//! shared memory than a block may have.

use crate::case::{Case, fused, nvrtc, rules, variable};
use crate::limits::none;
use chunkwise::Arch;
use chunkwise_codegen::{DType, Kernel, Plan};
use rayon::prelude::*;

/// Sizes at which nothing may spill.
const SIZES: [usize; 2] = [64, 128];

/// Kernels that have spilled, or were near it: states that meet, a solve where floats lie in pairs, a carry that hands on.
const NEAR: [(&str, Plan, usize, Arch); 5] = [
    ("momentum_delta", Plan::Fused, 64, Arch::Sm90),
    ("gated_deltanet", Plan::Fused, 128, Arch::Sm100),
    ("kda", Plan::Fused, 64, Arch::Sm100),
    ("rodimus", Plan::Split, 128, Arch::Sm80),
    ("deltaproduct2", Plan::Split, 128, Arch::Sm80),
];

#[test]
fn kernels_near_a_spill_have_none() {
    let all = rules();
    let complain = |&(name, plan, size, arch): &(&str, Plan, usize, Arch)| {
        let Some(rule) = all.iter().find(|rule| rule.signature.name == name) else {
            return vec![format!("there is no rule {name}")];
        };
        let sizes = vec![size; rule.signature.dims.len()];
        complaints(&Case { plan, ..Case::new(rule.clone(), DType::BF16, sizes) }, arch)
    };
    none(NEAR.par_iter().flat_map(complain).collect());
}

/// Of the catalogue: of each rule one kernel of the twelve, by the seed, or all.
#[test]
fn kernels_compile_without_spills() {
    let (seed, draws) = (variable("CHUNKWISE_SEED", 1), variable("CHUNKWISE_CASES", 1));
    println!("CHUNKWISE_SEED={seed}");
    let mut jobs: Vec<(Case, Arch)> = Vec::new();
    for size in SIZES {
        for (at, case) in fused(size, size).into_iter().filter(Case::is_in_catalogue).enumerate() {
            for (which, arch) in Arch::ALL.into_iter().enumerate() {
                let turn = at + which + if size == 64 { Arch::ALL.len() } else { 0 };
                if draws > 1 || (turn as u64 + seed).is_multiple_of(12) {
                    jobs.push((case.clone(), arch));
                }
            }
        }
    }
    none(jobs.par_iter().flat_map(|(case, arch)| complaints(case, *arch)).collect());
}

/// The kernels of the plan `split`: those of an eighth of the rules, by the seed, or all.
#[test]
fn split_kernels_compile_without_spills() {
    let (seed, draws) = (variable("CHUNKWISE_SEED", 1), variable("CHUNKWISE_CASES", 1));
    println!("CHUNKWISE_SEED={seed}");
    let cases = fused(128, 128).into_iter().filter(Case::is_in_catalogue).enumerate();
    let taken = cases.filter(|(at, _)| draws > 1 || (*at as u64 + seed).is_multiple_of(8));
    let jobs: Vec<Case> = taken.map(|(_, case)| Case { plan: Plan::Split, ..case }).collect();
    let arch = if seed.is_multiple_of(2) { Arch::Sm80 } else { Arch::Sm90 };
    none(jobs.par_iter().flat_map(|case| complaints(case, arch)).collect());
}

/// What is wrong with the plan's kernels.
fn complaints(case: &Case, arch: Arch) -> Vec<String> {
    match case.schedule(arch) {
        Ok(schedule) => {
            schedule.kernels.iter().flat_map(|kernel| complaints_of(case, kernel, arch)).collect()
        }
        Err(why) => vec![format!("{} for {arch}: {why}", case.label())],
    }
}

/// Parts of segmented plans; what they end with is the fused kernel again. One rule of the catalogue, by the seed, or all.
#[test]
fn parts_compile_without_spills() {
    let (seed, draws) = (variable("CHUNKWISE_SEED", 1), variable("CHUNKWISE_CASES", 1));
    println!("CHUNKWISE_SEED={seed}");
    let mut cases: Vec<Case> = fused(128, 128).into_iter().filter(Case::is_in_catalogue).collect();
    cases.iter_mut().for_each(|case| case.plan = Plan::Segmented);
    cases.retain(|case| case.schedule(Arch::Sm80).is_ok());
    let one = seed as usize % cases.len();
    let chosen = if draws > 1 { &cases[..] } else { &cases[one..one + 1] };
    let of = |case: &Case| -> Vec<String> {
        let arch = Arch::ALL[seed as usize % Arch::ALL.len()];
        let schedule = case.schedule(arch).map_err(|why| vec![format!("{} for {arch}: {why}", case.label())]);
        let kernels = schedule.map(|schedule| schedule.kernels);
        let judged = |kernels: Vec<Kernel>| {
            let parts = kernels.iter().filter(|kernel| !kernel.name.ends_with("_outputs"));
            parts.flat_map(|kernel| complaints_of(case, kernel, arch)).collect()
        };
        kernels.map_or_else(|wrong| wrong, judged)
    };
    none(chosen.par_iter().flat_map(of).collect());
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
