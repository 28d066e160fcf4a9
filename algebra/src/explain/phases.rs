//! The cut of a chunk's equations by dependence on the carried state.
//!
//! ```text
//! O = (Q ⊙ e^G) S0 + tril(Q Kᵀ ⊙ D) V         before   N = tril(Q Kᵀ ⊙ D) V
//!                                        =>    after    O = (Q ⊙ e^G) S0 + N
//! ```
//!
//! Whatever is free of the carried state can run for all chunks at once; what feeds the next chunk has to run in order;
//! what only reads the state can run for all chunks at once again, when every chunk's first state is known. Nothing here
//! knows a rule: products and inverses inside an equation that do not depend on the carried state are pulled out of it, and
//! then each equation goes where its dependence puts it.

use super::derive::{Body, Equation, Equations};
use super::formula::Formula;
use super::names::Namer;
use std::collections::BTreeSet;

/// Where an equation runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Free of the carried state.
    Before,
    /// Feeds the next chunk.
    Carry,
    /// Reads the state that its chunk began with.
    After,
}

/// An equation in its phase; `changed` where the cut took a part out of it or made it.
pub(crate) struct Placed {
    /// The phase.
    pub(crate) phase: Phase,
    /// The equation.
    pub(crate) equation: Equation,
    /// Whether it differs from the equation as derived.
    pub(crate) changed: bool,
}

/// What parts that are pulled out are called.
const NAMES: [&str; 9] = ["M", "N", "M1", "M2", "M3", "M4", "M5", "M6", "M7"];

/// Names Gram matrices that several equations use, in front of their first user; says who shares them.
pub(crate) fn share(equations: &mut Equations) {
    let mut seen: Vec<(Formula, usize)> = Vec::new();
    for step in &equations.steps {
        if let Body::Matrix(f) = &step.body {
            f.walk(&mut |part| {
                if let Formula::Tril { .. } = part {
                    count(&mut seen, part);
                }
            });
        }
    }
    let repeated: Vec<Formula> = seen.iter().filter(|(_, n)| *n > 1).map(|(f, _)| f.clone()).collect();
    for gram in repeated {
        name_part(equations, &gram, &NAMES, "one Gram matrix, shared");
    }
    // The same Gram matrix under two masks: with and without the diagonal.
    let mut inner: Vec<(Formula, usize)> = Vec::new();
    for step in &equations.steps {
        if let Body::Matrix(f) = &step.body {
            f.walk(&mut |part| {
                if let Formula::Tril { of, .. } = part {
                    count(&mut inner, of);
                }
            });
        }
    }
    for (gram, n) in inner {
        if n > 1 && gram.is_matmul() {
            name_part(equations, &gram, &NAMES, "one Gram matrix, under two masks");
        }
    }
}

fn count(seen: &mut Vec<(Formula, usize)>, f: &Formula) {
    match seen.iter_mut().find(|(known, _)| known == f) {
        Some((_, n)) => *n += 1,
        None => seen.push((f.clone(), 1)),
    }
}

/// Gives a part a name, in an equation of its own before its first user; where an equation is just that part, all others
/// use its name.
fn name_part(equations: &mut Equations, part: &Formula, wanted: &[&str], note: &str) {
    let whole = |e: &Equation| matches!(&e.body, Body::Matrix(f) if f == part);
    if let Some(at) = equations.steps.iter().position(whole) {
        let symbol = Formula::symbol(equations.steps[at].name.clone());
        equations.steps[at].note = note.into();
        for step in &mut equations.steps[at + 1..] {
            if let Body::Matrix(f) = &mut step.body {
                *f = f.replace(part, &symbol);
            }
        }
        return;
    }
    let name = equations.namer.fresh(wanted);
    let symbol = Formula::symbol(name.clone());
    let mut first = None;
    for (n, step) in equations.steps.iter_mut().enumerate() {
        if let Body::Matrix(f) = &mut step.body {
            let replaced = f.replace(part, &symbol);
            if replaced != *f {
                first.get_or_insert(n);
                *f = replaced;
            }
        }
    }
    let equation = Equation { name, body: Body::Matrix(part.clone()), note: note.into() };
    equations.steps.insert(first.unwrap_or(0), equation);
}

/// Cuts the steps into phases.
pub(crate) fn cut(equations: &mut Equations) -> Vec<Placed> {
    let mut carried: BTreeSet<String> = equations.carried.iter().map(|(start, _)| start.clone()).collect();
    let mut steps = Vec::new();
    for step in &equations.steps {
        let depends = step.uses().iter().any(|u| carried.contains(u));
        if depends {
            names_of(step).for_each(|n| {
                carried.insert(n);
            });
        }
        match &step.body {
            Body::Matrix(f) if depends => {
                let mut hoisted = Vec::new();
                let body = hoist(f, &carried, &mut equations.namer, &mut hoisted);
                let changed = !hoisted.is_empty();
                steps.extend(hoisted.into_iter().map(|e| (e, true)));
                steps.push((Equation { body: Body::Matrix(body), ..step.clone() }, changed));
            }
            _ => steps.push((step.clone(), false)),
        }
    }
    let needed = needed_by_states(&steps, equations);
    let place = |(equation, changed): (Equation, bool)| {
        let depends = equation.uses().iter().any(|u| carried.contains(u));
        let phase = match (depends, names_of(&equation).any(|n| needed.contains(&n))) {
            (false, _) => Phase::Before,
            (true, true) => Phase::Carry,
            (true, false) => Phase::After,
        };
        Placed { phase, equation, changed }
    };
    let mut placed: Vec<Placed> = steps.into_iter().map(place).collect();
    placed.sort_by_key(|p| p.phase);
    placed
}

/// The names that an equation defines: `[U0; U1]` defines two.
fn names_of(e: &Equation) -> impl Iterator<Item = String> + '_ {
    e.name.split(|c: char| "[];, ".contains(c)).filter(|n| !n.is_empty()).map(str::to_string)
}

/// Everything that the states at the chunk's end are made of.
fn needed_by_states(steps: &[(Equation, bool)], equations: &Equations) -> BTreeSet<String> {
    let mut needed: BTreeSet<String> = equations.carried.iter().map(|(_, end)| end.clone()).collect();
    for (step, _) in steps.iter().rev() {
        if names_of(step).any(|n| needed.contains(&n)) {
            needed.extend(step.uses());
        }
    }
    needed
}

/// Takes the largest products and inverses out that are free of the carried state.
fn hoist(f: &Formula, carried: &BTreeSet<String>, namer: &mut Namer, out: &mut Vec<Equation>) -> Formula {
    let free = f.symbols().is_disjoint(carried);
    if free && f.is_matmul() {
        let name = namer.fresh(&NAMES);
        out.push(Equation { name: name.clone(), body: Body::Matrix(f.clone()), note: String::new() });
        return Formula::symbol(name);
    }
    match f {
        // A free run of factors at the left of a product is one free product: `(X Yᵀ) U` with free `X Yᵀ`.
        Formula::Product(factors) => {
            let split =
                factors.iter().position(|p| !p.symbols().is_disjoint(carried)).unwrap_or(factors.len());
            let left = Formula::product(factors[..split].iter().cloned());
            let left = if left.is_matmul() {
                hoist(&left, carried, namer, out)
            } else {
                hoist_parts(&left, carried, namer, out)
            };
            let right: Vec<Formula> =
                factors[split..].iter().map(|p| hoist(p, carried, namer, out)).collect();
            Formula::product([left].into_iter().chain(right))
        }
        _ => hoist_parts(f, carried, namer, out),
    }
}

fn hoist_parts(
    f: &Formula,
    carried: &BTreeSet<String>,
    namer: &mut Namer,
    out: &mut Vec<Equation>,
) -> Formula {
    match f {
        Formula::Product(parts) => {
            Formula::product(parts.iter().map(|p| hoist(p, carried, namer, out)).collect::<Vec<_>>())
        }
        _ => f.map(|p| hoist(p, carried, namer, out)),
    }
}
