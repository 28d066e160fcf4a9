//! Printers of the rule and timeline stages: the text that people and golden files read.
//!
//! ```text
//! decay(s, exp(g))
//! p0 = read(s, k)
//! write(s, beta * k, v - p0)
//! p1 = read(s, q)
//! o = p1
//! ```
//!
//! Expressions print as the rule language would write them. A value that the user named with `let` prints by its name and is
//! defined once, above the events; a name that shadows another gets a prime (`k'`).

use crate::graph::{Binary, Expr, Graph, Shape, Unary, Value};
use crate::rule::{Body, Rule};
use crate::signature::Signature;
use crate::timeline::{Event, Factor, Given, Timeline};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Prints expressions of one graph under fixed names.
pub struct Printer<'a> {
    signature: &'a Signature,
    graph: &'a Graph,
    givens: &'a [Given],
    read_prefix: &'static str,
    names: BTreeMap<Value, String>,
}

impl<'a> Printer<'a> {
    /// Names every user-named value that `roots` reach (leaves keep their own names).
    pub fn new(signature: &'a Signature, graph: &'a Graph, givens: &'a [Given], roots: &[Value]) -> Self {
        let live = graph.reachable(roots.iter().copied());
        let mut taken: BTreeSet<String> = signature.params.iter().map(|p| p.name.clone()).collect();
        taken.extend(signature.states.iter().map(|s| s.name.clone()));
        taken.extend(givens.iter().map(|g| g.name.clone()));
        let mut names = BTreeMap::new();
        for (&v, name) in &graph.names {
            let is_leaf = graph.expr(v).operands().next().is_none();
            if live[v.index()] && !is_leaf {
                let mut name = name.clone();
                while !taken.insert(name.clone()) {
                    name.push('\'');
                }
                names.insert(v, name);
            }
        }
        Printer { signature, graph, givens, read_prefix: "p", names }
    }

    /// The printer of a timeline.
    pub fn of(t: &'a Timeline) -> Self {
        let p = Printer::new(&t.signature, &t.graph, &t.givens, &t.roots());
        Printer { read_prefix: t.read_prefix, ..p }
    }

    /// Named values in order, with their definitions.
    pub fn definitions(&self) -> Vec<(String, String)> {
        self.names.iter().map(|(&v, name)| (name.clone(), self.expand(v, 0))).collect()
    }

    /// The expression, by name where it has one.
    pub fn show(&self, v: Value) -> String {
        self.at(v, 0)
    }

    /// The expression as an operand of a product: in parentheses where it is a sum.
    pub fn factor(&self, v: Value) -> String {
        self.at(v, 2)
    }

    fn at(&self, v: Value, context: u8) -> String {
        match self.names.get(&v) {
            Some(name) => name.clone(),
            None => self.expand(v, context),
        }
    }

    /// `context`: 0 none, 1 operand of a sum on the right, 2 operand of a product, 3 right operand of `/` or of a sign.
    fn expand(&self, v: Value, context: u8) -> String {
        let wrap = |level: u8, text: String| if context > level { format!("({text})") } else { text };
        match self.graph.expr(v) {
            Expr::Const(c) if c.0 < 0.0 => wrap(1, number(c.0)),
            Expr::Const(c) => number(c.0),
            Expr::Size(d) => format!("dim({})", self.signature.dim(d)),
            Expr::Param(p, None) => self.signature.param(p).name.clone(),
            Expr::Param(p, Some(j)) => format!("{}[{j}]", self.signature.param(p).name),
            Expr::State(s) => self.signature.state(s).name.clone(),
            Expr::Updated(n) => format!("after{n}"),
            Expr::Read(r) => format!("{}{}", self.read_prefix, r.0),
            Expr::Given(n) => self.givens.get(n as usize).map_or(format!("given{n}"), |g| g.name.clone()),
            Expr::Unary(Unary::Neg, x) => wrap(1, format!("-{}", self.at(x, 2))),
            Expr::Unary(op, x) => format!("{}({})", function(op), self.show(x)),
            Expr::Binary(op, x, y) => match (op, self.graph.shape(x), self.graph.shape(y)) {
                (Binary::Mul, Shape::Vector(a), Shape::Vector(b)) if a != b => {
                    format!("outer({}, {})", self.show(x), self.show(y))
                }
                (Binary::Add, ..) => wrap(0, format!("{} + {}", self.at(x, 0), self.at(y, 1))),
                (Binary::Sub, ..) => wrap(0, format!("{} - {}", self.at(x, 0), self.at(y, 1))),
                (Binary::Mul, ..) => wrap(2, format!("{} * {}", self.at(x, 2), self.at(y, 2))),
                (Binary::Div, ..) => wrap(2, format!("{} / {}", self.at(x, 2), self.at(y, 3))),
                (Binary::Max, ..) => format!("max({}, {})", self.show(x), self.show(y)),
                (Binary::Min, ..) => format!("min({}, {})", self.show(x), self.show(y)),
                (Binary::Greater, ..) => format!("greater({}, {})", self.show(x), self.show(y)),
            },
            Expr::Contract(x, y) if self.graph.shape(v) == Shape::Scalar => {
                format!("dot({}, {})", self.show(x), self.show(y))
            }
            Expr::Contract(x, y) => format!("{}.read({})", self.at(x, 3), self.show(y)),
            Expr::Sum(x) => format!("sum({})", self.show(x)),
            Expr::Spread(x) => self.at(x, context),
            Expr::Softmax(x) => format!("softmax({})", self.show(x)),
            Expr::L2norm(x) => format!("l2norm({})", self.show(x)),
        }
    }
}

/// A number in the shortest form that the rule language reads back.
fn number(c: f64) -> String {
    if c == c.trunc() && c.abs() < 1e15 { format!("{c:.0}") } else { format!("{c}") }
}

/// The name of a function in the rule language.
pub fn function(op: Unary) -> &'static str {
    match op {
        Unary::Neg => "neg",
        Unary::Exp => "exp",
        Unary::Log => "log",
        Unary::Sigmoid => "sigmoid",
        Unary::LogSigmoid => "log_sigmoid",
        Unary::Softplus => "softplus",
        Unary::Silu => "silu",
        Unary::Elu => "elu",
        Unary::Gelu => "gelu",
        Unary::Relu => "relu",
        Unary::Tanh => "tanh",
        Unary::Sqrt => "sqrt",
        Unary::Rsqrt => "rsqrt",
        Unary::Square => "square",
        Unary::Abs => "abs",
        Unary::Erf => "erf",
        Unary::Step => "step",
        Unary::Sign => "sign",
    }
}

/// One expression of a timeline, as the rule language would write it.
pub fn expression(t: &Timeline, v: Value) -> String {
    Printer::of(t).show(v)
}

/// A decay factor: `exp(g)` or the raw value.
pub fn factor(p: &Printer<'_>, f: Factor) -> String {
    match f {
        Factor::Log(v) => format!("exp({})", p.show(v)),
        Factor::Raw(v) => p.show(v),
    }
}

/// One event, on one line.
pub fn event(t: &Timeline, p: &Printer<'_>, event: &Event) -> String {
    let name = |s: crate::graph::StateId| t.signature.state(s).name.as_str();
    match event {
        Event::Decay { state, factor: f } => format!("decay({}, {})", name(*state), factor(p, *f)),
        Event::Read(r) => {
            let read = t.read(*r);
            format!("{}{} = read({}, {})", t.read_prefix, r.0, name(read.state), p.show(read.key))
        }
        Event::Write { state, key, value } => {
            format!("write({}, {}, {})", name(*state), p.show(*key), p.show(*value))
        }
        Event::Mix { states, matrix } => {
            let entry = |m: &Option<Value>| m.map_or("0".into(), |v| p.show(v));
            let row = |r: &Vec<Option<Value>>| r.iter().map(entry).collect::<Vec<_>>().join(", ");
            let names: Vec<&str> = states.iter().map(|&s| name(s)).collect();
            let rows: Vec<String> = matrix.iter().map(row).collect();
            format!("mix({}; {})", names.join(", "), rows.join("; "))
        }
    }
}

/// The timeline, one line a definition, event and output.
pub fn timeline(t: &Timeline) -> String {
    let p = Printer::of(t);
    let mut out = String::new();
    for (name, definition) in p.definitions() {
        let _ = writeln!(out, "{name} = {definition}");
    }
    for e in &t.events {
        let _ = writeln!(out, "{}", event(t, &p, e));
    }
    for (output, &v) in t.signature.outputs.iter().zip(&t.outputs) {
        let _ = writeln!(out, "{} = {}", output.name, p.show(v));
    }
    out
}

/// The body of a rule: definitions, updates, outputs.
pub fn rule(r: &Rule) -> String {
    let p = Printer::new(&r.signature, &r.body.graph, &[], &body_roots(&r.body));
    let mut out = String::new();
    for (name, definition) in p.definitions() {
        let _ = writeln!(out, "{name} = {definition}");
    }
    for (n, u) in r.body.updates.iter().enumerate() {
        let _ = writeln!(out, "after{n} = {}    ({})", p.show(u.value), r.signature.state(u.state).name);
    }
    for (output, &v) in r.signature.outputs.iter().zip(&r.body.outputs) {
        let _ = writeln!(out, "{} = {}", output.name, p.show(v));
    }
    out
}

fn body_roots(body: &Body) -> Vec<Value> {
    body.updates.iter().map(|u| u.value).chain(body.outputs.iter().copied()).collect()
}
