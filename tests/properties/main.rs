//! Properties of random rules.
//!
//! Rules are made from the grammar as text, contractive by construction, with feedback of all three classes, decays of
//! every kind, loops, coupled states, vector states, `let`s and functions; sizes, lengths and head counts are random too.
//! `CHUNKWISE_CASES` sets the number of cases a property (default 40), `CHUNKWISE_SEED` the first seed; a failure prints
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
//! | fused | its fused kernel, where it has one, or pieces of sequences composed, gives in the simulator what the token loop gives |
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
use std::sync::atomic::Ordering;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// Holds a property on many random cases.
fn hold(property: impl Fn(&mut Source) -> Verdict) {
    let (first, cases) = (variable("CHUNKWISE_SEED", 1), variable("CHUNKWISE_CASES", 40));
    for seed in first..first + cases {
        if let Err(message) = property(&mut Source::random(seed)) {
            let small = shrink(seed, &property, 400);
            panic!("CHUNKWISE_SEED={seed}\n{message}\n\nthe smallest case found:\n{small}");
        }
    }
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
    let (run, cases) = (simulated::RUN.load(Ordering::Relaxed), variable("CHUNKWISE_CASES", 40) as usize);
    println!("{run} of {cases} rules have a kernel");
    assert!(2 * run >= cases, "only {run} of {cases} rules have a kernel");
}

/// Not every random rule has a state that is too large, so that more have to be made.
#[test]
fn large() {
    let (first, wanted) = (variable("CHUNKWISE_SEED", 1), variable("CHUNKWISE_CASES", 40) as usize / 8);
    let most = 400 * wanted as u64;
    for seed in first..first + most {
        if let Err(message) = simulated::large(&mut Source::random(seed)) {
            let small = shrink(seed, &simulated::large, 100);
            panic!("CHUNKWISE_SEED={seed}\n{message}\n\nthe smallest case found:\n{small}");
        }
        if simulated::LARGE.load(Ordering::Relaxed) >= wanted {
            println!("{wanted} of {} rules have a state in memory", seed - first + 1);
            return;
        }
    }
    panic!("of {most} rules fewer than {wanted} have a state in memory");
}

/// Few random rules are of the class that the fused plan takes, so that many have to be made.
#[test]
fn fused_kernels() {
    let (first, wanted) = (variable("CHUNKWISE_SEED", 1), variable("CHUNKWISE_CASES", 40) as usize / 4);
    let most = 200 * wanted as u64;
    for seed in first..first + most {
        if let Err(message) = fused::fused(&mut Source::random(seed)) {
            let small = shrink(seed, &fused::fused, 100);
            panic!("CHUNKWISE_SEED={seed}\n{message}\n\nthe smallest case found:\n{small}");
        }
        if fused::RUN.load(Ordering::Relaxed) >= wanted {
            let pieces = fused::IN_PIECES.load(Ordering::Relaxed);
            println!("{wanted} of {} rules have a fused kernel, {pieces} ran in pieces", seed - first + 1);
            assert!(wanted < 10 || pieces > 0, "none of {wanted} rules ran in pieces");
            return;
        }
    }
    panic!("of {most} rules fewer than {wanted} have a fused kernel");
}

/// What random rules show of the plans' limitations: most of those that have a chunk program have kernels.
#[test]
fn coverage() {
    let first = variable("CHUNKWISE_SEED", 1);
    let tallies = coverage::tally(first..first + 400).unwrap_or_else(|message| panic!("{message}"));
    for ((plan, _), tally) in coverage::PLANS.iter().zip(&tallies) {
        println!("{plan}: {tally}");
    }
    for ((plan, least), tally) in coverage::PLANS.iter().zip(&tallies) {
        assert!(100 * tally.kernels >= least * tally.rules, "{plan}: {tally}");
    }
}
