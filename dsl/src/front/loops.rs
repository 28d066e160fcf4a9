//! `for` loops, unrolled: the bounds are integers that are known here, and each turn is elaborated by itself.
//!
//! ```text
//! for j in 0..2 { s += outer(k[j], v); }      ->      s += outer(k[0], v);  s += outer(k[1], v);
//! ```
//!
//! Constant arithmetic needs no evaluator of its own: the graph folds literals, so an index or a bound is constant if its
//! node is a number.

use super::elaborate::{Elaborator, is_foreign, is_statement, unwrapped};
use crate::diagnostic::Diagnostic;
use crate::graph::Value;
use syn::{Block, Expr, ExprForLoop, Pat, PatIdent, RangeLimits, Stmt};

/// Turns of one loop.
const MOST_TURNS: i64 = 1_024;

impl Elaborator<'_> {
    /// `for j in 0..N { .. }`, turn by turn.
    pub(super) fn for_loop(&mut self, for_loop: &ExprForLoop) {
        if let Some(label) = &for_loop.label {
            self.messages.wrong(label, "a loop has no label in a rule", "remove it");
        }
        let name = match &*for_loop.pat {
            Pat::Ident(PatIdent { by_ref: None, mutability: None, ident, subpat: None, .. }) => {
                ident.to_string()
            }
            Pat::Wild(_) => "_".into(),
            other => {
                self.messages.wrong(other, "a loop counts with a plain name", "write `for j in 0..2 { .. }`");
                "_".into()
            }
        };
        let turns = self.bounds(&for_loop.expr);
        let depth = self.scope.depth();
        // Where the bounds are wrong the body is still read once, for its own mistakes, with an unknown counter.
        let turns: Vec<Option<i64>> = turns.map_or(vec![None], |range| range.map(Some).collect());
        for turn in turns {
            if !self.step(&for_loop.expr) {
                break;
            }
            let value = turn.map(|j| self.constant(j as f64, &for_loop.expr));
            self.scope.bind(name.clone(), value);
            self.loop_block(&for_loop.body);
            self.scope.leave(depth);
        }
    }

    fn constant(&mut self, x: f64, at: &Expr) -> Value {
        let (value, span) = (self.graph().constant(x), self.span(at));
        self.body.origins.entry(value).or_insert(span);
        value
    }

    fn loop_block(&mut self, block: &Block) {
        for statement in &block.stmts {
            match statement {
                Stmt::Expr(expr, None) if !is_statement(expr) && !is_foreign(expr) => {
                    let before = self.messages.count();
                    self.value_or_tuple(expr);
                    if self.messages.count() == before {
                        let hint = "write an assignment such as `s += outer(k[j], v[j]);`";
                        self.wrong(expr, "a loop has no value", hint);
                    }
                }
                other => self.statement(other),
            }
        }
    }

    /// The turns of a loop, from bounds that are known here.
    fn bounds(&mut self, range: &Expr) -> Option<std::ops::Range<i64>> {
        let hint = "write the bounds out, as in `for j in 0..2`; a loop is unrolled";
        let Expr::Range(bounds) = unwrapped(range) else {
            self.mention_all(range);
            self.wrong(range, "a loop runs over a range of integers", hint);
            return None;
        };
        let (Some(start), Some(end)) = (&bounds.start, &bounds.end) else {
            self.mention_all(range);
            self.wrong(range, "the range of a loop has two ends", hint);
            return None;
        };
        let (low, high) =
            (self.integer(start, "a `for` bound", hint), self.integer(end, "a `for` bound", hint));
        let (low, mut high) = (low?, high?);
        if matches!(bounds.limits, RangeLimits::Closed(_)) {
            high += 1;
        }
        // Bounds that follow an outer loop may be empty at some of its turns.
        if low >= high && [start, end].iter().all(|e| matches!(unwrapped(e), Expr::Lit(_))) {
            self.wrong(range, "this loop never runs", "write the smaller bound first, or remove the loop");
            return None;
        }
        if high - low > MOST_TURNS {
            let span = self.span(range);
            let message = format!("a loop of {} turns is not supported", high - low);
            let hint = format!("loops are unrolled, up to {MOST_TURNS} turns");
            self.messages.push(Diagnostic::limitation(span, message, hint));
            return None;
        }
        Some(low..high)
    }

    /// An integer that is known here: literals, loop variables, and arithmetic on them.
    pub(super) fn integer(&mut self, expr: &Expr, what: &str, hint: &str) -> Option<i64> {
        let value = self.value(expr)?;
        match self.body.graph.literal(value) {
            // Up to 2^53 every integer is an f64.
            Some(x) if x.fract() == 0.0 && x.abs() <= 9e15 => Some(x as i64),
            Some(x) => {
                self.wrong(expr, format!("{what} is an integer, not {x:?}"), hint);
                None
            }
            None => {
                self.wrong(expr, format!("{what} is not constant"), hint);
                None
            }
        }
    }
}
