//! The expression graph: what a rule computes at one token, as hash-consed, shape-checked nodes.
//!
//! `beta * k` becomes `v2 = mul v0 v1`. Every node has a [`Shape`] made of *named* dims, so that all products are
//! einsums over names: `outer(a, u)` is a product whose shape keeps both dims, `dot(a, b)` and `s.read(b)` are
//! [`Expr::Contract`], the sum over every dim that the node's shape does not keep. The adjoint of a product is then
//! again a product, whatever the shapes (see `algebra::vjp`).
//!
//! Invariants: operands come before their users (a node's id is greater than its operands'); equal nodes are one node;
//! expressions are pure, so a value may be computed once or many times. The graph of a rule's body may hold
//! matrices and states; the graph of a [`Timeline`](crate::timeline::Timeline) holds neither.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Declares a typed handle into an arena; it prints as it stands in dumps (`v3`).
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The position in its arena.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self, f)
            }
        }
    };
}

id!(/// A dim name of a rule (`K`, `V`), by position in [`Signature::dims`](crate::signature::Signature::dims).
    Dim, "d");
id!(/// A parameter of a rule, by position in [`Signature::params`](crate::signature::Signature::params).
    ParamId, "in");
id!(/// A state of a rule, by position in [`Signature::states`](crate::signature::Signature::states).
    StateId, "s");
id!(/// A read event of a timeline, in event order.
    ReadId, "p");
id!(/// A node of a [`Graph`].
    Value, "v");

/// The named dims of a value, in storage order (the last one is contiguous).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Shape {
    /// One number.
    Scalar,
    /// One dim.
    Vector(Dim),
    /// Rows by columns; the two dims always differ.
    Matrix(Dim, Dim),
}

impl Shape {
    /// The dims, outermost first.
    pub fn dims(self) -> impl DoubleEndedIterator<Item = Dim> + Clone {
        let (a, b) = match self {
            Shape::Scalar => (None, None),
            Shape::Vector(d) => (Some(d), None),
            Shape::Matrix(k, v) => (Some(k), Some(v)),
        };
        a.into_iter().chain(b)
    }

    /// Whether `dim` is one of this shape's dims.
    pub fn has(self, dim: Dim) -> bool {
        self.dims().any(|d| d == dim)
    }

    /// Whether this is a matrix.
    pub fn is_matrix(self) -> bool {
        matches!(self, Shape::Matrix(..))
    }

    /// The shape of an elementwise operation on the two: every dim of either, the first operand's first.
    /// `None` where that would have more than two dims, or the same two in another order.
    pub fn broadcast(self, other: Shape) -> Option<Shape> {
        use Shape::*;
        match (self, other) {
            (a, b) if a == b => Some(a),
            (Scalar, x) | (x, Scalar) => Some(x),
            (Vector(a), Vector(b)) => Some(Matrix(a, b)),
            (Matrix(k, v), Vector(d)) | (Vector(d), Matrix(k, v)) if d == k || d == v => Some(Matrix(k, v)),
            _ => None,
        }
    }

    /// The shape of `dims` (at most two).
    pub fn of(key: Option<Dim>, value: Option<Dim>) -> Shape {
        match (key, value) {
            (None, None) => Shape::Scalar,
            (Some(d), None) | (None, Some(d)) => Shape::Vector(d),
            (Some(k), Some(v)) => Shape::Matrix(k, v),
        }
    }
}

/// An `f64` literal that can be a key: compared by its bits.
#[derive(Clone, Copy)]
pub struct Literal(pub f64);

impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}
impl Eq for Literal {}
impl std::hash::Hash for Literal {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}
impl fmt::Debug for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A function of one number, applied to each element. Logarithms and exponentials are natural.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Unary {
    /// `-x`
    Neg,
    /// `e^x`
    Exp,
    /// natural logarithm
    Log,
    /// `1 / (1 + e^-x)`
    Sigmoid,
    /// `-softplus(-x)`
    LogSigmoid,
    /// `log(1 + e^x)`, computed as `max(x, 0) + log1p(e^-|x|)`
    Softplus,
    /// `x sigmoid(x)`
    Silu,
    /// `x` where `x > 0`, otherwise `e^x - 1`
    Elu,
    /// `x Phi(x)` with the exact normal distribution function (erf)
    Gelu,
    /// `max(x, 0)`
    Relu,
    /// hyperbolic tangent
    Tanh,
    /// square root
    Sqrt,
    /// `1 / sqrt(x)`
    Rsqrt,
    /// `x x`
    Square,
    /// `|x|`
    Abs,
    /// The error function; it appears in derivatives (of `gelu`) only.
    Erf,
    /// `1` where `x > 0`, otherwise `0`; derivatives only.
    Step,
    /// `-1`, `0` or `1`; derivatives only.
    Sign,
}

/// A function of two numbers, applied elementwise with dims broadcast by name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Binary {
    /// `x + y`
    Add,
    /// `x - y`
    Sub,
    /// `x y`
    Mul,
    /// `x / y`
    Div,
    /// the greater of two
    Max,
    /// the smaller of two
    Min,
    /// `1` where `x > y`, `1/2` where they are equal, otherwise `0`; derivatives only.
    Greater,
}

/// One node. Its shape stands beside it, in [`Graph::shape`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Expr {
    /// A number.
    Const(Literal),
    /// The run-time size of a dim, as a number.
    Size(Dim),
    /// This token's row of an input; for `[Vector<D>; N]` the element `index`.
    Param(ParamId, Option<u32>),
    /// Rule bodies: a state as it stood at the token's start.
    State(StateId),
    /// Rule bodies: a state just after update number `n` of [`Body::updates`](crate::rule::Body::updates).
    Updated(u32),
    /// Timelines: what a read event tapped.
    Read(ReadId),
    /// A value supplied by whoever evaluates the graph; the passes that make such nodes keep a table of their meaning
    /// (saved reads and cotangents, in the adjoint).
    Given(u32),
    /// Elementwise function.
    Unary(Unary, Value),
    /// Elementwise function of two; `Mul` of dims that differ is the outer product.
    Binary(Binary, Value, Value),
    /// Product summed over every dim that this node's shape does not keep: `dot`, `s.read(b)`, and their adjoints.
    Contract(Value, Value),
    /// Sum over every dim that this node's shape does not keep.
    Sum(Value),
    /// The same value along further dims of this node's shape (the adjoint of [`Expr::Sum`]).
    Spread(Value),
    /// Softmax of a vector.
    Softmax(Value),
    /// `x / sqrt(sum(x^2) + 1e-6)` of a vector.
    L2norm(Value),
}

impl Expr {
    /// The operands, in order.
    pub fn operands(self) -> impl Iterator<Item = Value> {
        let (a, b) = match self {
            Expr::Unary(_, x) | Expr::Sum(x) | Expr::Spread(x) | Expr::Softmax(x) | Expr::L2norm(x) => {
                (Some(x), None)
            }
            Expr::Binary(_, x, y) | Expr::Contract(x, y) => (Some(x), Some(y)),
            _ => (None, None),
        };
        a.into_iter().chain(b)
    }

    /// The same node over other operands.
    pub fn map(self, mut f: impl FnMut(Value) -> Value) -> Expr {
        match self {
            Expr::Unary(op, x) => Expr::Unary(op, f(x)),
            Expr::Binary(op, x, y) => {
                let x = f(x);
                Expr::Binary(op, x, f(y))
            }
            Expr::Contract(x, y) => {
                let x = f(x);
                Expr::Contract(x, f(y))
            }
            Expr::Sum(x) => Expr::Sum(f(x)),
            Expr::Spread(x) => Expr::Spread(f(x)),
            Expr::Softmax(x) => Expr::Softmax(f(x)),
            Expr::L2norm(x) => Expr::L2norm(f(x)),
            leaf => leaf,
        }
    }
}

/// An arena of hash-consed nodes.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<(Expr, Shape)>,
    index: HashMap<(Expr, Shape), Value>,
    /// Names that the user gave to values with `let`, for printers.
    pub names: BTreeMap<Value, String>,
}

impl Graph {
    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All nodes, operands before users.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = Value> + use<> {
        (0..self.nodes.len() as u32).map(Value)
    }

    /// The node of a value.
    pub fn expr(&self, v: Value) -> Expr {
        self.nodes[v.index()].0
    }

    /// The shape of a value.
    pub fn shape(&self, v: Value) -> Shape {
        self.nodes[v.index()].1
    }

    /// The number, where the value is a literal.
    pub fn literal(&self, v: Value) -> Option<f64> {
        match self.expr(v) {
            Expr::Const(c) => Some(c.0),
            _ => None,
        }
    }

    /// Adds a node as it is, or finds it. No simplification: see the named constructors.
    pub fn push(&mut self, expr: Expr, shape: Shape) -> Value {
        if let Some(&v) = self.index.get(&(expr, shape)) {
            return v;
        }
        let v = Value(self.nodes.len() as u32);
        self.nodes.push((expr, shape));
        self.index.insert((expr, shape), v);
        v
    }

    /// A number.
    pub fn constant(&mut self, c: f64) -> Value {
        self.push(Expr::Const(Literal(c)), Shape::Scalar)
    }

    /// An elementwise function, with literals folded and double negation undone.
    pub fn unary(&mut self, op: Unary, x: Value) -> Value {
        match (op, self.expr(x)) {
            (Unary::Neg, Expr::Const(c)) => self.constant(-c.0),
            (Unary::Neg, Expr::Unary(Unary::Neg, y)) => y,
            _ => self.push(Expr::Unary(op, x), self.shape(x)),
        }
    }

    /// An elementwise function of two values whose shapes broadcast (`None` where they do not); see [`simplify`].
    pub fn binary(&mut self, op: Binary, x: Value, y: Value) -> Option<Value> {
        let shape = self.shape(x).broadcast(self.shape(y))?;
        Some(simplify(self, op, x, y, shape).unwrap_or_else(|| self.push(Expr::Binary(op, x, y), shape)))
    }

    /// The sum of products over the dims that `keep` leaves out; a plain product where it leaves out none.
    pub fn contract(&mut self, x: Value, y: Value, keep: Shape) -> Value {
        match self.shape(x).broadcast(self.shape(y)) {
            Some(full) if full == keep => simplify(self, Binary::Mul, x, y, keep)
                .unwrap_or_else(|| self.push(Expr::Binary(Binary::Mul, x, y), keep)),
            _ if self.literal(y) == Some(1.0) => self.sum(x, keep),
            _ if self.literal(x) == Some(1.0) => self.sum(y, keep),
            _ => self.push(Expr::Contract(x, y), keep),
        }
    }

    /// The sum over the dims that `keep` leaves out; the value itself where it leaves out none.
    pub fn sum(&mut self, x: Value, keep: Shape) -> Value {
        if self.shape(x) == keep { x } else { self.push(Expr::Sum(x), keep) }
    }

    /// The value along every dim of `shape`.
    pub fn spread(&mut self, x: Value, shape: Shape) -> Value {
        if self.shape(x) == shape { x } else { self.push(Expr::Spread(x), shape) }
    }

    /// Which values the roots need, the roots included: `result[v.index()]`.
    pub fn reachable(&self, roots: impl IntoIterator<Item = Value>) -> Vec<bool> {
        self.reachable_through(roots, |g, v| g.expr(v).operands().collect())
    }

    /// Which values the roots reach, where a value leads to `next` of it (some or all of its operands).
    pub fn reachable_through(
        &self,
        roots: impl IntoIterator<Item = Value>,
        next: impl Fn(&Graph, Value) -> Vec<Value>,
    ) -> Vec<bool> {
        let mut live = vec![false; self.len()];
        for r in roots {
            live[r.index()] = true;
        }
        for v in self.values().rev() {
            if live[v.index()] {
                for o in next(self, v) {
                    live[o.index()] = true;
                }
            }
        }
        live
    }

    /// Which values depend on a leaf that `is_source` picks: `result[v.index()]`.
    pub fn dependents(&self, is_source: impl Fn(Expr) -> bool) -> Vec<bool> {
        let mut tainted: Vec<bool> = Vec::with_capacity(self.len());
        for v in self.values() {
            let e = self.expr(v);
            let t = is_source(e) || e.operands().any(|o| tainted[o.index()]);
            tainted.push(t);
        }
        tainted
    }
}

/// Local algebra that is exact for every input, NaN and infinity included (so `0 x` stays).
///
/// | rule | |
/// |---|---|
/// | fold | two literals under `+ - *`, or `/` by a literal that is not 0 |
/// | one | `1 x`, `x 1`, `x / 1` are `x` |
/// | zero | `0 + x`, `x + 0`, `x - 0` are `x`; `0 - x` is `-x` |
/// | sign | `x + -y` is `x - y`, `x - -y` is `x + y` |
pub fn simplify(g: &mut Graph, op: Binary, x: Value, y: Value, shape: Shape) -> Option<Value> {
    use Binary::*;
    let keeps = |g: &Graph, v: Value| (g.shape(v) == shape).then_some(v);
    match (op, g.literal(x), g.literal(y)) {
        (Add, Some(a), Some(b)) => Some(g.constant(a + b)),
        (Sub, Some(a), Some(b)) => Some(g.constant(a - b)),
        (Mul, Some(a), Some(b)) => Some(g.constant(a * b)),
        (Div, Some(a), Some(b)) if b != 0.0 => Some(g.constant(a / b)),
        (Mul, Some(1.0), _) | (Add, Some(0.0), _) => keeps(g, y),
        (Mul | Div, _, Some(1.0)) | (Add | Sub, _, Some(0.0)) => keeps(g, x),
        (Sub, Some(0.0), _) => keeps(g, y).map(|y| g.unary(Unary::Neg, y)),
        (Mul, Some(-1.0), _) => keeps(g, y).map(|y| g.unary(Unary::Neg, y)),
        (Mul, _, Some(-1.0)) => keeps(g, x).map(|x| g.unary(Unary::Neg, x)),
        (Add | Sub, ..) => match g.expr(y) {
            Expr::Unary(Unary::Neg, inner) => {
                let flipped = if op == Add { Sub } else { Add };
                Some(g.push(Expr::Binary(flipped, x, inner), shape))
            }
            _ => None,
        },
        _ => None,
    }
}
