//! Good kernels with one thing broken: each mutant has to be found, by a check or by a wrong result.
//!
//! The golden counts mutants by kernel, and lists every one that nobody noticed with the reason why nobody can. A mutant of
//! an instruction that is not executed at this size is not counted: it is one when `trap` in its place changes nothing.

mod message;
mod mutate;
mod survivors;

use crate::cases::{self, Case};
use crate::harness::{Outcome, run};
use chunkwise_sim::machine::{Module, Options};
use chunkwise_sim::syntax::ast;
use mutate::{Change, Mutation};
use rayon::prelude::*;
use std::fmt::Write;

/// What became of a mutant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// A check found it.
    Violation,
    /// The result is wrong.
    Wrong,
    /// The simulator does not load it: an impossible instruction.
    Refused,
    /// Nobody noticed.
    Survived,
    /// Its instruction is never executed.
    Dead,
}

/// Counts of a kernel, and its survivors.
struct Tested {
    fates: Vec<Fate>,
    survivors: Vec<String>,
}

impl Tested {
    fn count(&self, fate: Fate) -> usize {
        self.fates.iter().filter(|found| **found == fate).count()
    }
}

#[test]
fn broken_kernels_are_found() {
    let mut golden = String::new();
    let (mut caught, mut counted, mut unexplained) = (0, 0, Vec::new());
    for cases in cases::small(1) {
        let tested = test(&cases);
        let [violation, wrong, refused, survived, dead] =
            [Fate::Violation, Fate::Wrong, Fate::Refused, Fate::Survived, Fate::Dead]
                .map(|f| tested.count(f));
        caught += violation + wrong + refused;
        counted += violation + wrong + refused + survived;
        let _ = writeln!(
            golden,
            "{}: {violation} found by checks, {wrong} by results, {refused} refused, {survived} survived, {dead} never executed",
            cases[0].name
        );
        for survivor in tested.survivors {
            let why = survivors::why(cases[0].kernel, &survivor);
            let _ = writeln!(golden, "    {survivor}\n        {}", why.unwrap_or("UNEXPLAINED"));
            if why.is_none() {
                unexplained.push(format!("{}: {survivor}", cases[0].kernel));
            }
        }
    }
    let percent = 100.0 * caught as f64 / counted as f64;
    let _ = writeln!(golden, "all: {caught} of {counted} found, {percent:.1}%");
    insta::assert_snapshot!("mutations", golden);
    assert!(percent >= 97.0, "{percent:.1}% of the mutants were found");
    assert!(unexplained.is_empty(), "nobody says why these survive:\n{}", unexplained.join("\n"));
}

/// Breaks everything in a kernel, one thing at a time, and runs each mutant until one of the launches finds it.
fn test(cases: &[Case]) -> Tested {
    let case = &cases[0];
    let module = Module::parse(case.text).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let tree = mutate::only(module.tree(), case.kernel);
    let limits: Vec<Options> = cases.iter().map(|case| limit(case, &tree)).collect();
    let fate = |mutation: &Mutation| -> Fate {
        let mutant =
            Module::from_tree(mutate::apply(&tree, mutation)).and_then(|module| module.kernel(case.kernel));
        let Ok(kernel) = mutant else { return Fate::Refused };
        let one = |(case, options): (&Case, &Options)| match run(case, &kernel, options) {
            Outcome::Refused(_) => Some(Fate::Violation),
            Outcome::Wrong(_) => Some(Fate::Wrong),
            Outcome::Right(_) => None,
        };
        cases.iter().zip(&limits).find_map(one).unwrap_or(Fate::Survived)
    };
    let lines: Vec<&str> = case.text.lines().collect();
    let found: Vec<(Fate, Option<String>)> = mutate::mutations(&tree)
        .par_iter()
        .map(|mutation| match fate(mutation) {
            Fate::Survived => {
                let trap = Mutation { change: Change::Trap, ..mutation.clone() };
                if fate(&trap) == Fate::Survived {
                    return (Fate::Dead, None);
                }
                let instruction = &tree.functions[mutation.function].body[mutation.instruction];
                let text =
                    lines[instruction.line as usize - 1].split_whitespace().collect::<Vec<_>>().join(" ");
                let source = instruction.source.map_or(0, |source| source.line);
                (
                    Fate::Survived,
                    Some(format!("line {source}: {text}  {} (PTX {})", mutation.change, instruction.line)),
                )
            }
            fate => (fate, None),
        })
        .collect();
    let (fates, survivors): (Vec<Fate>, Vec<Option<String>>) = found.into_iter().unzip();
    Tested { fates, survivors: survivors.into_iter().flatten().collect() }
}

/// The good kernel comes out right; a mutant that takes ten times as long does not end.
fn limit(case: &Case, tree: &ast::Module) -> Options {
    let good = Module::from_tree(tree.clone()).and_then(|module| module.kernel(case.kernel));
    let good = good.unwrap_or_else(|error| panic!("{}: {error}", case.name));
    match run(case, &good, &Options::default()) {
        Outcome::Right(report) => {
            let instruction_limit = report.total.instructions * 10 + 1000;
            Options { instruction_limit, threads: 1, ..Options::default() }
        }
        Outcome::Wrong(what) => panic!("{}: {what}", case.name),
        Outcome::Refused(error) => panic!("{}: {error}", case.name),
    }
}
