//! Each assignment to a state, taken apart: what it keeps of each state, and what it writes.
//!
//! ```text
//! s = alpha * s + outer(b, u)      keeps alpha of s;  writes b (x) u
//! s = exp(g) * s + m               keeps exp(g) of s, 1 of m
//! z = max(z, x)                    (a State<K>) keeps nothing;  writes 1 (x) max(z, x)
//! ```
//!
//! A matrix state must come apart completely: anything else done to it (`tanh(s)`, `s * s`) has no timeline, and the
//! message names the expression. A `State<K>` always comes apart, because it can be read whole; it is a *column* where every
//! use is a dot product with a vector of inputs, or a linear term of an update, and a *row* otherwise (see [`Form`]).
//!
//! Everything here stays in the body's graph (extended with the products that scaling makes); [`crate::lower`] moves it to
//! the timeline's.

use crate::diagnostic::{Diagnostic, Span};
use crate::graph::{Binary, Expr, Graph, Shape, StateId, Unary, Value};
use crate::rule::Body;
use crate::signature::Signature;
use crate::timeline::Form;

/// One update, taken apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Affine {
    /// For each state that the new value keeps, the factors of its coefficient (none at all: 1).
    pub keeps: Vec<(StateId, Vec<Value>)>,
    /// Rank-one writes: key and value.
    pub writes: Vec<(Value, Value)>,
}

/// All updates taken apart, with the forms of the states that this settles.
pub(crate) struct Parts {
    /// The body's graph, extended.
    pub graph: Graph,
    /// By state.
    pub forms: Vec<Form>,
    /// By update.
    pub updates: Vec<Affine>,
}

/// The state that a leaf stands for, if it is one.
pub(crate) fn version(body: &Body, e: Expr) -> Option<StateId> {
    match e {
        Expr::State(s) => Some(s),
        Expr::Updated(n) => Some(body.updates[n as usize].state),
        _ => None,
    }
}

/// Takes every update apart, with every vector state a column unless something forces it to be a row.
pub(crate) fn decompose(signature: &Signature, body: &Body) -> Result<Parts, Vec<Diagnostic>> {
    let mut forms: Vec<Form> = signature.states.iter().map(|s| column(s.shape)).collect();
    loop {
        let mut d = Decomposer::new(body, &forms);
        let updates: Vec<Affine> = (0..body.updates.len()).map(|n| d.update(n)).collect();
        let graph = d.graph;
        if !d.errors.is_empty() {
            return Err(d.errors);
        }
        let mut rows = d.rows;
        mark_whole_reads(body, &graph, &updates, &forms, &mut rows);
        let changed = rows.iter().zip(&mut forms).filter(|(row, form)| **row && is_column(**form));
        if changed.map(|(_, form)| *form = Form { key: None, value: form.key }).count() == 0 {
            return Ok(Parts { graph, forms, updates });
        }
    }
}

fn column(shape: Shape) -> Form {
    match shape {
        Shape::Matrix(k, v) => Form { key: Some(k), value: Some(v) },
        Shape::Vector(k) => Form { key: Some(k), value: None },
        Shape::Scalar => Form { key: None, value: None },
    }
}

fn is_column(form: Form) -> bool {
    form.key.is_some() && form.value.is_none()
}

/// Marks the column states that some expression reads whole, or dots with a vector that depends on a state.
fn mark_whole_reads(body: &Body, graph: &Graph, updates: &[Affine], forms: &[Form], rows: &mut [bool]) {
    let tainted = graph.dependents(|e| version(body, e).is_some());
    let parts = updates.iter().flat_map(|u| {
        let keeps = u.keeps.iter().flat_map(|(_, factors)| factors.iter().copied());
        keeps.chain(u.writes.iter().flat_map(|&(a, u)| [a, u]))
    });
    let live = graph.reachable_through(parts.chain(body.outputs.iter().copied()), |g, v| match g.expr(v) {
        Expr::Contract(x, y) => {
            match (column_leaf(body, forms, g.expr(x)), column_leaf(body, forms, g.expr(y))) {
                (Some(_), _) if !tainted[y.index()] => vec![y],
                (_, Some(_)) if !tainted[x.index()] => vec![x],
                _ => vec![x, y],
            }
        }
        e => e.operands().collect(),
    });
    for v in graph.values().filter(|v| live[v.index()]) {
        if let Some(s) = column_leaf(body, forms, graph.expr(v)) {
            rows[s.index()] = true;
        }
    }
    for (n, update) in updates.iter().enumerate() {
        let s = body.updates[n].state;
        let decayed_by_state = update.keeps.iter().flat_map(|(_, f)| f).any(|f| tainted[f.index()]);
        rows[s.index()] |= is_column(forms[s.index()]) && decayed_by_state;
    }
}

fn column_leaf(body: &Body, forms: &[Form], e: Expr) -> Option<StateId> {
    version(body, e).filter(|s| is_column(forms[s.index()]))
}

/// Walks one update after another from the top, carrying the factors that scale what stands below.
struct Decomposer<'a> {
    body: &'a Body,
    forms: &'a [Form],
    graph: Graph,
    /// The leaf that stands for each state now: only that one can be kept (`let old = s; s *= g; s += old` keeps no `old`).
    current: Vec<Expr>,
    /// Which values depend on a state.
    tainted: Vec<bool>,
    /// Which column states turned out to need a row.
    rows: Vec<bool>,
    errors: Vec<Diagnostic>,
    state: StateId,
    span: Span,
    affine: Affine,
}

impl<'a> Decomposer<'a> {
    fn new(body: &'a Body, forms: &'a [Form]) -> Self {
        Decomposer {
            body,
            forms,
            graph: body.graph.clone(),
            current: (0..forms.len() as u32).map(|s| Expr::State(StateId(s))).collect(),
            tainted: body.graph.dependents(|e| version(body, e).is_some()),
            rows: vec![false; forms.len()],
            errors: Vec::new(),
            state: StateId(0),
            span: Span::default(),
            affine: Affine::default(),
        }
    }

    fn update(&mut self, n: usize) -> Affine {
        let update = self.body.updates[n];
        (self.state, self.span) = (update.state, update.span);
        if self.graph.shape(update.value).is_matrix() {
            self.matrix(update.value, &[]);
        } else {
            self.vector(update.value, &[]);
        }
        self.current[update.state.index()] = Expr::Updated(n as u32);
        let affine = std::mem::take(&mut self.affine);
        self.merge(affine)
    }

    /// `c1 s + c2 s` keeps `c1 + c2` of `s`.
    fn merge(&mut self, affine: Affine) -> Affine {
        let mut keeps: Vec<(StateId, Vec<Value>)> = Vec::new();
        for (state, factors) in affine.keeps {
            let Some(at) = keeps.iter().position(|(s, _)| *s == state) else {
                keeps.push((state, factors));
                continue;
            };
            let (x, y) = (self.product(&keeps[at].1), self.product(&factors));
            let sum = x.zip(y).and_then(|(x, y)| self.graph.binary(Binary::Add, x, y));
            match sum.filter(|v| !self.graph.shape(*v).is_matrix()) {
                Some(sum) => keeps[at].1 = vec![sum],
                None => {
                    self.refuse(None, "a decay with a factor for each element of the state", MATRIX_DECAY)
                }
            }
        }
        Affine { keeps, writes: affine.writes }
    }

    /// A matrix expression scaled by `scale`.
    fn matrix(&mut self, v: Value, scale: &[Value]) {
        let is_matrix = |d: &Self, x: Value| d.graph.shape(x).is_matrix();
        match self.graph.expr(v) {
            e if self.current.contains(&e) => self.keep(e, scale),
            e if version(self.body, e).is_some() => {
                self.refuse(None, "the value that a state had before it changed", EARLIER_VALUE);
            }
            Expr::Binary(Binary::Add, x, y) if is_matrix(self, x) && is_matrix(self, y) => {
                self.matrix(x, scale);
                self.matrix(y, scale);
            }
            Expr::Binary(Binary::Sub, x, y) if is_matrix(self, x) && is_matrix(self, y) => {
                self.matrix(x, scale);
                self.negated(scale, |d, scale| d.matrix(y, scale));
            }
            Expr::Unary(Unary::Neg, x) => self.negated(scale, |d, scale| d.matrix(x, scale)),
            Expr::Binary(Binary::Mul, x, y) => match (is_matrix(self, x), is_matrix(self, y)) {
                (true, true) => self.refuse(Some(v), "a product of two states", STATE_PRODUCT),
                (true, false) => self.matrix(x, &with(scale, y)),
                (false, true) => self.matrix(y, &with(scale, x)),
                (false, false) => self.outer(v, x, y, scale),
            },
            Expr::Binary(Binary::Div, x, y) if is_matrix(self, x) && !is_matrix(self, y) => {
                let inverse = self.reciprocal(y);
                self.matrix(x, &with(scale, inverse));
            }
            _ => self.refuse(Some(v), "a function applied to the state itself", FUNCTION_OF_STATE),
        }
    }

    /// `outer(x, y)`, its scalars and column factors on the value, its row factors on the key.
    fn outer(&mut self, v: Value, x: Value, y: Value, scale: &[Value]) {
        let Shape::Matrix(k, _) = self.graph.shape(v) else { return };
        let (mut key, mut value) = if self.graph.shape(x).has(k) { (x, y) } else { (y, x) };
        for &f in scale.iter().rev() {
            let on_key = self.graph.shape(f) == Shape::Vector(k);
            let side = if on_key { &mut key } else { &mut value };
            match self.graph.binary(Binary::Mul, f, *side) {
                Some(product) => *side = product,
                None => return self.refuse(Some(v), "a write with a factor for each element", MATRIX_DECAY),
            }
        }
        (key, value) = self.move_reads(key, value);
        self.affine.writes.push((key, value));
    }

    /// `outer(c k, u) = outer(k, c u)`: a scalar that depends on a read belongs to the value.
    fn move_reads(&mut self, key: Value, value: Value) -> (Value, Value) {
        if !self.is_tainted(key) {
            return (key, value);
        }
        let (rest, factor) = match self.graph.expr(key) {
            Expr::Binary(Binary::Mul, x, y) if self.graph.shape(x) == Shape::Scalar => (y, x),
            Expr::Binary(Binary::Mul, x, y) if self.graph.shape(y) == Shape::Scalar => (x, y),
            Expr::Binary(Binary::Div, x, y) if self.graph.shape(y) == Shape::Scalar => {
                (x, self.reciprocal(y))
            }
            Expr::Unary(Unary::Neg, x) => (x, self.graph.constant(-1.0)),
            _ => return (key, value),
        };
        match self.graph.binary(Binary::Mul, factor, value) {
            Some(value) => self.move_reads(rest, value),
            None => (key, value),
        }
    }

    /// A vector expression scaled by `scale`, written to a vector state.
    fn vector(&mut self, v: Value, scale: &[Value]) {
        let in_row = !is_column(self.forms[self.state.index()]);
        let whole = !self.is_tainted(v) || (in_row && !self.has_linear_leaf(v));
        match self.graph.expr(v) {
            _ if whole => self.remainder(v, scale),
            e if self.is_linear_leaf(e) => self.keep(e, scale),
            Expr::Binary(Binary::Add, x, y) => {
                self.vector(x, scale);
                self.vector(y, scale);
            }
            Expr::Binary(Binary::Sub, x, y) => {
                self.vector(x, scale);
                self.negated(scale, |d, scale| d.vector(y, scale));
            }
            Expr::Unary(Unary::Neg, x) => self.negated(scale, |d, scale| d.vector(x, scale)),
            Expr::Binary(Binary::Mul, x, y) if self.has_linear_leaf(x) && !self.is_tainted(y) => {
                self.vector(x, &with(scale, y));
            }
            Expr::Binary(Binary::Mul, x, y) if self.has_linear_leaf(y) && !self.is_tainted(x) => {
                self.vector(y, &with(scale, x));
            }
            Expr::Binary(Binary::Div, x, y) if self.has_linear_leaf(x) && !self.is_tainted(y) => {
                let inverse = self.reciprocal(y);
                self.vector(x, &with(scale, inverse));
            }
            _ => self.remainder(v, scale),
        }
    }

    /// What an update of a vector state adds: `1 (x) value` in a row, `key (x) scalar` in a column.
    fn remainder(&mut self, v: Value, scale: &[Value]) {
        let form = self.forms[self.state.index()];
        let Some(value) = self.product(&with(scale, v)) else { return };
        let one = self.graph.constant(1.0);
        let value = self.graph.spread(value, Shape::of(form.key, form.value));
        if is_column(form) {
            let (key, value) = self.move_reads(value, one);
            self.rows[self.state.index()] |= self.is_tainted(key);
            self.affine.writes.push((key, value));
        } else {
            self.affine.writes.push((one, value));
        }
    }

    /// Leaves that an update of a vector state may keep: itself in a row, any column of its dim in a column.
    fn is_linear_leaf(&self, e: Expr) -> bool {
        let own = self.forms[self.state.index()];
        version(self.body, e).filter(|_| self.current.contains(&e)).is_some_and(|s| match is_column(own) {
            true => self.forms[s.index()] == own,
            false => s == self.state,
        })
    }

    /// Whether sums and products alone lead from `v` to such a leaf.
    fn has_linear_leaf(&self, v: Value) -> bool {
        match self.graph.expr(v) {
            Expr::Unary(Unary::Neg, x) => self.has_linear_leaf(x),
            Expr::Binary(Binary::Add | Binary::Sub | Binary::Mul, x, y) => {
                self.has_linear_leaf(x) || self.has_linear_leaf(y)
            }
            Expr::Binary(Binary::Div, x, _) => self.has_linear_leaf(x),
            e => self.is_linear_leaf(e),
        }
    }

    fn keep(&mut self, leaf: Expr, scale: &[Value]) {
        if let Some(state) = version(self.body, leaf) {
            self.affine.keeps.push((state, scale.to_vec()));
        }
    }

    fn negated(&mut self, scale: &[Value], f: impl FnOnce(&mut Self, &[Value])) {
        let minus = self.graph.constant(-1.0);
        f(self, &with(scale, minus));
    }

    fn reciprocal(&mut self, x: Value) -> Value {
        let one = self.graph.constant(1.0);
        self.graph.push(Expr::Binary(Binary::Div, one, x), self.graph.shape(x))
    }

    /// The product of all factors, 1 where there is none; a refusal where their dims do not fit one vector.
    fn product(&mut self, factors: &[Value]) -> Option<Value> {
        let mut product = self.graph.constant(1.0);
        for &f in factors {
            match self.graph.binary(Binary::Mul, product, f).filter(|p| !self.graph.shape(*p).is_matrix()) {
                Some(p) => product = p,
                None => {
                    self.refuse(Some(f), "a decay with a factor for each element of the state", MATRIX_DECAY);
                    return None;
                }
            }
        }
        Some(product)
    }

    /// Whether a value depends on a state; products made here inherit it from their operands.
    fn is_tainted(&mut self, v: Value) -> bool {
        for n in self.tainted.len()..self.graph.len() {
            let t = self.graph.expr(Value(n as u32)).operands().any(|o| self.tainted[o.index()]);
            self.tainted.push(t);
        }
        self.tainted[v.index()]
    }

    fn refuse(&mut self, at: Option<Value>, what: &str, hint: &str) {
        let span = at.and_then(|v| self.body.origins.get(&v)).copied().unwrap_or(self.span);
        self.errors.push(Diagnostic::mistake(span, format!("no class of rules allows {what}"), hint));
    }
}

const MATRIX_DECAY: &str = "scale rows by a Vector of the key dim and columns by a Vector of the value dim in separate factors, \
                            or write `#[rule(recurrent)]` to get the token loop only";
const EARLIER_VALUE: &str = "use the state before the statement that changes it, or write \
     `#[rule(recurrent)]` to get the token loop only";
const STATE_PRODUCT: &str = "multiply what `s.read(..)` returns, or write `#[rule(recurrent)]` to get the token loop \
     only";
const FUNCTION_OF_STATE: &str = "a state may only be scaled, added to another and written to; apply functions to what `s.read(..)` \
                                 returns, or write `#[rule(recurrent)]` to get the token loop only";

fn with(scale: &[Value], factor: Value) -> Vec<Value> {
    let mut scale = scale.to_vec();
    scale.push(factor);
    scale
}
