//! Properties of random rules.
//!
//! Rules are made from the grammar as text, contractive by construction, with feedback of all three classes, decays of
//! every kind, loops, coupled states, vector states, `let`s and functions; sizes, lengths and head counts are random too.
//! `CHUNKWISE_CASES` sets the number of cases a property (default 120), `CHUNKWISE_SEED` the first seed; a failure prints
//! its seed and the smallest rule found that still fails.
//!
//! | property | |
//! |---|---|
//! | reference | outputs, states and gradients are those of an interpreter of the tree that the text was made from |
//! | differences | gradients are central differences of the recurrent forward pass |
//! | causality | later tokens change no bit of an earlier one |
//! | containment | NaN in one packed sequence changes no bit of the others |
//! | packing | packed sequences are what separate calls give |
//! | grouping | fewer heads are the same as repeated heads |
//! | stages | verifiers accept every rule, printers print it |
//! | fused | its kernels, by every chunkwise plan that has any, give in the simulator what the token loop gives |
//! | simulated | its kernel, in the simulator, gives what the token loop gives, in f32, f16 and bf16 |
//! | coverage | no fewer of them than before have kernels of the chunkwise plans |
//! | large | so does its kernel at sizes whose states lie in memory |

mod ast;
#[path = "../reference/compare.rs"]
mod compare;
mod complete;
mod coverage;
mod fused;
mod generate;
mod interpret;
#[path = "../reference/library.rs"]
mod library;
#[path = "../reference/maths.rs"]
mod maths;
#[allow(dead_code, reason = "random rules draw fewer kinds of numbers than the rules of tests/reference")]
#[path = "../reference/problem.rs"]
mod problem;
mod properties;
#[path = "../reference/random.rs"]
mod random;
mod shadow;
mod simulated;
mod source;
mod statements;
#[path = "../reference/tape.rs"]
mod tape;

use source::{Source, Verdict, shrink};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// Holds a property on many random cases.
fn hold(property: impl Fn(&mut Source) -> Verdict) {
    let (first, cases) = (variable("CHUNKWISE_SEED", 1), variable("CHUNKWISE_CASES", 120));
    (first..first + cases).for_each(|seed| hold_on(seed, &property, 400));
}

/// Holds a property on the case of one seed; a smaller one that fails as well is sought so many times.
fn hold_on(seed: u64, property: &impl Fn(&mut Source) -> Verdict, tries: usize) {
    if let Err(message) = property(&mut Source::random(seed)) {
        let small = shrink(seed, property, tries);
        panic!("CHUNKWISE_SEED={seed}\n{message}\n\nthe smallest case found:\n{small}");
    }
}

/// Holds a property that few rules are the subject of, until as many as wanted have been, as they count themselves: the number
/// of rules that it took, up to `most`.
fn hold_until(
    property: impl Fn(&mut Source) -> Verdict,
    count: &AtomicUsize,
    wanted: usize,
    most: u64,
) -> u64 {
    let first = variable("CHUNKWISE_SEED", 1);
    for seed in first..first + most {
        hold_on(seed, &property, 100);
        if count.load(Ordering::Relaxed) >= wanted {
            return seed - first + 1;
        }
    }
    panic!("of {most} rules fewer than {wanted} are of the class");
}

/// One test a property.
macro_rules! tests {
    ($($name:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            hold(properties::$name);
        })+
    };
}

tests!(reference, differences, causality, containment, packing, grouping, stages);

#[test]
fn simulated() {
    hold(simulated::simulated);
    let (run, cases) = (simulated::RUN.load(Ordering::Relaxed), variable("CHUNKWISE_CASES", 120) as usize);
    println!("{run} of {cases} rules have a kernel");
    assert!(2 * run >= cases, "only {run} of {cases} rules have a kernel");
}

/// Not every random rule has a state that is too large, so that more have to be made.
#[test]
fn large() {
    let wanted = variable("CHUNKWISE_CASES", 120) as usize / 8;
    let made = hold_until(simulated::large, &simulated::LARGE, wanted, 400 * wanted as u64);
    println!("{wanted} of {made} rules have a state in memory");
}

/// So many rules of each class of feedback in each element type, as random rules come by; each by every plan that has kernels for
/// it. A class that has lost them is not found among so many rules.
#[test]
fn fused_kernels() {
    let (first, each) = (variable("CHUNKWISE_SEED", 1), variable("CHUNKWISE_CASES", 120).div_ceil(120));
    let mut ran = BTreeMap::new();
    let mut by_plan = BTreeMap::new();
    for seed in first..first + 400 * each {
        let drawn = fused::draw(&mut Source::random(seed));
        let drawn = drawn.unwrap_or_else(|message| panic!("CHUNKWISE_SEED={seed}\n{message}"));
        let Some(drawn) = drawn else { continue };
        let class = format!("{:?}", drawn.feedback);
        let count = ran.entry((class.clone(), drawn.kind.dtype.name())).or_insert(0);
        if *count == each {
            continue;
        }
        *count += 1;
        hold_on(seed, &fused::fused, 100);
        for (plan, _) in &drawn.plans {
            *by_plan.entry((class.clone(), plan.to_string())).or_insert(0) += 1;
        }
        if ran.len() == fused::CLASSES && ran.values().all(|count| *count == each) {
            break;
        }
    }
    println!("feedback, type: rules {ran:?}; feedback, plan: {by_plan:?}");
    assert!(ran.len() == fused::CLASSES && ran.values().all(|count| *count == each), "{ran:?}");
    assert_eq!(by_plan.len(), fused::PLANS, "{by_plan:?}");
}

/// What random rules show of the plans' limitations: most of those that have a chunk program have kernels.
#[test]
fn coverage() {
    let first = variable("CHUNKWISE_SEED", 1);
    let tallies = coverage::tally(first..first + 400).unwrap_or_else(|message| panic!("{message}"));
    for ((plan, feedback, _), tally) in coverage::PLANS.iter().zip(&tallies) {
        println!("{plan}, {feedback:?}: {tally}");
    }
    for ((plan, feedback, least), tally) in coverage::PLANS.iter().zip(&tallies) {
        assert!(100 * tally.kernels >= least * tally.rules, "{plan}, {feedback:?}: {tally}");
    }
    for (plan, least) in coverage::ALL {
        let of_plan = coverage::PLANS.iter().zip(&tallies).filter(|((of, ..), _)| *of == plan);
        let (kernels, rules) =
            of_plan.fold((0, 0), |(kernels, rules), (_, t)| (kernels + t.kernels, rules + t.rules));
        assert!(100 * kernels >= least * rules, "{plan}: {kernels} of {rules} rules");
    }
}
