//! From a function's block to a [`Body`]: statements in order, loops unrolled, names resolved.
//!
//! ```text
//! for j in 0..2 { s += outer(k[j], v[j]); }      update 0: s <- add s (mul k[0] v[0])
//!                                                update 1: s <- add after0 (mul k[1] v[1])
//! ```
//!
//! The syntax tree goes straight into the hash-consed graph. An expression that is wrong has no value (`None`): it was
//! reported where it stands, and whatever uses it stays silent, so each mistake is told once. Work is bounded: loops are
//! unrolled up to [`MOST_STEPS`] expressions and [`MOST_NODES`] distinct ones.

use super::scope::Scope;
use super::signature::{Header, Named};
use super::spans::Messages;
use crate::diagnostic::{Diagnostic, Span};
use crate::graph::{Expr as Node, Graph, Shape, StateId, Value};
use crate::rule::Body;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::{BTreeSet, HashMap, HashSet};
use syn::{BinOp, Block, Expr, Ident, Local, Pat, PatIdent, Stmt};

/// Expressions that are looked at, each turn of a loop counted.
const MOST_STEPS: usize = 100_000;
/// Distinct expressions of one token.
const MOST_NODES: usize = 16_384;

/// What the body of a rule came to.
#[derive(Debug)]
pub(super) struct Elaborated {
    /// The body; whole only where nothing was reported.
    pub(super) body: Body,
    /// Names of parameters and states that some expression mentions.
    pub(super) mentioned: BTreeSet<String>,
}

/// The state of the walk over a block.
pub(super) struct Elaborator<'a> {
    pub(super) header: &'a Header,
    pub(super) messages: &'a mut Messages,
    pub(super) recurrent: bool,
    pub(super) body: Body,
    /// The leaf that stands for each state now.
    pub(super) current: Vec<Node>,
    pub(super) scope: Scope,
    pub(super) mentioned: BTreeSet<String>,
    /// Expressions about which one message is enough, whatever a loop's turn.
    pub(super) told: HashSet<usize>,
    spans: HashMap<usize, Span>,
    steps: usize,
    exhausted: bool,
}

/// Elaborates the block of a rule.
pub(super) fn elaborate(
    messages: &mut Messages,
    header: &Header,
    recurrent: bool,
    block: &Block,
) -> Elaborated {
    let mut elaborator = Elaborator {
        header,
        messages,
        recurrent,
        body: Body::default(),
        current: header.signature.state_ids().map(Node::State).collect(),
        scope: Scope::default(),
        mentioned: BTreeSet::new(),
        told: HashSet::new(),
        spans: HashMap::new(),
        steps: 0,
        exhausted: false,
    };
    elaborator.rule_block(block);
    elaborator.unused_locals();
    Elaborated { body: elaborator.body, mentioned: elaborator.mentioned }
}

/// The identity of a piece of syntax: the tree does not move while a rule is elaborated.
pub(super) fn address<T>(syntax: &T) -> usize {
    std::ptr::from_ref(syntax).addr()
}

impl Elaborator<'_> {
    pub(super) fn graph(&mut self) -> &mut Graph {
        &mut self.body.graph
    }

    pub(super) fn shape(&self, v: Value) -> Shape {
        self.body.graph.shape(v)
    }

    /// A shape as the user writes it.
    pub(super) fn describe(&self, shape: Shape) -> String {
        format!("`{}`", self.header.signature.describe(shape))
    }

    /// The row of an expression in the table of spans; the same one each time.
    pub(super) fn span(&mut self, expr: &Expr) -> Span {
        if let Some(&span) = self.spans.get(&address(expr)) {
            return span;
        }
        let span = match expr {
            Expr::Binary(binary) => {
                let (first, last) = (self.span(&binary.left), self.span(&binary.right));
                self.messages.join(first, last)
            }
            _ => self.messages.span(expr),
        };
        self.spans.insert(address(expr), span);
        span
    }

    /// Reports the user's mistake at an expression.
    pub(super) fn wrong(&mut self, at: &Expr, message: impl Into<String>, hint: impl Into<String>) {
        let span = self.span(at);
        self.messages.mistake(span, message, hint);
    }

    /// Counts one expression; `false` where the rule has become too large, which is told once.
    pub(super) fn step(&mut self, at: &Expr) -> bool {
        self.steps += 1;
        if !self.exhausted && (self.steps > MOST_STEPS || self.body.graph.len() > MOST_NODES) {
            self.exhausted = true;
            let span = self.span(at);
            let message = "the rule is too large once its loops are unrolled";
            let hint = format!("at most {MOST_NODES} distinct expressions a token are supported");
            self.messages.push(Diagnostic::limitation(span, message, hint));
            // Nothing after this point is looked at, so nothing can be called unused.
            self.mentioned.extend(self.header.names.keys().cloned());
        }
        !self.exhausted
    }

    /// Takes every name in a piece of syntax that is not understood as used, so that no second message follows.
    pub(super) fn mention_all(&mut self, syntax: &impl ToTokens) {
        let mut streams: Vec<TokenStream> = vec![syntax.to_token_stream()];
        while let Some(stream) = streams.pop() {
            for token in stream {
                match token {
                    TokenTree::Group(group) => streams.push(group.stream()),
                    TokenTree::Ident(ident) => self.mention(&ident.to_string()),
                    _ => {}
                }
            }
        }
    }

    /// Takes one name as used.
    pub(super) fn mention(&mut self, name: &str) {
        if self.scope.find(name).is_none() && self.header.names.contains_key(name) {
            self.mentioned.insert(name.into());
        }
    }

    /// The outermost block: statements, then the output.
    fn rule_block(&mut self, block: &Block) {
        let (statements, tail) = match block.stmts.split_last() {
            Some((Stmt::Expr(tail, None), statements)) if !is_statement(tail) => (statements, Some(tail)),
            _ => (block.stmts.as_slice(), None),
        };
        match tail {
            Some(tail) => {
                self.statements(statements);
                self.output(tail);
            }
            None => self.without_output(block),
        }
    }

    /// A block whose last line is no value: the output may be there, with a `;` after it.
    fn without_output(&mut self, block: &Block) {
        if let Some((Stmt::Expr(last, Some(_)), statements)) = block.stmts.split_last()
            && !is_statement(last)
            && !is_foreign(last)
        {
            self.statements(statements);
            let before = self.messages.count();
            self.value_or_tuple(last);
            if self.messages.count() == before {
                self.wrong(
                    last,
                    "the rule puts nothing out: its last line is a statement",
                    "remove the `;` at its end",
                );
            }
            return;
        }
        self.statements(&block.stmts);
        if let Some(Stmt::Expr(Expr::Return(_), _)) = block.stmts.last() {
            return;
        }
        let close = block.brace_token.span.close();
        let span = self.messages.add(close, close);
        let hint = "end the body with the output, without a `;`: `s.read(q)`";
        self.messages.mistake(span, "the rule puts nothing out: its body ends without a value", hint);
    }

    pub(super) fn value_or_tuple(&mut self, expr: &Expr) {
        match expr {
            Expr::Tuple(tuple) => tuple.elems.iter().for_each(|e| {
                self.value(e);
            }),
            _ => {
                self.value(expr);
            }
        }
    }

    fn statements(&mut self, statements: &[Stmt]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    pub(super) fn statement(&mut self, statement: &Stmt) {
        if let Some(TokenTree::Punct(hash)) = statement.to_token_stream().into_iter().next()
            && hash.as_char() == '#'
        {
            self.mention_all(statement);
            return self.messages.wrong(statement, "a statement has no attributes", "remove the attribute");
        }
        match statement {
            Stmt::Local(local) => self.local(local),
            Stmt::Expr(expr, _) => self.expression_statement(unwrapped(expr), statement),
            Stmt::Item(item) => {
                let hint = "a rule holds `let`, `for`, assignments to states, and its output";
                self.messages.wrong(item, "an item cannot stand in a rule", hint);
            }
            Stmt::Macro(call) => {
                self.mention_all(call);
                self.messages.wrong(
                    &call.mac,
                    "a macro cannot stand in a rule",
                    "write out what it stands for",
                );
            }
        }
    }

    fn expression_statement(&mut self, expr: &Expr, statement: &Stmt) {
        match expr {
            Expr::ForLoop(for_loop) => self.for_loop(for_loop),
            Expr::Assign(assign) => self.assign(&assign.left, &assign.right, statement),
            Expr::Binary(binary) if is_compound(&binary.op) => self.compound(binary, statement),
            expr if is_foreign(expr) => self.foreign(expr),
            expr => {
                let before = self.messages.count();
                self.value_or_tuple(expr);
                if self.messages.count() == before {
                    let hint = "write `let x = ..;` to use it later; only the last line is the output";
                    self.wrong(expr, "nothing is done with this value", hint);
                }
            }
        }
    }

    /// `let name = e;`
    fn local(&mut self, local: &Local) {
        let value = match &local.init {
            Some(init) => {
                let value = match (&local.pat, &*init.expr) {
                    (Pat::Tuple(_), whole @ Expr::Tuple(_)) => {
                        self.value_or_tuple(whole);
                        None
                    }
                    (_, whole) => self.value(whole),
                };
                if let Some((_, otherwise)) = &init.diverge {
                    self.mention_all(otherwise);
                    self.wrong(otherwise, "a `let` has no `else` in a rule", "remove the `else` block");
                }
                value
            }
            None => {
                self.messages.wrong(local, "this `let` has no value", "write `let x = ..;`");
                None
            }
        };
        let Some(ident) = self.local_name(&local.pat) else { return };
        let name = ident.to_string();
        if let Some(value) = value {
            self.name_value(&name, value);
        }
        let span = self.messages.span(ident);
        self.scope.declare(address(local), name, span, value);
    }

    /// The name that a `let` binds; anything but a plain name is reported, and bound all the same where it can be.
    fn local_name<'p>(&mut self, pattern: &'p Pat) -> Option<&'p Ident> {
        match pattern {
            Pat::Ident(PatIdent { by_ref: None, mutability: None, ident, subpat: None, .. }) => {
                return Some(ident);
            }
            Pat::Ident(PatIdent { mutability: Some(_), ident, .. }) => {
                let hint = "write `let` without `mut`; a later `let` of the same name may replace it";
                self.messages.wrong(pattern, format!("the local `{ident}` cannot change"), hint);
                return Some(ident);
            }
            Pat::Type(typed) => {
                self.messages.wrong(
                    &typed.ty,
                    "a `let` has no type in a rule",
                    "remove it; it follows from the value",
                );
                return self.local_name(&typed.pat);
            }
            Pat::Tuple(_) => {
                self.messages.wrong(pattern, "a `let` names one value in a rule", "write one `let` for each");
            }
            _ => self.messages.wrong(pattern, "a `let` gives a value a plain name", "write `let x = ..;`"),
        }
        None
    }

    /// Gives a value the user's name for it in printed graphs: once, unlike any other name there.
    fn name_value(&mut self, name: &str, value: Value) {
        let leaf = matches!(
            self.body.graph.expr(value),
            Node::Const(_) | Node::Param(..) | Node::State(_) | Node::Updated(_) | Node::Size(_)
        );
        if leaf || self.body.graph.names.contains_key(&value) {
            return;
        }
        let taken: BTreeSet<&str> = self.body.graph.names.values().map(String::as_str).collect();
        let outputs = self.header.signature.outputs.iter();
        let is_taken = |n: &str| {
            taken.contains(n) || self.header.names.contains_key(n) || outputs.clone().any(|o| o.name == n)
        };
        let numbered = (1..).map(|i| format!("{name}_{i}"));
        let free = std::iter::once(name.to_string()).chain(numbered).find(|n| !is_taken(n));
        if let Some(free) = free {
            self.body.graph.names.insert(value, free);
        }
    }

    fn unused_locals(&mut self) {
        if self.exhausted {
            return;
        }
        let unused: Vec<_> = self.scope.unused().map(|(name, span)| (name.to_string(), span)).collect();
        for (name, span) in unused {
            let hint = "use it or remove it; a `let` ends with the block that it stands in";
            self.messages.mistake(span, format!("the local `{name}` is never used"), hint);
        }
    }

    /// The state that a name stands for, locals first.
    pub(super) fn state_named(&mut self, name: &str) -> Option<StateId> {
        match self.header.names.get(name) {
            Some(&Named::State(state)) if !self.scope.has(name) => {
                self.mentioned.insert(name.into());
                Some(state)
            }
            _ => None,
        }
    }
}

/// The expression inside brackets and invisible groups.
pub(super) fn unwrapped(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(inner) => unwrapped(&inner.expr),
        Expr::Group(inner) => unwrapped(&inner.expr),
        _ => expr,
    }
}

/// `+=` and its kind.
pub(super) fn is_compound(op: &BinOp) -> bool {
    use BinOp::*;
    matches!(
        op,
        AddAssign(_)
            | SubAssign(_)
            | MulAssign(_)
            | DivAssign(_)
            | RemAssign(_)
            | BitXorAssign(_)
            | BitAndAssign(_)
            | BitOrAssign(_)
            | ShlAssign(_)
            | ShrAssign(_)
    )
}

/// Whether an expression is a statement of the language, with or without its `;`.
pub(super) fn is_statement(expr: &Expr) -> bool {
    match unwrapped(expr) {
        Expr::Assign(_) | Expr::ForLoop(_) => true,
        Expr::Binary(binary) => is_compound(&binary.op),
        _ => false,
    }
}

/// Whether an expression is control flow that the language lacks.
pub(super) fn is_foreign(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::If(_)
            | Expr::Match(_)
            | Expr::While(_)
            | Expr::Loop(_)
            | Expr::Block(_)
            | Expr::Unsafe(_)
            | Expr::Return(_)
            | Expr::Break(_)
            | Expr::Continue(_)
            | Expr::Macro(_)
            | Expr::Closure(_)
    )
}

/// The whole of a statement without its `;`.
pub(super) fn statement_span(messages: &mut Messages, statement: &Stmt) -> Span {
    match statement {
        Stmt::Expr(expr, _) => messages.span(expr),
        other => messages.span(other),
    }
}
