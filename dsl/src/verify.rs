//! Verifiers of the rule and timeline stages. A failure is our bug, never the user's: the front end has accepted the rule.
//!
//! Checked, of a graph: operands come before users; elementwise shapes are the broadcast of their operands'; sums keep a
//! subset of dims; matrices of one node have one storage order. Of a body: one update changes one state, to a value of
//! its shape; updates are used after they happen; outputs have their declared shapes. Of a timeline: no matrix, no
//! state leaf; reads number the events in order and are used after they happen; keys and values fit the forms; factors
//! are scalars or vectors of a side; mixes are square, over states of one form.
//!
//! Not checked: that the timeline means what the body means (the evaluators' tests do that).

use crate::graph::{Expr, Graph, ReadId, Shape, StateId, Value};
use crate::rule::Rule;
use crate::timeline::{Event, Timeline};

/// What is wrong with an intermediate form, and the form printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which stage and what.
    pub message: String,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "bug: {}; please report it with the rule's text", self.message)
    }
}
impl std::error::Error for Broken {}

fn ensure(ok: bool, message: impl FnOnce() -> String) -> Result<(), Broken> {
    if ok { Ok(()) } else { Err(Broken { message: message() }) }
}

/// Checks a graph's shapes.
pub fn graph(g: &Graph) -> Result<(), Broken> {
    for v in g.values() {
        let (e, shape) = (g.expr(v), g.shape(v));
        ensure(e.operands().all(|o| o < v), || format!("{v} uses a later value"))?;
        let within = |outer: Shape, inner: Shape| inner.dims().all(|d| outer.has(d));
        let fits = match e {
            Expr::Unary(_, x) => g.shape(x) == shape,
            Expr::Binary(_, x, y) => {
                let all = g.shape(x).dims().chain(g.shape(y).dims());
                within(shape, g.shape(x))
                    && within(shape, g.shape(y))
                    && shape.dims().all(|d| all.clone().any(|x| x == d))
            }
            Expr::Contract(x, y) => shape.dims().all(|d| g.shape(x).has(d) || g.shape(y).has(d)),
            Expr::Sum(x) => within(g.shape(x), shape),
            Expr::Spread(x) => within(shape, g.shape(x)),
            Expr::Softmax(x) | Expr::L2norm(x) => g.shape(x) == shape && matches!(shape, Shape::Vector(_)),
            Expr::Const(_) | Expr::Size(_) => shape == Shape::Scalar,
            _ => true,
        };
        ensure(fits, || format!("{v} = {e:?} has the shape {shape:?}"))?;
        let mut matrices = e.operands().map(|x| g.shape(x)).chain([shape]).filter(|s| s.is_matrix());
        let first = matrices.next();
        ensure(matrices.all(|m| Some(m) == first), || {
            format!("{v} = {e:?} mixes matrices of two storage orders")
        })?;
    }
    Ok(())
}

/// Checks a rule's body.
pub fn body(r: &Rule) -> Result<(), Broken> {
    let g = &r.body.graph;
    graph(g)?;
    for (n, u) in r.body.updates.iter().enumerate() {
        let shape = r.signature.state(u.state).shape;
        ensure(g.shape(u.value) == shape, || format!("update {n} changes the state's shape"))?;
        let live = g.reachable([u.value]);
        let early =
            g.values().any(|v| live[v.index()] && matches!(g.expr(v), Expr::Updated(m) if m as usize >= n));
        ensure(!early, || format!("update {n} uses a state that comes later"))?;
    }
    for (o, &v) in r.signature.outputs.iter().zip(&r.body.outputs) {
        ensure(g.shape(v) == o.shape, || format!("output {} has another shape than declared", o.name))?;
    }
    ensure(r.signature.outputs.len() == r.body.outputs.len(), || "outputs are missing".into())
}

/// Checks a timeline.
pub fn timeline(t: &Timeline) -> Result<(), Broken> {
    graph(&t.graph)?;
    for v in t.graph.values() {
        let e = t.graph.expr(v);
        ensure(!t.graph.shape(v).is_matrix(), || format!("{v} is a matrix in a timeline"))?;
        ensure(!matches!(e, Expr::State(_) | Expr::Updated(_)), || format!("{v} is a state in a timeline"))?;
    }
    let under = crate::strata::reads_under(t);
    let mut seen = 0u32;
    for (n, event) in t.events.iter().enumerate() {
        let ready = |v: Value| under[v.index()].iter().all(|r| r.0 < seen);
        let is = |v: Value, shape: Shape| t.graph.shape(v) == shape;
        let scales = |s: StateId, v: Value| {
            let form = t.form(s);
            is(v, Shape::Scalar) || is(v, form.key_shape()) || is(v, form.value_shape())
        };
        let ok = match event {
            Event::Decay { state, factor } => ready(factor.value()) && scales(*state, factor.value()),
            Event::Read(r) => {
                let read = t.reads.get(r.index());
                *r == ReadId(seen)
                    && read.is_some_and(|x| ready(x.key) && is(x.key, t.form(x.state).key_shape()))
            }
            Event::Write { state, key, value } => {
                let form = t.form(*state);
                ready(*key) && ready(*value) && is(*key, form.key_shape()) && is(*value, form.value_shape())
            }
            Event::Mix { states, matrix } => {
                let square =
                    matrix.len() == states.len() && matrix.iter().all(|row| row.len() == states.len());
                let alike = states.iter().all(|&s| t.form(s) == t.form(states[0]));
                square
                    && alike
                    && matrix.iter().flatten().flatten().all(|&m| ready(m) && scales(states[0], m))
            }
        };
        ensure(ok, || format!("event {n}, {event:?}, is malformed in\n{}", crate::print::timeline(t)))?;
        seen += u32::from(matches!(event, Event::Read(_)));
    }
    ensure(seen as usize == t.reads.len(), || "a read has no event".into())?;
    let shapes = t.signature.outputs.iter().zip(&t.outputs).all(|(o, &v)| t.graph.shape(v) == o.shape);
    ensure(shapes && t.signature.outputs.len() == t.outputs.len(), || {
        "outputs do not fit their declaration".into()
    })
}
