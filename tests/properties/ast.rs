//! A random rule before it is text: expressions and statements of the language, and how they print.
//!
//! ```text
//! Write { state: s, style: Plus, terms: [outer(k, v)] }   ->   s += outer(k, v);
//! ```
//!
//! This is the tests' own tree, made from the grammar in the design; the library sees only the text.

use crate::problem::{Field, Kind};
use std::fmt::{self, Display, Formatter};

/// Scalar, or a vector of a named dim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    Scalar,
    Vector(&'static str),
}

/// Position in an array parameter.
#[derive(Clone, Debug)]
pub(crate) enum Index {
    Literal(usize),
    Loop(String),
}

/// An expression; the shapes of operands are right by construction.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    /// A parameter or a local.
    Name(String),
    Item(String, Index),
    /// A literal, as written.
    Literal(&'static str),
    LoopNumber(String),
    Size(&'static str),
    /// `f(x)`, element by element or of a whole vector.
    Call(&'static str, Box<Expr>),
    /// `f(x, y)`: `max`, `min`, `dot`.
    Call2(&'static str, Box<Expr>, Box<Expr>),
    Negate(Box<Expr>),
    Binary(char, Box<Expr>, Box<Expr>),
    /// `s.read(b)`
    Read(String, Box<Expr>),
    /// A vector state by its name.
    Bare(String),
}

/// One summand of a write.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    pub(crate) minus: bool,
    pub(crate) coefficient: Option<Expr>,
    /// None for a vector state: the value is added as it is.
    pub(crate) key: Option<Expr>,
    pub(crate) value: Expr,
}

/// How a write is spelt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    Plus,
    Minus,
    Assign,
}

/// What part of the state a factor scales.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Whole,
    Rows,
    Columns,
}

/// One statement.
#[derive(Clone, Debug)]
pub(crate) enum Stmt {
    Let(String, Expr),
    Scale {
        state: String,
        side: Side,
        factor: Expr,
    },
    Write {
        state: String,
        style: Style,
        terms: Vec<Term>,
    },
    /// `s = factor * s + c * m + terms`
    Affine {
        state: String,
        side: Side,
        factor: Expr,
        mixes: Vec<(Expr, String)>,
        terms: Vec<Term>,
    },
    Loop {
        variable: String,
        count: usize,
        body: Vec<Stmt>,
    },
}

/// A whole rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) fields: Vec<Field>,
    pub(crate) states: Vec<(String, Vec<&'static str>)>,
    pub(crate) body: Vec<Stmt>,
    pub(crate) outputs: Vec<(Expr, Shape)>,
}

impl Display for Index {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Index::Literal(n) => write!(f, "{n}"),
            Index::Loop(name) => f.write_str(name),
        }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Name(name) | Expr::LoopNumber(name) | Expr::Bare(name) => f.write_str(name),
            Expr::Item(name, index) => write!(f, "{name}[{index}]"),
            Expr::Literal(text) => f.write_str(text),
            Expr::Size(dim) => write!(f, "dim({dim})"),
            Expr::Call(name, x) => write!(f, "{name}({})", Bare(x)),
            Expr::Call2(name, x, y) => write!(f, "{name}({}, {})", Bare(x), Bare(y)),
            Expr::Negate(x) => write!(f, "(-{x})"),
            Expr::Binary(op, x, y) => write!(f, "({x} {op} {y})"),
            Expr::Read(state, key) => write!(f, "{state}.read({})", Bare(key)),
        }
    }
}

/// An expression without parentheses around it.
struct Bare<'a>(&'a Expr);

impl Display for Bare<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Expr::Negate(x) => write!(f, "-{x}"),
            Expr::Binary(op, x, y) => write!(f, "{x} {op} {y}"),
            other => write!(f, "{other}"),
        }
    }
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(c) = &self.coefficient {
            write!(f, "{c} * ")?;
        }
        match &self.key {
            Some(key) => write!(f, "outer({}, {})", Bare(key), Bare(&self.value)),
            None => write!(f, "{}", self.value),
        }
    }
}

/// Summands after something that stands before them.
fn tail(f: &mut Formatter<'_>, terms: &[Term]) -> fmt::Result {
    terms.iter().try_for_each(|t| write!(f, " {} {t}", if t.minus { '-' } else { '+' }))
}

impl Stmt {
    fn print(&self, f: &mut Formatter<'_>, indent: usize) -> fmt::Result {
        write!(f, "{:indent$}", "")?;
        match self {
            Stmt::Let(name, value) => writeln!(f, "let {name} = {};", Bare(value)),
            Stmt::Scale { state, factor, .. } => writeln!(f, "{state} *= {};", Bare(factor)),
            Stmt::Write { state, style, terms } => {
                match style {
                    Style::Plus => write!(f, "{state} += {}", terms[0])?,
                    Style::Minus => write!(f, "{state} -= {}", terms[0])?,
                    Style::Assign => {
                        write!(f, "{state} = {state}")?;
                        tail(f, &terms[..1])?;
                    }
                }
                tail(f, &terms[1..])?;
                writeln!(f, ";")
            }
            Stmt::Affine { state, factor, mixes, terms, .. } => {
                write!(f, "{state} = {factor} * {state}")?;
                mixes.iter().try_for_each(|(c, other)| write!(f, " + {c} * {other}"))?;
                tail(f, terms)?;
                writeln!(f, ";")
            }
            Stmt::Loop { variable, count, body } => {
                writeln!(f, "for {variable} in 0..{count} {{")?;
                body.iter().try_for_each(|s| s.print(f, indent + 4))?;
                writeln!(f, "{:indent$}}}", "")
            }
        }
    }
}

impl Display for Shape {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Scalar => f.write_str("Scalar"),
            Shape::Vector(d) => write!(f, "Vector<{d}>"),
        }
    }
}

/// A parameter's type.
fn declaration(kind: &Kind) -> String {
    match kind {
        Kind::Scalar => "Scalar".into(),
        Kind::Vector(d) => format!("Vector<{d}>"),
        Kind::Scalars(n) => format!("[Scalar; {n}]"),
        Kind::Vectors(n, d) => format!("[Vector<{d}>; {n}]"),
        Kind::PerHeadScalar => "PerHead<Scalar>".into(),
        Kind::PerHeadVector(d) => format!("PerHead<Vector<{d}>>"),
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let states = self.states.iter().map(|(name, dims)| format!("mut {name}: State<{}>", dims.join(", ")));
        let fields = self.fields.iter().map(|p| format!("{}: {}", p.name, declaration(&p.kind)));
        let parameters: Vec<String> = states.chain(fields).collect();
        let shapes: Vec<String> = self.outputs.iter().map(|(_, shape)| shape.to_string()).collect();
        let values: Vec<String> = self.outputs.iter().map(|(e, _)| Bare(e).to_string()).collect();
        let tuple = |items: Vec<String>| match items.as_slice() {
            [one] => one.clone(),
            _ => format!("({})", items.join(", ")),
        };
        writeln!(f, "#[rule]\nfn random({}) -> {} {{", parameters.join(", "), tuple(shapes))?;
        self.body.iter().try_for_each(|s| s.print(f, 4))?;
        writeln!(f, "    {}\n}}", tuple(values))
    }
}
