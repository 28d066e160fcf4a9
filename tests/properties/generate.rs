//! Random expressions: parameters on demand, functions, reads, and `let`s for parts of them.
//!
//! Every parameter and every local is made where it is used, so nothing is unused. Values stay of ordinary size: what
//! grows fast is taken of bounded arguments only.

use crate::ast::{Expr, Index, Shape, Stmt};
use crate::problem::{Field, Fill, Kind};
use crate::source::Source;

/// A name made by `let`.
#[derive(Clone)]
struct Local {
    name: String,
    shape: Shape,
    /// Whether it holds a read of a state.
    reads: bool,
}

/// What the generator knows while it writes a rule.
pub(crate) struct Generator<'a> {
    pub(crate) source: &'a mut Source,
    pub(crate) fields: Vec<Field>,
    pub(crate) states: Vec<(String, Vec<&'static str>)>,
    locals: Vec<Local>,
    /// Loop variables in scope and how far they run.
    pub(crate) loops: Vec<(String, usize)>,
    named: usize,
}

/// `op(x, y)`
pub(crate) fn binary(op: char, x: Expr, y: Expr) -> Expr {
    Expr::Binary(op, x.into(), y.into())
}

/// `name(x)`
pub(crate) fn call(name: &'static str, x: Expr) -> Expr {
    Expr::Call(name, x.into())
}

/// `name(x, y)`
pub(crate) fn call2(name: &'static str, x: Expr, y: Expr) -> Expr {
    Expr::Call2(name, x.into(), y.into())
}

impl<'a> Generator<'a> {
    pub(crate) fn new(source: &'a mut Source) -> Self {
        Generator { source, fields: vec![], states: vec![], locals: vec![], loops: vec![], named: 0 }
    }

    /// A parameter of this kind and fill: one there is, or a new one.
    pub(crate) fn parameter(&mut self, kind: Kind, fill: Fill) -> Expr {
        let known: Vec<String> =
            self.fields.iter().filter(|f| f.kind == kind && f.fill == fill).map(|f| f.name.clone()).collect();
        if !known.is_empty() && self.source.below(2) == 0 {
            return Expr::Name(known[self.source.below(known.len())].clone());
        }
        let name = format!("x{}", self.fields.len());
        let heads = self.source.pick(&[1, 2, 4]);
        self.fields.push(Field { name: name.clone(), kind, heads, fill });
        Expr::Name(name)
    }

    /// An input as it comes: by token, constant in time, or an element of an array.
    pub(crate) fn input(&mut self, shape: Shape, fill: Fill) -> Expr {
        let loops = self.loops.last().cloned();
        let arrays_likely = if loops.is_some() { 3 } else { 8 };
        if self.source.one_in(arrays_likely) {
            let count = loops.as_ref().map_or(3, |(_, n)| *n);
            let kind = match shape {
                Shape::Scalar => Kind::Scalars(count),
                Shape::Vector(d) => Kind::Vectors(count, d.into()),
            };
            let Expr::Name(name) = self.parameter(kind, fill) else { unreachable!("a parameter is a name") };
            let index = match loops {
                Some((variable, _)) if !self.source.one_in(4) => Index::Loop(variable),
                _ => Index::Literal(self.source.below(count)),
            };
            return Expr::Item(name, index);
        }
        let per_head = self.source.one_in(6);
        let kind = match (shape, per_head) {
            (Shape::Scalar, false) => Kind::Scalar,
            (Shape::Scalar, true) => Kind::PerHeadScalar,
            (Shape::Vector(d), false) => Kind::Vector(d.into()),
            (Shape::Vector(d), true) => Kind::PerHeadVector(d.into()),
        };
        self.parameter(kind, fill)
    }

    /// Something of this shape, from inputs alone or also from reads.
    fn leaf(&mut self, shape: Shape, reads: bool) -> Expr {
        let here: Vec<String> = self
            .locals
            .iter()
            .filter(|l| l.shape == shape && (reads || !l.reads))
            .map(|l| l.name.clone())
            .collect();
        let choice = self.source.below(8);
        if reads
            && choice >= 3
            && let Some(read) = self.read(shape)
        {
            return read;
        }
        match (choice, shape) {
            (1 | 2, _) if !here.is_empty() => Expr::Name(here[self.source.below(here.len())].clone()),
            (5, Shape::Scalar) => Expr::Literal(self.source.pick(&["1", "2", "0.5", "3", "0.25", "1.5"])),
            (6, Shape::Scalar) => Expr::Size(self.states[0].1[0]),
            (7, Shape::Scalar) if !self.loops.is_empty() => {
                Expr::LoopNumber(self.loops[self.source.below(self.loops.len())].0.clone())
            }
            _ => self.input(shape, Fill::Normal),
        }
    }

    /// A read that gives this shape, if a state can.
    pub(crate) fn read(&mut self, shape: Shape) -> Option<Expr> {
        let fitting: Vec<(String, Vec<&'static str>)> = self
            .states
            .iter()
            .filter(|(_, dims)| match (shape, dims.as_slice()) {
                (Shape::Vector(d), [_, value]) => *value == d,
                (Shape::Vector(d), [one]) => *one == d,
                (Shape::Scalar, _) => true,
                _ => false,
            })
            .cloned()
            .collect();
        if fitting.is_empty() {
            return None;
        }
        let (name, dims) = fitting[self.source.below(fitting.len())].clone();
        Some(match (shape, dims.as_slice()) {
            (Shape::Vector(_), [key, _]) => Expr::Read(name, self.key(key).into()),
            (Shape::Vector(_), _) => Expr::Bare(name),
            (Shape::Scalar, [key, value]) => {
                let read = Expr::Read(name, self.key(key).into());
                let other = self.expression(Shape::Vector(value), 0, false);
                call2("dot", read, other)
            }
            (Shape::Scalar, _) => {
                let key = self.key(dims[0]);
                call2("dot", Expr::Bare(name), key)
            }
        })
    }

    /// A vector of length at most 1, from inputs.
    pub(crate) fn key(&mut self, dim: &'static str) -> Expr {
        match self.source.below(6) {
            0..=3 => self.input(Shape::Vector(dim), Fill::Unit),
            4 => call("l2norm", self.expression(Shape::Vector(dim), 1, false)),
            _ => call("softmax", self.expression(Shape::Vector(dim), 1, false)),
        }
    }

    /// A number between 0 and 1, from inputs.
    pub(crate) fn fraction(&mut self) -> Expr {
        match self.source.below(3) {
            0 => self.input(Shape::Scalar, Fill::Uniform(0.0, 1.0)),
            1 => Expr::Literal("0.5"),
            _ => call("sigmoid", self.expression(Shape::Scalar, 1, false)),
        }
    }

    /// Any expression of this shape with at most `depth` functions one inside the other.
    pub(crate) fn expression(&mut self, shape: Shape, depth: usize, reads: bool) -> Expr {
        if depth == 0 {
            return self.leaf(shape, reads);
        }
        let depth = depth - 1;
        match (self.source.below(14), shape) {
            (0..=2, _) => self.leaf(shape, reads),
            (3 | 4, _) => self.each(shape, depth, reads),
            (5, Shape::Scalar) => {
                let vector = Shape::Vector(self.source.pick(&["K", "V"]));
                let (x, y) = (self.expression(vector, depth, reads), self.expression(vector, depth, reads));
                call2("dot", x, y)
            }
            (6, Shape::Scalar) => {
                let dim = self.source.pick(&["K", "V"]);
                let total = call("sum", self.expression(Shape::Vector(dim), depth, reads));
                if self.source.below(2) == 0 { total } else { binary('/', total, Expr::Size(dim)) }
            }
            (5, _) => call("softmax", self.expression(shape, depth, reads)),
            // A length of nearly 0 would make the slope huge; not of reads, which may be 0.
            (6, _) => call("l2norm", self.expression(shape, depth, false)),
            (7, Shape::Vector(_)) => binary(
                '*',
                self.expression(Shape::Scalar, depth, reads),
                self.expression(shape, depth, reads),
            ),
            (8, _) => Expr::Negate(self.expression(shape, depth, reads).into()),
            (9, _) => {
                let above = self.expression(shape, depth, reads);
                let below = self.expression(shape, depth, reads);
                binary('/', above, binary('+', Expr::Literal("1"), call("square", below)))
            }
            (10, _) => {
                let name = self.source.pick(&["max", "min"]);
                call2(name, self.expression(shape, depth, reads), self.expression(shape, depth, reads))
            }
            _ => {
                let op = self.source.pick(&['+', '-', '*']);
                let left = self.expression(shape, depth, reads);
                let other = if self.source.one_in(4) { Shape::Scalar } else { shape };
                binary(op, left, self.expression(other, depth, reads))
            }
        }
    }

    /// A function of one number, its argument bounded where the function is steep.
    fn each(&mut self, shape: Shape, depth: usize, reads: bool) -> Expr {
        let x = self.expression(shape, depth, reads);
        let one_and = |x| binary('+', Expr::Literal("1"), call("square", x));
        match self.source.below(16) {
            0 => call("tanh", x),
            1 => call("sigmoid", x),
            2 => call("silu", x),
            3 => call("softplus", x),
            4 => call("log_sigmoid", x),
            5 => call("elu", x),
            6 => call("gelu", x),
            7 => call("relu", x),
            8 => call("abs", x),
            9 => call("square", call("tanh", x)),
            10 => call("exp", call2("min", x, Expr::Literal("1"))),
            11 => call("exp", Expr::Negate(call("softplus", x).into())),
            12 => call("log", one_and(x)),
            13 => call("sqrt", one_and(x)),
            14 => call("rsqrt", one_and(x)),
            _ => call("tanh", x),
        }
    }

    /// Sometimes gives the expression a name first.
    pub(crate) fn hoist(&mut self, block: &mut Vec<Stmt>, e: Expr, shape: Shape, reads: bool) -> Expr {
        if self.source.one_in(3) { self.name(block, e, shape, reads) } else { e }
    }

    /// Gives the expression a name.
    pub(crate) fn name(&mut self, block: &mut Vec<Stmt>, e: Expr, shape: Shape, reads: bool) -> Expr {
        self.named += 1;
        let name = format!("y{}", self.named);
        self.locals.push(Local { name: name.clone(), shape, reads });
        block.push(Stmt::Let(name.clone(), e));
        Expr::Name(name)
    }

    /// Makes a block with its own scope: names made inside end with it.
    pub(crate) fn scoped(&mut self, make: impl FnOnce(&mut Self) -> Vec<Stmt>) -> Vec<Stmt> {
        let outside = self.locals.clone();
        let block = make(self);
        self.locals = outside;
        block
    }
}
