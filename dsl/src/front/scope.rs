//! Names inside a body: `let`s and loop variables, block by block, over the parameters.
//!
//! ```text
//! let k = l2norm(k);          the second `k` is the parameter, later ones the local
//! for j in 0..2 { .. }        `j` is the number of the turn
//! ```
//!
//! A local that no expression uses is a mistake (told once, whatever the number of turns of its loop), unless its name
//! begins with `_`.

use crate::diagnostic::Span;
use crate::graph::Value;
use std::collections::BTreeMap;

/// One local name.
#[derive(Clone, Debug)]
pub(super) struct Local {
    name: String,
    /// `None` where its expression was wrong.
    value: Option<Value>,
    /// The `let` it came from, `None` for a loop variable.
    declared: Option<usize>,
}

/// One `let` statement, however often it is executed.
#[derive(Clone, Debug)]
struct Declaration {
    name: String,
    span: Span,
    used: bool,
}

/// The local names in sight.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    locals: Vec<Local>,
    declarations: Vec<Declaration>,
    /// Statements by the address of their syntax, so that a loop's turns share one declaration.
    by_statement: BTreeMap<usize, usize>,
}

impl Scope {
    /// The number of locals in sight, for [`Scope::leave`].
    pub(super) fn depth(&self) -> usize {
        self.locals.len()
    }

    /// Forgets the locals of an inner block.
    pub(super) fn leave(&mut self, depth: usize) {
        self.locals.truncate(depth);
    }

    /// Binds a loop variable for one turn.
    pub(super) fn bind(&mut self, name: String, value: Option<Value>) {
        self.locals.push(Local { name, value, declared: None });
    }

    /// Binds a `let`; `statement` identifies it. Where its expression was wrong, that is told, and not that it is unused.
    pub(super) fn declare(&mut self, statement: usize, name: String, span: Span, value: Option<Value>) {
        let next = self.declarations.len();
        let at = *self.by_statement.entry(statement).or_insert(next);
        if at == next {
            self.declarations.push(Declaration { name: name.clone(), span, used: value.is_none() });
        }
        self.locals.push(Local { name, value, declared: Some(at) });
    }

    /// The innermost local of this name, marked as used: `Some(None)` where its expression was wrong.
    pub(super) fn find(&mut self, name: &str) -> Option<Option<Value>> {
        let local = self.locals.iter().rev().find(|l| l.name == name)?;
        if let Some(at) = local.declared {
            self.declarations[at].used = true;
        }
        Some(local.value)
    }

    /// Whether a local of this name is in sight.
    pub(super) fn has(&self, name: &str) -> bool {
        self.locals.iter().any(|l| l.name == name)
    }

    /// All names in sight.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.locals.iter().map(|l| l.name.as_str())
    }

    /// The `let`s that nothing uses.
    pub(super) fn unused(&self) -> impl Iterator<Item = (&str, Span)> {
        let idle = self.declarations.iter().filter(|d| !d.used && !d.name.starts_with('_'));
        idle.map(|d| (d.name.as_str(), d.span))
    }
}
