//! Gives some `let`s of a finished rule a name that is already taken, where nothing means the old one any more.
//!
//! ```text
//! let y1 = s.read(x0);  s *= x1;  let y2 = y1 + x2;  s.read(y2)
//! let y1 = s.read(x0);  s *= x1;  let x1 = y1 + x2;  s.read(x1)      parameters can be shadowed like locals
//! ```
//!
//! Inside a loop only the rest of the loop's body counts: after the loop the old name means the old value again.

use crate::ast::{Expr, Rule, Stmt};
use crate::source::Source;

/// Shadows at random.
pub(crate) fn some(rule: &mut Rule, source: &mut Source) {
    let known: Vec<String> = rule.fields.iter().map(|f| f.name.clone()).collect();
    let mut outputs: Vec<&mut Expr> = rule.outputs.iter_mut().map(|(e, _)| e).collect();
    block(&mut rule.body, &mut outputs, known, source);
}

/// One block; `after` is what follows it in its own scope.
fn block(body: &mut [Stmt], after: &mut [&mut Expr], mut known: Vec<String>, source: &mut Source) {
    for at in 0..body.len() {
        let (now, rest) = body[at..].split_first_mut().expect("`at` is within the block");
        match now {
            Stmt::Loop { body, .. } => block(body, &mut [], known.clone(), source),
            Stmt::Let(name, _) => {
                let old = if source.one_in(3) && !known.is_empty() {
                    Some(known[source.below(known.len())].clone())
                } else {
                    None
                };
                if let Some(old) = old.filter(|old| !mentions(rest, after, old)) {
                    let new = std::mem::replace(name, old.clone());
                    each(rest, after, &mut |other| {
                        if *other == new {
                            other.clone_from(&old);
                        }
                    });
                } else {
                    known.push(name.clone());
                }
            }
            _ => {}
        }
    }
}

fn mentions(rest: &mut [Stmt], after: &mut [&mut Expr], name: &str) -> bool {
    let mut found = false;
    each(rest, after, &mut |other| found |= other == name);
    found
}

/// Every name that statements and expressions use (not those they make).
fn each(rest: &mut [Stmt], after: &mut [&mut Expr], f: &mut dyn FnMut(&mut String)) {
    rest.iter_mut().for_each(|s| statement(s, f));
    after.iter_mut().for_each(|e| expression(e, f));
}

fn statement(stmt: &mut Stmt, f: &mut dyn FnMut(&mut String)) {
    let terms = match stmt {
        Stmt::Let(_, value) => return expression(value, f),
        Stmt::Scale { factor, .. } => return expression(factor, f),
        Stmt::Loop { body, .. } => return body.iter_mut().for_each(|s| statement(s, f)),
        Stmt::Write { terms, .. } => terms,
        Stmt::Affine { factor, mixes, terms, .. } => {
            expression(factor, f);
            mixes.iter_mut().for_each(|(c, _)| expression(c, f));
            terms
        }
    };
    for term in terms {
        let parts = term.coefficient.iter_mut().chain(term.key.iter_mut()).chain([&mut term.value]);
        parts.for_each(|e| expression(e, f));
    }
}

fn expression(e: &mut Expr, f: &mut dyn FnMut(&mut String)) {
    match e {
        Expr::Name(name) | Expr::Item(name, _) => f(name),
        Expr::Call(_, x) | Expr::Negate(x) | Expr::Read(_, x) => expression(x, f),
        Expr::Call2(_, x, y) | Expr::Binary(_, x, y) => {
            expression(x, f);
            expression(y, f);
        }
        Expr::Literal(_) | Expr::LoopNumber(_) | Expr::Size(_) | Expr::Bare(_) => {}
    }
}
