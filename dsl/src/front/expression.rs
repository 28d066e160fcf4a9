//! Expressions: each becomes a node of the graph, its shape checked.
//!
//! ```text
//! beta * k               mul v1 v0 : Vector<K>
//! v - s.read(k)          sub v2 (contract s v0) : Vector<V>
//! ```
//!
//! Vectors combine elementwise only with vectors of the same dim name; scalars broadcast. A matrix (a state, an `outer`) may
//! be scaled by a vector of one of its dims. The first expression that makes a node is its origin, for messages.

use super::attributes::literal_number;
use super::call::function;
use super::elaborate::{Elaborator, address, unwrapped};
use super::names::{nearest, suggest};
use super::show::show;
use super::signature::Named;
use crate::diagnostic::Span;
use crate::graph::{Binary, Expr as Node, ParamId, Shape, Unary, Value};
use syn::ext::IdentExt;
use syn::{BinOp, Expr, ExprBinary, ExprIndex, ExprPath, UnOp};

/// What a name stands for in an expression.
pub(super) enum Term {
    /// A value.
    Value(Value),
    /// `[Vector<D>; N]`: it needs an index.
    Array(ParamId),
}

impl Elaborator<'_> {
    /// The value of an expression; `None` where it is wrong, which has then been reported.
    pub(super) fn value(&mut self, expr: &Expr) -> Option<Value> {
        if !self.step(expr) {
            return None;
        }
        let before = self.body.graph.len();
        let value = self.value_inside(expr);
        self.mark_origins(before, expr);
        value
    }

    fn mark_origins(&mut self, before: usize, expr: &Expr) {
        if self.body.graph.len() > before {
            let span = self.span(expr);
            for v in self.body.graph.values().skip(before) {
                self.body.origins.entry(v).or_insert(span);
            }
        }
    }

    fn value_inside(&mut self, expr: &Expr) -> Option<Value> {
        match expr {
            Expr::Paren(inner) => self.value(&inner.expr),
            Expr::Group(inner) => self.value(&inner.expr),
            Expr::Lit(literal) => match literal_number(&literal.lit) {
                Ok(x) => Some(self.graph().constant(x)),
                Err((message, hint)) => {
                    self.wrong(expr, message, hint);
                    None
                }
            },
            Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
                let x = self.value(&unary.expr)?;
                Some(self.graph().unary(Unary::Neg, x))
            }
            Expr::Binary(binary) if arithmetic(&binary.op).is_some() => self.arithmetic(expr),
            Expr::Path(path) => match self.term(expr, path)? {
                Term::Value(value) => Some(value),
                Term::Array(param) => {
                    let declared = self.header.signature.param(param);
                    let (name, count) = (declared.name.clone(), declared.count.unwrap_or(0));
                    let message = format!("`{name}` is an array of {count}, not one value");
                    self.wrong(
                        expr,
                        message,
                        format!("write `{name}[0]`, or `{name}[j]` in `for j in 0..{count}`"),
                    );
                    None
                }
            },
            Expr::Index(index) => self.element(expr, index),
            Expr::Call(call) => self.call(expr, call),
            Expr::MethodCall(call) => self.method(expr, call),
            other => {
                self.foreign(other);
                None
            }
        }
    }

    /// `a + b - c ..`: the left spine is walked in a loop, so that a long sum is no deep recursion.
    fn arithmetic(&mut self, expr: &Expr) -> Option<Value> {
        let mut spine: Vec<(&Expr, &ExprBinary)> = Vec::new();
        let mut left = expr;
        while let Expr::Binary(binary) = left
            && arithmetic(&binary.op).is_some()
        {
            spine.push((left, binary));
            left = &binary.left;
        }
        let mut value = self.value(left);
        for (whole, binary) in spine.into_iter().rev() {
            let right = self.value(&binary.right);
            let (op, text) = arithmetic(&binary.op)?;
            let before = self.body.graph.len();
            value = value.zip(right).and_then(|(x, y)| self.combine(op, text, x, y, whole));
            self.mark_origins(before, whole);
        }
        value
    }

    /// An elementwise operation of two values, `text` being how the user wrote it.
    pub(super) fn combine(&mut self, op: Binary, text: &str, x: Value, y: Value, at: &Expr) -> Option<Value> {
        let (sx, sy) = (self.shape(x), self.shape(y));
        if self.combines(op, sx, sy) {
            return self.graph().binary(op, x, y);
        }
        let message = format!("`{text}` cannot combine {} with {}", self.describe(sx), self.describe(sy));
        let hint = match (sx, sy, op) {
            (Shape::Vector(_), Shape::Vector(_), Binary::Mul) => {
                "vectors multiply elementwise, so both need the same dim; a key times a value is `outer(key, value)`"
            }
            (Shape::Vector(_), Shape::Vector(_), _) => {
                "vectors combine elementwise, so both need the same dim"
            }
            (Shape::Matrix(..), Shape::Matrix(..), _) => {
                "the dims must be the same, in the same order: `outer(key, value)`"
            }
            (Shape::Matrix(..), _, Binary::Add | Binary::Sub)
            | (_, Shape::Matrix(..), Binary::Add | Binary::Sub) => {
                "what is added to a state is a matrix: `outer(key, value)`"
            }
            _ => "a state is scaled by a `Scalar`, or by a vector of one of its dims",
        };
        self.wrong(at, message, hint);
        None
    }

    fn combines(&self, op: Binary, x: Shape, y: Shape) -> bool {
        match (x, y) {
            _ if x == y => true,
            (Shape::Scalar, other) | (other, Shape::Scalar) => {
                self.recurrent || !other.is_matrix() || matches!(op, Binary::Mul | Binary::Div)
            }
            (Shape::Matrix(k, v), Shape::Vector(d)) | (Shape::Vector(d), Shape::Matrix(k, v)) => {
                (d == k || d == v) && (self.recurrent || matches!(op, Binary::Mul | Binary::Div))
            }
            _ => false,
        }
    }

    /// What a name stands for: locals first, then parameters and states.
    pub(super) fn term(&mut self, expr: &Expr, path: &ExprPath) -> Option<Term> {
        let Some(ident) = path.path.get_ident().filter(|_| path.qself.is_none()) else {
            let hint = "a rule has plain names only: parameters, `let`s and loop variables";
            self.wrong(expr, format!("`{}` is not a name of the rule language", show(path)), hint);
            return None;
        };
        let name = ident.unraw().to_string();
        if let Some(local) = self.scope.find(&name) {
            return local.map(Term::Value);
        }
        let header = self.header;
        let Some(&named) = header.names.get(&name) else {
            let span = self.span(expr);
            self.unknown(&name, span);
            return None;
        };
        self.mentioned.insert(name);
        match named {
            Named::Wrong => None,
            Named::State(state) => Some(Term::Value(self.state_leaf(state, expr))),
            Named::Param(param) => {
                let declared = header.signature.param(param);
                match declared.count {
                    Some(_) => Some(Term::Array(param)),
                    None => Some(Term::Value(self.graph().push(Node::Param(param, None), declared.shape))),
                }
            }
        }
    }

    fn unknown(&mut self, name: &str, span: Span) {
        let usage = function(name).map(|f| f.usage);
        let hint = if let Some(usage) = usage {
            format!("it is a function: write `{usage}`")
        } else if self.header.signature.dims.iter().any(|d| d == name) {
            format!("it is a dim; its size as a number is `dim({name})`")
        } else {
            let locals: Vec<&str> = self.scope.names().filter(|n| *n != "_").collect();
            let names = self.header.names.keys().map(String::as_str).chain(locals.iter().copied());
            // The name that was meant is used, so that no second message says otherwise.
            if let Some(meant) = nearest(name, names.clone()).map(str::to_string) {
                self.mention(&meant);
            }
            let locals: Vec<&str> = self.scope.names().filter(|n| *n != "_").collect();
            let names = self.header.names.keys().map(String::as_str).chain(locals.iter().copied());
            suggest(name, "names here", names)
        };
        self.messages.mistake(span, format!("there is no `{name}` here"), hint);
    }

    /// `k[j]` of an array parameter.
    fn element(&mut self, expr: &Expr, index: &ExprIndex) -> Option<Value> {
        let base = unwrapped(&index.expr);
        let Expr::Path(path) = base else {
            self.mention_all(expr);
            self.wrong(
                &index.expr,
                "only an array parameter has an index",
                "write `k[j]` with `k: [Vector<K>; 2]`",
            );
            return None;
        };
        let term = self.term(base, path);
        let at = self.integer(&index.index, "an index", "write a number or a loop variable: `k[0]`, `k[j]`");
        let Term::Array(param) = term? else {
            let message = format!("`{}` is not an array, so it has no index", show(base));
            self.wrong(expr, message, "declare it as `[Vector<K>; 2]` or `[Scalar; 2]`, or remove the index");
            return None;
        };
        let (at, declared) = (at?, self.header.signature.param(param));
        let (name, shape, count) = (declared.name.clone(), declared.shape, declared.count.unwrap_or(0));
        if (0..i64::from(count)).contains(&at) {
            return Some(self.graph().push(Node::Param(param, Some(at as u32)), shape));
        }
        if self.told.insert(address(expr)) {
            let hint = format!("the indices of `{name}` are 0 to {}", count - 1);
            self.wrong(
                &index.index,
                format!("the index {at} is outside of `{name}`, an array of {count}"),
                hint,
            );
        }
        None
    }

    /// Reports Rust that the rule language does not have.
    pub(super) fn foreign(&mut self, expr: &Expr) {
        self.mention_all(expr);
        let (message, hint) = match expr {
            Expr::If(_) | Expr::Match(_) => (
                "a rule has no branches",
                "every token does the same; `max`, `min` and `relu` choose between numbers",
            ),
            Expr::While(_) | Expr::Loop(_) => (
                "a rule has no loop but `for`",
                "write `for j in 0..2 { .. }` with bounds that are known here",
            ),
            Expr::ForLoop(_) => ("a `for` is a statement, not a value", "put it on a line of its own"),
            Expr::Return(_) => ("a rule has no `return`", "the last line is the output, without a `;`"),
            Expr::Break(_) | Expr::Continue(_) => ("a loop runs to its end", "shorten its range instead"),
            Expr::Macro(_) => ("a macro cannot stand in a rule", "write out what it stands for"),
            Expr::Closure(_) => ("a rule has no closures", "write the expression where it is used"),
            Expr::Cast(_) => ("a rule has no casts", "remove `as ..`: all values are real numbers"),
            Expr::Reference(_) => ("a rule has no references", "remove the `&`"),
            Expr::Field(_) => ("a value has no fields", "the only thing after a dot is `s.read(b)`"),
            Expr::Tuple(_) => ("a tuple can only be the output", "give each value a name of its own"),
            Expr::Array(_) | Expr::Repeat(_) => {
                ("a rule has no array literals", "an array is a parameter: `k: [Vector<K>; 2]`")
            }
            Expr::Block(_) | Expr::Unsafe(_) | Expr::Const(_) | Expr::Async(_) | Expr::TryBlock(_) => {
                ("a rule has no blocks but those of `for`", "write the statements one after another")
            }
            Expr::Assign(_) => ("an assignment is a statement, not a value", "put it on a line of its own"),
            Expr::Binary(binary) => return self.foreign_operator(expr, binary),
            Expr::Unary(_) => ("the only sign is `-`", "write `-x`"),
            Expr::Range(_) => ("a range can only stand in a `for`", "write `for j in 0..2 { .. }`"),
            _ => (
                "this is not an expression of the rule language",
                "write arithmetic, function calls and `s.read(b)`",
            ),
        };
        self.wrong(expr, message, hint);
    }

    fn foreign_operator(&mut self, expr: &Expr, binary: &ExprBinary) {
        use BinOp::*;
        let hint = match binary.op {
            _ if super::elaborate::is_compound(&binary.op) => "put the assignment on a line of its own",
            Eq(_) | Ne(_) | Lt(_) | Le(_) | Gt(_) | Ge(_) | And(_) | Or(_) => {
                "a rule has no branches; `max`, `min` and `relu` choose between numbers"
            }
            BitXor(_) => "`^` is no power: write `square(x)`, or `exp(n * log(x))`",
            _ => "the operators are `+`, `-`, `*` and `/`",
        };
        let op = binary.op;
        self.wrong(expr, format!("the rule language has no `{}`", show(&op)), hint);
    }
}

/// The four operators of the language.
fn arithmetic(op: &BinOp) -> Option<(Binary, &'static str)> {
    match op {
        BinOp::Add(_) => Some((Binary::Add, "+")),
        BinOp::Sub(_) => Some((Binary::Sub, "-")),
        BinOp::Mul(_) => Some((Binary::Mul, "*")),
        BinOp::Div(_) => Some((Binary::Div, "/")),
        _ => None,
    }
}
