//! Makes a random rule use all that it declares: every element of an array, every state. The language asks for it.

use crate::ast::{Expr, Index, Rule, Shape, Stmt, Term};
use crate::generate::{binary, call};
use crate::problem::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// Adds elements that nothing uses to the outputs, to one of their shape or as one more.
pub(crate) fn use_every_element(rule: &mut Rule) {
    let mut used = BTreeSet::new();
    let mut note = |e: &Expr, loops: &BTreeMap<String, usize>| match e {
        Expr::Item(name, Index::Literal(i)) => drop(used.insert((name.clone(), *i))),
        Expr::Item(name, Index::Loop(variable)) => {
            used.extend((0..loops[variable]).map(|i| (name.clone(), i)))
        }
        _ => {}
    };
    block(&rule.body, &mut BTreeMap::new(), &mut note);
    rule.outputs.iter().for_each(|(e, _)| expression(e, &BTreeMap::new(), &mut note));
    for field in &rule.fields {
        let (count, shape) = match &field.kind {
            Kind::Scalars(n) => (*n, Shape::Scalar),
            Kind::Vectors(n, d) => (*n, Shape::Vector(if d == "K" { "K" } else { "V" })),
            _ => continue,
        };
        for i in (0..count).filter(|i| !used.contains(&(field.name.clone(), *i))) {
            // Through a function that keeps a log decay of minus infinity finite.
            let element = call("sigmoid", Expr::Item(field.name.clone(), Index::Literal(i)));
            match rule.outputs.iter_mut().skip(1).find(|(_, s)| *s == shape) {
                Some((e, _)) => *e = binary('+', e.clone(), element),
                None => rule.outputs.push((element, shape)),
            }
        }
    }
}

/// Whether a state is written, scaled or read anywhere.
pub(crate) fn mentions(body: &[Stmt], outputs: &[(Expr, Shape)], state: &str) -> bool {
    fn changes(s: &Stmt, state: &str) -> bool {
        match s {
            Stmt::Let(..) => false,
            Stmt::Scale { state: s, .. } | Stmt::Write { state: s, .. } => s == state,
            Stmt::Affine { state: s, mixes, .. } => {
                s == state || mixes.iter().any(|(_, other)| other == state)
            }
            Stmt::Loop { body, .. } => body.iter().any(|s| changes(s, state)),
        }
    }
    let mut found = body.iter().any(|s| changes(s, state));
    let mut note = |e: &Expr, _: &BTreeMap<String, usize>| match e {
        Expr::Read(s, _) | Expr::Bare(s) => found |= s == state,
        _ => {}
    };
    block(body, &mut BTreeMap::new(), &mut note);
    outputs.iter().for_each(|(e, _)| expression(e, &BTreeMap::new(), &mut note));
    found
}

/// Calls `note` with every expression of a block and the loops around it.
fn block(
    body: &[Stmt],
    loops: &mut BTreeMap<String, usize>,
    note: &mut dyn FnMut(&Expr, &BTreeMap<String, usize>),
) {
    for stmt in body {
        let summands = match stmt {
            Stmt::Let(_, e) | Stmt::Scale { factor: e, .. } => {
                expression(e, loops, note);
                continue;
            }
            Stmt::Loop { variable, count, body } => {
                loops.insert(variable.clone(), *count);
                block(body, loops, note);
                loops.remove(variable);
                continue;
            }
            Stmt::Write { terms, .. } => terms,
            Stmt::Affine { factor, mixes, terms, .. } => {
                expression(factor, loops, note);
                mixes.iter().for_each(|(c, _)| expression(c, loops, note));
                terms
            }
        };
        for Term { coefficient, key, value, .. } in summands {
            coefficient.iter().chain(key).chain([value]).for_each(|e| expression(e, loops, note));
        }
    }
}

fn expression(
    e: &Expr,
    loops: &BTreeMap<String, usize>,
    note: &mut dyn FnMut(&Expr, &BTreeMap<String, usize>),
) {
    note(e, loops);
    match e {
        Expr::Call(_, x) | Expr::Negate(x) | Expr::Read(_, x) => expression(x, loops, note),
        Expr::Call2(_, x, y) | Expr::Binary(_, x, y) => {
            expression(x, loops, note);
            expression(y, loops, note);
        }
        Expr::Name(_)
        | Expr::Item(..)
        | Expr::Literal(_)
        | Expr::LoopNumber(_)
        | Expr::Size(_)
        | Expr::Bare(_) => {}
    }
}
